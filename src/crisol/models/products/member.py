"""What every part of the ensemble can do, whatever it is made of."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.models.products.data.records import ProductRecord


@dataclass(frozen=True)
class Targets:
    """What N products are, as far as it is known.

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
        """Some rows."""
        return Targets(self.leaf[rows], self.log_price[rows], self.rating[rows])


@dataclass(frozen=True)
class Forecast:
    """What a member says of N products; ``None`` where it has not learned to say anything.

    Attributes:
        leaf: [N, C] log-probabilities over the taxonomy's leaves.
        log_price: [N].
        rating: [N] in [0, 1].
    """

    leaf: Floats | None = None
    log_price: Floats | None = None
    rating: Floats | None = None

    def take(self, rows: NDArray[Any]) -> "Forecast":
        """Some rows."""
        parts = (self.leaf, self.log_price, self.rating)
        return Forecast(*(None if part is None else part[rows] for part in parts))


class Member(ABC):
    """A trained model of products.

    It answers every head it has learned from one look at a record, by these rules, which are part
    of its making and not of how it is called:

    - the leaf never looks at ``record.category``;
    - the log-price never looks at ``record.price`` (and no text holds one);
    - the rating may look at everything.

    Answers do not depend on which other records are in the batch. Answering needs NumPy, SciPy and
    torch alone: no scikit-learn, no pandas.
    """

    name: ClassVar[str]

    @abstractmethod
    def forecast(self, records: Sequence[ProductRecord]) -> Forecast:
        """Answer N records."""

    @abstractmethod
    def write(self, directory: Path) -> dict[str, Any]:
        """Write arrays as safetensors and state as JSON; return what the manifest should carry."""

    @classmethod
    @abstractmethod
    def read(cls, directory: Path, manifest: Mapping[str, Any]) -> Self:
        """Build the member from what :meth:`write` wrote."""
