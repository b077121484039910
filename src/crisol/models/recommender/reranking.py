"""Learns what each method's word is worth, from items that were held out.

Legend: B histories, M candidates of all of them, S scorers.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from crisol.models.recommender.candidates import Candidates
from crisol.models.recommender.scorer import Floats

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Weights:
    """What the re-ranker learned.

    Attributes:
        scales: [S] how large the scores of each method typically are.
        level: [S] the weight of each method at the middle length.
        slope: [S] what is added for each standard deviation of the logarithm of the length.
        length: mean and standard deviation of ``log(1 + n)``, and the least and the largest that
            were seen; outside of them a length counts as the nearest of the two.
    """

    scales: NDArray[np.float64]
    level: NDArray[np.float64]
    slope: NDArray[np.float64]
    length: NDArray[np.float64]

    def at(self, sizes: NDArray[np.int64]) -> NDArray[np.float64]:
        """[B, S]: the weights for histories of so many events."""
        mean, spread, least, largest = self.length
        lengths = np.clip(np.log1p(sizes), least, largest)
        return self.level + self.slope * ((lengths - mean) / spread)[:, None]

    def final(
        self, scores: Floats, sizes: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """[M] from scores [M, S] of the histories [M], which are rows of the sizes [B]."""
        return (np.arcsinh(scores / self.scales) * self.at(sizes)[rows]).sum(axis=1)


def learn(candidates: Candidates, right: NDArray[np.bool_], regularisation: float) -> Weights:
    """The weights of least listwise loss.

    Args:
        candidates: M of B histories.
        right: [M] whether a candidate is a held-out item.
        regularisation: of the squared weights, in units of the mean loss of a history.

    Raises:
        ValueError: no candidate is right.
    """
    found = np.bincount(candidates.rows[right], minlength=len(candidates.sizes))
    if not found.any():
        raise ValueError("hybrid: none of the held-out items is among the candidates")
    taught = (found > 0)[candidates.rows]
    rows = np.unique(candidates.rows[taught], return_inverse=True)[1]
    scores = candidates.scores[taught]
    scales = np.maximum(np.sqrt((scores.astype(np.float64) ** 2).mean(axis=0)), 1e-12)
    lengths = np.log1p(candidates.sizes[found > 0])
    spread = max(float(lengths.std()), 1e-6)
    length = np.array([lengths.mean(), spread, lengths.min(), lengths.max()])
    centred = ((lengths - lengths.mean()) / spread)[rows]
    levels = np.arcsinh(scores / scales).astype(np.float32)
    features = np.concatenate([levels, levels * centred[:, None].astype(np.float32)], axis=1)
    learned = _softmax_regression(features, rows, right[taught], regularisation)
    return Weights(scales, *np.split(learned, 2), length)


def _softmax_regression(
    features: NDArray[np.float32],
    rows: NDArray[np.int64],
    right: NDArray[np.bool_],
    regularisation: float,
) -> Doubles:
    """[F] weights of features [M, F] whose candidates are grouped by ascending rows [M]."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(rows)) + 1])
    spread = np.maximum(features.std(axis=0, dtype=np.float64), 1e-9)
    share = right / np.bincount(rows, weights=right)[rows] / len(starts)
    wanted = (share.astype(np.float32) @ features).astype(np.float64)

    def loss(scaled: Doubles) -> tuple[float, Doubles]:
        weights = scaled / spread
        logits = (features @ weights.astype(np.float32)).astype(np.float64)
        logits -= np.maximum.reduceat(logits, starts)[rows]
        odds = np.exp(logits)
        totals = np.add.reduceat(odds, starts)
        value = np.log(totals).mean() - share @ logits
        expected = (odds / totals[rows] / len(starts)).astype(np.float32) @ features
        gradient = (expected - wanted) / spread + 2 * regularisation * scaled
        return value + regularisation * (scaled**2).sum(), gradient

    best = minimize(
        loss, np.zeros(features.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 200}
    )
    return best.x / spread
