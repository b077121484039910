"""Sparse columns of names, prices and quantities.

Legend: N rows, Q quantities.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from crisol.core.arrays import Floats
from crisol.core.text.terms import Sparse
from crisol.models.products.methods.quantities import quantities

_STEPS = 20
"""Number of quantile bins of the price, beside its logarithm."""
_FURTHEST = 4.0
"""Standard deviations at which a value is clipped."""


@dataclass(frozen=True)
class Indicators:
    """Indicator columns of the names that a record has."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, rows: Iterable[Iterable[str]], min_rows: int) -> Self:
        """The names that at least ``min_rows`` rows have."""
        counts = Counter(name for row in rows for name in set(row))
        return cls(tuple(sorted(name for name, count in counts.items() if count >= min_rows)))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    def place(self, name: str) -> int | None:
        """The column of a name; ``None`` where it is unknown."""
        return self._places.get(name)

    def mark(self, names: Iterable[str], weight: float) -> Sparse:
        """The columns of the known names, each with the weight."""
        columns = np.array(sorted({self._places[n] for n in names if n in self._places}), np.int64)
        return columns, np.full(len(columns), weight)


@dataclass(frozen=True)
class PriceFeatures:
    """The logarithm of the price, standardised, and its quantile bin.

    Attributes:
        mean: of the logarithm.
        spread: standard deviation of the logarithm.
        edges: quantiles, ascending.
    """

    mean: float
    spread: float
    edges: Floats

    @classmethod
    def of(cls, log_prices: Floats) -> Self:
        """The scale and the bins of the log-prices of some products [N]."""
        edges = np.unique(np.quantile(log_prices, np.linspace(0, 1, _STEPS + 1)[1:-1]))
        return cls(float(log_prices.mean()), float(log_prices.std()) or 1.0, edges)

    @property
    def size(self) -> int:
        """The number of columns."""
        return len(self.edges) + 2

    def mark(self, price: float, weight: float) -> Sparse:
        """The columns of a price; empty where there is none."""
        if not price > 0:
            return np.zeros(0, np.int64), np.zeros(0)
        logarithm = np.log(price)
        step = np.searchsorted(self.edges, logarithm)
        height = np.clip((logarithm - self.mean) / self.spread, -_FURTHEST, _FURTHEST)
        return np.array([step, self.size - 1]), weight * np.array([1.0, height])


@dataclass(frozen=True)
class QuantityFeatures:
    """The logarithms of the quantities that a text names, standardised.

    Attributes:
        means: [Q] over the training texts.
        spreads: [Q] standard deviations; 0 where too few texts name a quantity: it is left out.
    """

    means: Floats
    spreads: Floats

    @classmethod
    def of(cls, texts: Iterable[str], min_rows: int) -> Self:
        """The scales of training texts; a quantity counts if ``min_rows`` of them name it."""
        found = np.stack([quantities(text) for text in texts])
        known = np.isfinite(found)
        counts = np.maximum(known.sum(axis=0), 1)
        means = np.where(known, found, 0).sum(axis=0) / counts
        spreads = np.sqrt(np.where(known, (found - means) ** 2, 0).sum(axis=0) / counts)
        return cls(means, np.where(known.sum(axis=0) >= min_rows, spreads, 0))

    def mark(self, text: str, weight: float) -> Sparse:
        """The columns of the quantities that a text names."""
        found = quantities(text)
        columns = np.flatnonzero(np.isfinite(found) & (self.spreads > 0))
        heights = (found[columns] - self.means[columns]) / self.spreads[columns]
        return columns, weight * np.clip(heights, -_FURTHEST, _FURTHEST)
