"""The interface of the ensemble's members, their targets and their forecasts."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.backbone_reference import BackboneReference
from crisol.models.products.data.records import ProductRecord


@dataclass(frozen=True)
class Targets:
    """The targets of N products, where they are known.

    Attributes:
        leaf: [N] int64 index into the taxonomy's leaves; -1 unknown.
        log_price: [N] natural logarithm of the price; NaN unknown.
        rating: [N] in [0, 1]: the rank of the customers' rating among the training products' (mean
            rank of ties); NaN unknown or too few votes.
    """

    leaf: NDArray[np.int64]
    log_price: Floats
    rating: Floats

    def __len__(self) -> int:
        return len(self.leaf)

    def take(self, rows: NDArray[Any]) -> "Targets":
        """The targets of some rows."""
        return Targets(self.leaf[rows], self.log_price[rows], self.rating[rows])


@dataclass(frozen=True)
class Forecast:
    """A member's predictions for N products; ``None`` for a head that it has not learned.

    Attributes:
        leaf: [N, C] log-probabilities over the taxonomy's leaves.
        log_price: [N].
        rating: [N] in [0, 1].
    """

    leaf: Floats | None = None
    log_price: Floats | None = None
    rating: Floats | None = None

    def take(self, rows: NDArray[Any]) -> "Forecast":
        """The forecast of some rows."""
        parts = (self.leaf, self.log_price, self.rating)
        return Forecast(*(None if part is None else part[rows] for part in parts))


class Member(ABC):
    """A trained model of products.

    It predicts every head that it has learned in one call. The inputs of each head are fixed when
    the member is built, not when it is called:

    - the leaf never uses ``record.category``;
    - the log-price never uses ``record.price`` (and no text holds one);
    - the rating may use everything.

    A prediction does not depend on the other records of the batch. Predicting needs only NumPy,
    SciPy and torch: no scikit-learn, no pandas.
    """

    name: ClassVar[str]

    @property
    def backbones(self) -> tuple[BackboneReference, ...]:
        """The pretrained encoders that it needs beside its own files."""
        return ()

    @abstractmethod
    def forecast(self, records: Sequence[ProductRecord]) -> Forecast:
        """The predictions for N records."""

    @abstractmethod
    def write(self, directory: Path) -> dict[str, Any]:
        """Write arrays as safetensors and state as JSON; return the part of the manifest."""

    @classmethod
    @abstractmethod
    def read(cls, directory: Path, manifest: Mapping[str, Any]) -> Self:
        """Build the member from what :meth:`write` wrote."""
