"""Every family, one line each: its name, its route, and what spoils its example request."""

from dataclasses import dataclass
from typing import Any

from crisol import models
from crisol.core.capabilities import Capabilities


@dataclass(frozen=True)
class Family:
    """What the conformance tests know about a family."""

    name: str
    route: str
    bad_path: tuple[str | int, ...]
    bad_value: Any

    @property
    def capabilities(self) -> Capabilities:
        """The capabilities that the family states; the tests ask for no more."""
        stated: Capabilities = models.family(self.name).CAPABILITIES
        return stated


FAMILIES = [
    Family("products", "/analyze", ("price",), -1.0),
    Family("recommender", "/recommendations", ("num_recs",), 0),
    Family("signals", "/predict", ("sequence", 12, "close"), -1.0),
    Family("tabular", "/predict", ("rows", 0, "age"), "many"),
]
