"""The lesson that hybrids learn from: candidates of validation histories, scored once.

Legend: B histories, M candidates of all of them, S scorers.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.errors import MendableError
from crisol.models.recommender.answers.candidates import Candidates, Pool
from crisol.models.recommender.answers.hybrid import Hybrid, log_share
from crisol.models.recommender.answers.hybrid_weights import Weights, learn, list_ndcg
from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.method_params import PLACES_ITEMS, HybridParams
from crisol.models.recommender.methods.scorer import Scorer


class Lesson:
    """Candidates of validation histories with what is known to be right among them.

    Every hybrid that a lesson teaches, each on some of its scorers, costs no scoring again.

    Args:
        scorers: S methods by name.
        histories: B, what users had before.
        targets: B, their held-out items, one or many.
        interactions: What popularity is counted in.
        params: How to learn.

    Raises:
        MendableError: nobody has both a history and held-out items.
    """

    def __init__(
        self,
        scorers: Mapping[str, Scorer],
        histories: Histories,
        targets: Histories,
        interactions: Interactions,
        params: HybridParams,
    ) -> None:
        rows = np.flatnonzero((targets.sizes > 0) & (histories.sizes > 0))
        if len(rows) == 0:
            raise MendableError(
                "hybrid: no user has both a history and a held-out item to learn from; there are "
                "too few events, or the split leaves every user on one side"
            )
        if len(rows) > params.histories:
            picked = np.random.default_rng(params.seed).permutation(len(rows))
            rows = np.sort(rows[picked[: params.histories]])
        self.scorers, self.params = dict(scorers), params
        self.popularity = log_share(interactions)
        pool = Pool(self.scorers, self.popularity, params.candidates)
        self.candidates = pool.collect(histories.take(rows))
        self.wanted = targets.take(rows).matrix(interactions.item_count)

    def __len__(self) -> int:
        """B."""
        return len(self.candidates.silent)

    def placing(self) -> tuple[str, ...]:
        """The scorers that bring vectors of items, in order of preference."""
        found = []
        for name in PLACES_ITEMS:
            vectors = self.scorers[name].item_vectors() if name in self.scorers else None
            if vectors is not None and vectors.any():
                found.append(name)
        return tuple(found)

    def teach(self, without: Sequence[str] = (), idle: Sequence[str] = ()) -> Hybrid:
        """The hybrid of all scorers but some.

        Args:
            without: scorers that are left out.
            idle: scorers that are held and count nothing; they bring vectors of items.

        Raises:
            ValueError: no scorer is left, or none of the held-out items is among the candidates.
        """
        names = tuple(name for name in self.scorers if name not in without and name not in idle)
        learned = self._learned(self._of(names))
        held = (*names, *idle)
        level = np.concatenate([learned.weights.level, np.zeros(len(idle))])
        scales = np.concatenate([learned.weights.scales, np.ones(len(idle))])
        return self._hybrid(held, Weights(scales, level))

    def folds(self, count: int) -> NDArray[np.int64]:
        """[B] the fold of each history, drawn."""
        return np.random.default_rng(self.params.seed + 1).permutation(len(self)) % count

    def cross_fitted(self, names: tuple[str, ...], folds: NDArray[np.int64]) -> Floats:
        """[B] NDCG of some scorers' hybrid, its weights learned on the other folds."""
        candidates, found = self._of(names), np.zeros(len(self))
        for fold in range(int(folds.max()) + 1):
            held = folds == fold
            hybrid = self._learned(candidates.of(~held), ~held)
            found[held] = self._ndcg(hybrid, candidates.of(held), held)
        return found

    def alone(self, name: str) -> Floats:
        """[B] NDCG of one scorer's own lists."""
        everybody = np.ones(len(self), dtype=bool)
        hybrid = self._hybrid((name,), Weights(np.ones(1), np.ones(1)))
        return self._ndcg(hybrid, self._of((name,)), everybody)

    def _of(self, names: tuple[str, ...]) -> Candidates:
        if not names:
            raise ValueError("hybrid: needs at least one scorer")
        return self.candidates if names == self.candidates.names else self.candidates.only(names)

    def _right(self, candidates: Candidates, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """[M] whether candidates of the chosen histories [B] are held-out items."""
        of = np.flatnonzero(chosen)[candidates.rows]
        return np.asarray(np.asarray(self.wanted[of, candidates.items]).ravel() > 0)

    def _learned(self, candidates: Candidates, chosen: NDArray[np.bool_] | None = None) -> Hybrid:
        """The hybrid whose weights rank these candidates of the chosen histories best."""
        chosen = np.ones(len(self), dtype=bool) if chosen is None else chosen
        right = self._right(candidates, chosen)
        weights = learn(candidates, right, self.params.regularisation, self.params.cutoff)
        return self._hybrid(candidates.names, weights)

    def _hybrid(self, names: tuple[str, ...], weights: Weights) -> Hybrid:
        chosen = {name: self.scorers[name] for name in names}
        return Hybrid(chosen, weights, self.popularity, self.params.candidates)

    def _ndcg(self, hybrid: Hybrid, candidates: Candidates, chosen: NDArray[np.bool_]) -> Floats:
        right = self._right(candidates, chosen)
        wanted = np.diff(self.wanted.indptr)[chosen]
        scores = hybrid.final(candidates)
        return list_ndcg(scores, candidates.rows, right, wanted, self.params.cutoff)


def fit_hybrid(
    scorers: Mapping[str, Scorer],
    histories: Histories,
    targets: Histories,
    catalogue: Catalogue,  # noqa: ARG001
    interactions: Interactions,
    params: HybridParams,
) -> Hybrid:
    """Learns to rank the held-out items of validation users above their other candidates."""
    return Lesson(scorers, histories, targets, interactions, params).teach()
