"""The name and digest by which a predictor refers to a backbone that it does not copy."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

Precision = Literal["fp32", "int8"]
"""The arithmetic of an ONNX graph: single precision, or INT8 weights with scales per channel."""


@dataclass(frozen=True)
class BackboneReference:
    """A backbone that a predictor needs.

    Attributes:
        name: in the store, such as ``minilm``.
        digest: SHA-256 (hex) of the backbone, over its files (see
            :attr:`crisol.core.backbones.store.Backbone.digest`).
        precision: of the graph that computes its vectors.
    """

    name: str
    digest: str
    precision: Precision = "fp32"

    def __str__(self) -> str:
        return f"{self.name} {self.digest[:12]} ({self.precision})"

    def to_json(self) -> dict[str, str]:
        """Plain JSON, as it stands in a predictor's manifest."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """The inverse of :meth:`to_json`."""
        return cls(stored["name"], stored["digest"], stored["precision"])
