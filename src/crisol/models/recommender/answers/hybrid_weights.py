"""Learns the weight of each method in the hybrid from items that were held out.

First the weights of least softmax cross-entropy of the held-out items among the candidates
(listwise, Cao et al., ICML 2007), which is convex; from there coordinate ascent on NDCG itself
(Metzler and Croft, Information Retrieval 10, 2007), because cross-entropy counts places far down
the list, which nobody sees. There are as many weights as methods, so little can be overfitted.

Legend: B histories, M candidates of all of them, S scorers, W most candidates of one history,
R right candidates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from crisol.core.arrays import Floats
from crisol.core.errors import MendableError
from crisol.models.recommender.answers.candidates import Candidates

_FACTORS = (0.0, 0.4, 0.6, 0.75, 0.85, 1.15, 1.3, 1.6, 2.5)
"""Factors by which a weight is multiplied in the search for a better one."""
_ROUNDS = 4

_TIE = 1e-4
"""Scores that differ by less are taken for equal."""
_FLAT = 1e-3
"""Least standard deviation of a feature, as a share of its mean. A feature that varies less
separates nothing, and its weight would be so large that single precision loses the others."""


@dataclass(frozen=True)
class Weights:
    """The learned weights of the re-ranking.

    Attributes:
        scales: [S] how large a method's highest score for a history typically is.
        level: [S] the weight of each method.
    """

    scales: Floats
    level: Floats

    def features(self, scores: Floats) -> Floats:
        """The features [M, S] of the methods' scores [M, S]: 1 near the typical highest."""
        return np.arcsinh(scores / self.scales.astype(np.float32))

    def final(self, scores: Floats) -> Floats:
        """The final scores [M] from the methods' scores [M, S]."""
        return self.features(scores) @ self.level.astype(np.float32)


def learn(
    candidates: Candidates, right: NDArray[np.bool_], regularisation: float, cutoff: int
) -> Weights:
    """The weights that rank the right candidates best.

    Args:
        candidates: M of B histories.
        right: [M] whether a candidate is a held-out item.
        regularisation: of the squared weights in the likelihood, against the loss of one history.
        cutoff: of the NDCG that is raised in the end.

    Raises:
        MendableError: no candidate is right.
    """
    found = np.bincount(candidates.rows[right], minlength=len(candidates.silent)) > 0
    if not found.any():
        raise MendableError(
            "hybrid: none of the held-out items is among the candidates of any method; there are "
            "too few events to learn from"
        )
    taught = found[candidates.rows]
    rows = np.unique(candidates.rows[taught], return_inverse=True)[1]
    scores = candidates.scores[taught]
    starts = np.searchsorted(rows, np.arange(found.sum()))
    highest = np.maximum.reduceat(np.abs(scores), starts, axis=0).mean(axis=0, dtype=np.float64)
    weights = Weights(np.maximum(highest, 1e-12), np.zeros(scores.shape[1]))
    features = weights.features(scores)
    likely = _most_likely(features, rows, right[taught], regularisation)
    contest = _Contest.of(features, rows, right[taught], cutoff)
    return Weights(weights.scales, contest.climb(likely))


def _most_likely(
    features: Floats, rows: NDArray[np.int64], right: NDArray[np.bool_], regularisation: float
) -> Floats:
    """[S] weights of features [M, S] whose candidates are grouped by ascending rows [M].

    A feature that is the same everywhere gets none.
    """
    starts = np.searchsorted(rows, np.arange(rows[-1] + 1))
    spread, mean = (f(features, axis=0, dtype=np.float64) for f in (np.std, np.mean))
    unit = np.divide(1, spread, out=np.zeros_like(spread), where=spread > _FLAT * np.abs(mean))
    share = right / np.bincount(rows, weights=right)[rows] / len(starts)
    wanted = _summed(share, features)

    def loss(scaled: Floats) -> tuple[float, Floats]:
        weights = scaled * unit
        logits = np.einsum("ms,s->m", features, weights.astype(np.float32)).astype(np.float64)
        logits -= np.maximum.reduceat(logits, starts)[rows]
        odds = np.exp(logits)
        totals = np.add.reduceat(odds, starts)
        value = np.log(totals).mean() - (share * logits).sum()
        expected = _summed(odds / totals[rows] / len(starts), features)
        gradient = (expected - wanted) * unit + 2 * regularisation * scaled
        return value + regularisation * (scaled**2).sum(), gradient

    best = minimize(
        loss, np.zeros(features.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 200}
    )
    return np.asarray(best.x * unit)


def _summed(shares: Floats, features: Floats) -> Floats:
    """[S] the features [M, S] times their shares [M].

    Not by BLAS, whose threads wait for each other on so narrow a matrix: on a busy machine that
    takes ten times as long.
    """
    return np.asarray(np.einsum("m,ms->s", shares.astype(np.float32), features), dtype=np.float64)


@dataclass(frozen=True)
class _Contest:
    """The candidates of each history side by side.

    Attributes:
        features: [S, B, W].
        open: [B, W] 0, or minus infinity where a history has fewer than W candidates.
        rows: [R] the history of each right candidate, ascending.
        places: [R] where it is among the W.
        ideal: [R] the DCG of the best list of its history.
        cutoff: of NDCG.
    """

    features: Floats
    open: Floats
    rows: NDArray[np.int64]
    places: NDArray[np.int64]
    ideal: Floats
    cutoff: int

    @classmethod
    def of(
        cls, features: Floats, rows: NDArray[np.int64], right: NDArray[np.bool_], cutoff: int
    ) -> "_Contest":
        """All candidates: a choice among them would favour the weights it was made with."""
        sizes = np.bincount(rows)
        places = np.arange(len(rows)) - (np.cumsum(sizes) - sizes)[rows]
        shape = (len(sizes), sizes.max())
        side_by_side = np.zeros((features.shape[1], *shape), dtype=np.float32)
        side_by_side[:, rows, places] = features.T
        opened = np.full(shape, -np.inf, dtype=np.float32)
        opened[rows, places] = 0
        best = np.cumsum(_discount(np.arange(cutoff)))
        ideal = best[np.minimum(np.bincount(rows[right]), cutoff) - 1]
        return cls(side_by_side, opened, rows[right], places[right], ideal[rows[right]], cutoff)

    def climb(self, weights: Floats) -> Floats:
        """The weights after changing one at a time for as long as NDCG rises."""
        weights = weights.copy()
        scores = self.open + np.tensordot(weights.astype(np.float32), self.features, axes=1)
        best = self._ndcg(scores)
        for _ in range(_ROUNDS):
            before = best
            for index, feature in enumerate(self.features):
                steps = ((np.array(_FACTORS) - 1) * weights[index]).astype(np.float32)
                reached = [self._ndcg(scores + step * feature) for step in steps]
                if max(reached) > best:
                    best, chosen = max(reached), int(np.argmax(reached))
                    scores = scores + steps[chosen] * feature
                    weights[index] *= _FACTORS[chosen]
            if best == before:
                break
        return weights

    def _ndcg(self, scores: Floats) -> float:
        """NDCG summed over the histories; equal scores count against what is right."""
        own = scores[self.rows, self.places]
        least = own - np.float32(_TIE)
        # Itself is not above itself; from scores of 2,000 on the tie is below single precision.
        ranks = (scores[self.rows] > least[:, None]).sum(axis=1) - (own > least)
        return float((_discount(ranks) / self.ideal)[ranks < self.cutoff].sum())


def list_ndcg(
    scores: Floats,
    rows: NDArray[np.int64],
    right: NDArray[np.bool_],
    wanted: NDArray[np.int64],
    cutoff: int,
) -> Floats:
    """[B] NDCG of each history's candidates in the order of their scores.

    Args:
        scores: [M]; equal ones count against what is right.
        rows: [M] the history of each candidate, ascending.
        right: [M] whether a candidate is a held-out item.
        wanted: [B] held-out items of each history, also those that are no candidates.
        cutoff: length of the list.
    """
    sizes = np.bincount(rows, minlength=len(wanted))
    places = np.arange(len(rows)) - (np.cumsum(sizes) - sizes)[rows]
    beside = np.full((len(sizes), max(int(sizes.max(initial=0)), 1)), -np.inf, dtype=np.float32)
    beside[rows, places] = scores
    own, of = scores[right].astype(np.float32), rows[right]
    least = own - np.float32(_TIE)
    ranks = (beside[of] > least[:, None]).sum(axis=1) - (own > least)
    gained = np.where(ranks < cutoff, _discount(ranks), 0.0)
    best = np.concatenate([[1.0], np.cumsum(_discount(np.arange(cutoff)))])
    total = np.bincount(of, weights=gained, minlength=len(wanted))
    return np.asarray(total / best[np.minimum(wanted, cutoff)])


def _discount(ranks: NDArray[np.int64]) -> Floats:
    """The discount of a hit at each rank, counted from 0."""
    return np.asarray(1 / np.log2(ranks + 2.0))
