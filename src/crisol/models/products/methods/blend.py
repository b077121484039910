"""Joins the members' forecasts by weights fitted on products held out from the members.

Categories: ``p(c) ∝ exp Σ_m w_m log p_m(c)`` with ``w >= 0`` of the least log-loss (a logarithmic
opinion pool; the sum of the weights is the inverse of a temperature, so that probabilities come out
calibrated). Prices and ratings: ``a + Σ_m w_m y_m`` with ``w >= 0`` by least squares (stacked
regressions, Breiman 1996). Both are regularised towards equal weights with the strength of a few
products, which matters where few were held out.

Legend: N products, C leaves, M members.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, nnls
from scipy.special import log_softmax

from crisol.core.arrays import Floats
from crisol.models.products.data.taxonomy import Taxonomy
from crisol.models.products.member import Forecast, Targets

PRIOR_ROWS = 5.0
"""The number of products to which the regularisation towards equal weights is equivalent."""
LEAST_LOG_PROBABILITY = -30.0
"""Lower bound of the log-probabilities, so that one member cannot outweigh all others."""

RegressionHead = Literal["log_price", "rating"]


@dataclass(frozen=True)
class LinearBlend:
    """Weights of the members, and an intercept."""

    weights: Mapping[str, float]
    intercept: float = 0.0


@dataclass(frozen=True)
class Blend:
    """Weights of every head by member; ``None``: no member has learned the head.

    Attributes:
        leaf: weights of the log-probabilities.
        log_price: weights and intercept.
        rating: likewise.
        others: the blend fitted without each member; empty in such a blend.
    """

    leaf: Mapping[str, float] | None
    log_price: LinearBlend | None
    rating: LinearBlend | None
    others: Mapping[str, "Blend"] = field(default_factory=dict)

    def combine(self, forecasts: Mapping[str, Forecast]) -> Forecast:
        """The joint forecast of the members for N products.

        Args:
            forecasts: of every member in the blend, all for the same products.

        Raises:
            KeyError: a member is missing.
        """
        leaf = None
        if self.leaf is not None:
            sums = sum(
                weight * _bounded(forecasts[name].leaf) for name, weight in self.leaf.items()
            )
            leaf = log_softmax(sums, axis=1)
        rating = _sum(self.rating, forecasts, "rating")
        return Forecast(
            leaf,
            _sum(self.log_price, forecasts, "log_price"),
            None if rating is None else np.clip(rating, 0, 1),
        )

    def without(self, name: str) -> "Blend":
        """The blend fitted on the same products without one member.

        Raises:
            KeyError: there is no such member, or no other.
        """
        return self.others[name]

    def to_json(self) -> dict[str, Any]:
        """The weights as JSON, with those of the blends without each member."""
        return asdict(self)

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_json`."""
        lines = {
            head: None if state[head] is None else LinearBlend(**state[head])
            for head in ("log_price", "rating")
        }
        others = {name: cls.from_json(other) for name, other in state["others"].items()}
        return cls(state["leaf"], lines["log_price"], lines["rating"], others)


def fit_blend(
    forecasts: Mapping[str, Forecast], targets: Targets, taxonomy: Taxonomy | None
) -> Blend:
    """Fit the weights of all members, and of all members but each one.

    Args:
        forecasts: of each member, for N products that it was not trained on.
        targets: of these products.
        taxonomy: its leaves are the columns of the log-probabilities; ``None``: there are none.

    Raises:
        ValueError: no members, or a member's leaves are not the taxonomy's.
    """
    if not forecasts:
        raise ValueError("blend: needs at least one member")
    for name, predicted in forecasts.items():
        leaves = 0 if taxonomy is None else len(taxonomy.leaves)
        if predicted.leaf is not None and predicted.leaf.shape[1] != leaves:
            raise ValueError(
                f"blend: {name} answers {predicted.leaf.shape[1]} leaves; the taxonomy has {leaves}"
            )
    others = {}
    if len(forecasts) > 1:
        for name in forecasts:
            rest = {other: predicted for other, predicted in forecasts.items() if other != name}
            others[name] = _fitted(rest, targets, {})
    return _fitted(forecasts, targets, others)


def _fitted(
    forecasts: Mapping[str, Forecast], targets: Targets, others: Mapping[str, Blend]
) -> Blend:
    leaves = {
        name: predicted.leaf for name, predicted in forecasts.items() if predicted.leaf is not None
    }
    prices = {
        n: predicted.log_price
        for n, predicted in forecasts.items()
        if predicted.log_price is not None
    }
    ratings = {
        name: predicted.rating
        for name, predicted in forecasts.items()
        if predicted.rating is not None
    }
    return Blend(
        _pool(leaves, targets.leaf) if leaves else None,
        _line(prices, targets.log_price) if prices else None,
        _line(ratings, targets.rating) if ratings else None,
        others,
    )


def _pool(leaves: Mapping[str, Floats], truth: NDArray[np.int64]) -> dict[str, float]:
    """The weights with the least log-loss."""
    rows = np.flatnonzero(truth >= 0)
    stacked_MNC = np.stack([_bounded(leaf)[rows].astype(np.float64) for leaf in leaves.values()])
    right_MN = stacked_MNC[:, np.arange(len(rows)), truth[rows]]
    equal = np.full(len(leaves), 1 / len(leaves))

    def loss(weights: Floats) -> tuple[float, Floats]:
        predicted_NC = log_softmax(np.tensordot(weights, stacked_MNC, 1), axis=1)
        expected_MN = (stacked_MNC * np.exp(predicted_NC)).sum(axis=2)
        value = -predicted_NC[np.arange(len(rows)), truth[rows]].sum()
        slope = (expected_MN - right_MN).sum(axis=1)
        pull = weights - equal
        return value + PRIOR_ROWS * (pull**2).sum(), slope + 2 * PRIOR_ROWS * pull

    found = minimize(loss, equal, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(leaves))
    return dict(zip(leaves, found.x.tolist(), strict=True))


def _line(predicted: Mapping[str, Floats], truth: Floats) -> LinearBlend:
    """The weights by least squares; equal weights where no target is known."""
    rows = np.flatnonzero(np.isfinite(truth))
    equal = np.full(len(predicted), 1 / len(predicted))
    if not len(rows):
        return LinearBlend(dict(zip(predicted, equal.tolist(), strict=True)))
    stacked_NM = np.stack([values[rows] for values in predicted.values()], axis=1).astype(
        np.float64
    )
    wanted = truth[rows].astype(np.float64)
    means, mean = stacked_NM.mean(axis=0), wanted.mean()
    spread = float(np.sqrt(PRIOR_ROWS * stacked_NM.var(axis=0).mean())) or 1.0
    weights, _ = nnls(
        np.concatenate([stacked_NM - means, spread * np.eye(len(predicted))]),
        np.concatenate([wanted - mean, spread * equal]),
    )
    return LinearBlend(
        dict(zip(predicted, weights.tolist(), strict=True)), float(mean - weights @ means)
    )


def _bounded(leaf: Floats | None) -> Floats:
    assert leaf is not None  # a member with a weight has learned the head
    return np.maximum(leaf, LEAST_LOG_PROBABILITY)


def _sum(
    line: LinearBlend | None, forecasts: Mapping[str, Forecast], head: RegressionHead
) -> Floats | None:
    if line is None:
        return None
    parts = [weight * getattr(forecasts[name], head) for name, weight in line.weights.items()]
    return np.asarray(line.intercept + sum(parts))
