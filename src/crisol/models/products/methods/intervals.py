"""Intervals around price estimates, by split conformal prediction.

The residuals of products held out from training are ranked; the k-th smallest and the k-th largest,
added to an estimate, hold a new product's price between them with a chance of at least
``1 - 2 k / (n + 1)``, whatever the distribution, as long as the new product and the n products are
exchangeable (Vovk et al., 2005; Lei et al., arXiv:1604.04173, with a tail on each side because
prices are skewed even in logarithms).

Legend: N products.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from crisol.core.arrays import Floats

INNER, OUTER = 0.8, 0.98
"""Shares of the prices that the two intervals are meant to hold."""
LEAST_OUTER = 0.9
"""Least coverage to call a price unusual; fewer than about twenty products cannot reach it."""


@dataclass(frozen=True)
class Margin:
    """The bounds of an interval, relative to an estimate.

    Attributes:
        low: in the logarithm of the price, usually below zero.
        high: likewise, usually above zero.
        coverage: the least expected share of new products between both.
    """

    low: float
    high: float
    coverage: float


@dataclass(frozen=True)
class PriceIntervals:
    """An inner interval that holds most prices; beyond the outer one a price is unusual."""

    inner: Margin
    outer: Margin

    @classmethod
    def fit(cls, estimates: Floats, log_prices: Floats) -> Self:
        """The intervals calibrated on products held out from the members.

        Args:
            estimates: [N] of the logarithm of the price.
            log_prices: [N] the true logarithms.

        Raises:
            ValueError: no products, or numbers that are not finite.
        """
        residuals = np.sort(np.asarray(log_prices, np.float64) - np.asarray(estimates, np.float64))
        if not len(residuals) or not np.isfinite(residuals).all():
            raise ValueError("intervals: need the finite estimates and prices of some products")
        return cls(_between(residuals, INNER), _between(residuals, OUTER))

    @property
    def coverage(self) -> float:
        """The least expected share of the prices between :meth:`bounds`."""
        return self.inner.coverage

    @property
    def tells_outliers(self) -> bool:
        """Whether enough products were known to call a price outside unusual."""
        return self.outer.coverage >= LEAST_OUTER

    def bounds(self, log_price: Floats) -> tuple[Floats, Floats]:
        """[N], [N] the logarithms between which 80 of 100 prices lie."""
        return log_price + self.inner.low, log_price + self.inner.high

    def outer_bounds(self, log_price: Floats) -> tuple[Floats, Floats]:
        """[N], [N] the logarithms outside which a price is an outlier."""
        return log_price + self.outer.low, log_price + self.outer.high

    def to_json(self) -> dict[str, Any]:
        """The bounds as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_json`."""
        return cls(Margin(**state["inner"]), Margin(**state["outer"]))


def _between(sorted_residuals: Floats, share: float) -> Margin:
    """The interval that holds ``share`` of the residuals; all of them where they are too few."""
    count = len(sorted_residuals)
    rank = max(1, int((1 - share) / 2 * (count + 1) + 1e-9))
    low, high = sorted_residuals[rank - 1], sorted_residuals[count - rank]
    return Margin(float(low), float(high), max(0.0, 1 - 2 * rank / (count + 1)))
