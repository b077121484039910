"""Candidates of every method, re-ranked by a learned model.

A candidate's score is ``Σ_s w_s asinh(x_s / c_s)``: ``x_s`` is the score that method s gives it,
``c_s`` the typical height of the method's highest score for a history, and ``w_s`` the learned
weight, see :mod:`crisol.models.recommender.answers.hybrid_weights`. The ``asinh`` is nearly linear
up to ``c_s`` and logarithmic beyond. Nothing is normalised by a history's own scores, so that
scores before and after an event is deleted compare.

A history of which no method knows anything is ranked by popularity, which also decides between
equal scores; after it the lower index.

Legend: B histories, N events, I items, S scorers, C items asked about, K length of a list.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.models.recommender.answers.candidates import Candidates, Pool
from crisol.models.recommender.answers.hybrid_weights import Weights
from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.methods.popularity import PopularityScorer
from crisol.models.recommender.methods.scorer import Arrays, Scorer


@dataclass(frozen=True)
class Ranked:
    """Lists of recommendations.

    Attributes:
        items: [B, K] best first; -1 where there are fewer.
        scores: [B, K]; 0 where there are fewer.
        method_scores: [B, K, S] each method's score of them; 0 where there are fewer.
    """

    items: NDArray[np.int64]
    scores: NDArray[np.float32]
    method_scores: NDArray[np.float32]


class Hybrid:
    """Ranks the candidates of its scorers.

    Args:
        scorers: S methods by name, in the order of the weights.
        weights: What was learned.
        popularity: [I] logarithm of the share of users that had an item.
        candidates: How many items each scorer proposes.
    """

    def __init__(
        self,
        scorers: Mapping[str, Scorer],
        weights: Weights,
        popularity: Floats,
        candidates: int,
    ) -> None:
        self.scorers = dict(scorers)
        self.weights = weights
        self.popularity = popularity
        self.candidates = candidates

    @cached_property
    def pool(self) -> Pool:
        """The source of the candidates."""
        return Pool(self.scorers, self.popularity, self.candidates)

    @cached_property
    def _knowing(self) -> NDArray[np.bool_]:
        """[S] the scorers that count and whose scores say something of the history."""
        constant = [isinstance(scorer, PopularityScorer) for scorer in self.scorers.values()]
        return np.asarray(~np.array(constant) & (self.weights.level != 0))

    def rank(
        self,
        histories: Histories,
        count: int,
        *,
        allowed: NDArray[np.bool_] | None = None,
        boost: Floats | None = None,
    ) -> Ranked:
        """The best items for each history, never one that the history holds.

        Args:
            histories: B of them.
            count: K.
            allowed: [B, I] what may be recommended; nothing: everything.
            boost: [B, I] added to the final score, in standard deviations of the scores of the
                history's candidates.
        """
        return rank_together({"": self}, histories, count, allowed=allowed, boost=boost)[""]

    def order(self, candidates: Candidates, count: int, boost: Floats | None = None) -> Ranked:
        """The best of candidates that were collected for this hybrid's scorers."""
        rows, scores = candidates.rows, self.final(candidates)
        histories = len(candidates.silent)
        if boost is not None:
            scores += boost[rows, candidates.items] * _spread(scores, rows, histories)[rows]
        best = np.lexsort((candidates.items, -self.popularity[candidates.items], -scores, rows))
        places = np.arange(len(best)) - candidates.starts[:-1][rows]
        kept = places < count
        items = np.full((histories, count), -1, dtype=np.int64)
        listed = np.zeros((histories, count), dtype=np.float32)
        at = rows[kept], places[kept]
        items[at], listed[at] = candidates.items[best[kept]], scores[best[kept]]
        method_scores = np.zeros((*items.shape, len(candidates.names)), dtype=np.float32)
        method_scores[at] = candidates.scores[best[kept]]
        return Ranked(items, listed, method_scores)

    def final(self, candidates: Candidates) -> Floats:
        """[M] float32: the final score of candidates collected for this hybrid's scorers."""
        known = np.any(~candidates.silent & self._knowing, axis=1)
        return self._final(candidates.scores, candidates.items, candidates.rows, known)

    def score_items(self, histories: Histories, items: NDArray[np.int64]) -> Floats:
        """[B, C] float32: the final score of given items [B, C], without any boost."""
        rows = np.repeat(np.arange(len(histories)), items.shape[1])
        raw = np.zeros((items.size, len(self.scorers)), dtype=np.float32)
        known = np.zeros(len(histories), dtype=bool)
        for column, scorer in enumerate(self.scorers.values()):
            scores = scorer.score(histories)
            raw[:, column] = scores[rows, items.ravel()]
            known |= self._knowing[column] & scores.any(axis=1)
        return self._final(raw, items.ravel(), rows, known).reshape(items.shape)

    def contributions(
        self, history: Histories, items: NDArray[np.int64], method_scores: Floats | None = None
    ) -> Floats:
        """How much each event of one history carries the final score of each of C items.

        Each method's share of the final score is divided among the events in proportion to the
        method's own contributions. Where those sum to the method's score these sum to the final
        score less what popularity adds (integrated gradients from the empty history,
        arXiv:1703.01365).

        Args:
            history: one.
            items: [C].
            method_scores: [C, S] of them, as :meth:`rank` gives them; nothing: every method scores
                the history again.

        Returns:
            [C, N] float32.
        """
        total = np.zeros((len(items), len(history.items)), dtype=np.float64)
        for column, scorer in enumerate(self.scorers.values()):
            if not self._knowing[column]:
                continue
            if method_scores is None:
                own = scorer.score(history)[0, items].astype(np.float64)
            else:
                own = method_scores[:, column].astype(np.float64)
            scale = self.weights.scales[column]
            small = np.abs(own) < 1e-6 * scale
            slope = np.where(small, 1 / scale, np.arcsinh(own / scale) / np.where(small, 1, own))
            total += (
                self.weights.level[column] * slope[:, None] * scorer.contributions(history, items)
            )
        return total.astype(np.float32)

    def _final(
        self,
        scores: Floats,
        items: NDArray[np.int64],
        rows: NDArray[np.int64],
        known: NDArray[np.bool_],
    ) -> Floats:
        """[M] from the scores [M, S] of items [M] for histories [M]; popularity where not known."""
        final = self.weights.final(scores)
        return np.where(known[rows], final, self.popularity[items]).astype(np.float32)

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """The weights and popularity; the names. The scorers store themselves."""
        arrays = {name: getattr(self.weights, name) for name in _WEIGHTS}
        settings = {"scorers": list(self.scorers), "candidates": self.candidates}
        return {**arrays, "popularity": self.popularity}, settings

    @classmethod
    def restore(
        cls,
        arrays: Arrays,
        settings: Mapping[str, Any],
        interactions: Interactions,  # noqa: ARG003
        catalogue: Catalogue,  # noqa: ARG003
        scorers: Mapping[str, Scorer],
    ) -> Self:
        """The inverse of :meth:`state`, with scorers that were restored already."""
        weights = Weights(**{name: arrays[name] for name in _WEIGHTS})
        chosen = {name: scorers[name] for name in settings["scorers"]}
        return cls(chosen, weights, arrays["popularity"], settings["candidates"])


_WEIGHTS = ("scales", "level")


def log_share(interactions: Interactions) -> Floats:
    """[I] float32, below 0: ``log((users of the item + 1) / (users + 2))``."""
    counts = interactions.item_counts
    return np.log((counts + 1) / (interactions.user_count + 2)).astype(np.float32)


def rank_together(
    hybrids: Mapping[str, Hybrid],
    histories: Histories,
    count: int,
    *,
    allowed: NDArray[np.bool_] | None = None,
    boost: Floats | None = None,
) -> dict[str, Ranked]:
    """:meth:`Hybrid.rank` of several hybrids whose scorers are among those of the first.

    The scores of the methods are computed once: an ablation costs little more than the full hybrid.
    """
    first = next(iter(hybrids.values()))
    lists: dict[str, list[Ranked]] = {name: [] for name in hybrids}
    start = 0
    for block in first.pool.blocks(histories, allowed, boost, count):
        rows = slice(start, start + len(block.silent))
        start = rows.stop
        for name, hybrid in hybrids.items():
            own = block if hybrid is first else block.only(tuple(hybrid.scorers))
            extra = None if boost is None else boost[rows]
            lists[name].append(hybrid.order(own, count, extra))
    return {name: _joined(parts, count) for name, parts in lists.items()}


def _joined(parts: list[Ranked], count: int) -> Ranked:
    if not parts:
        nothing = np.zeros((0, count), np.float32)
        return Ranked(nothing.astype(np.int64), nothing, nothing[:, :, None])
    items = np.concatenate([part.items for part in parts])
    return Ranked(
        items,
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.method_scores for part in parts]),
    )


def _spread(scores: Floats, rows: NDArray[np.int64], count: int) -> Floats:
    """[B] the standard deviation of each row's scores."""
    sizes = np.maximum(np.bincount(rows, minlength=count), 1)
    means = np.bincount(rows, weights=scores, minlength=count) / sizes
    squares = np.bincount(rows, weights=(scores - means[rows]) ** 2, minlength=count)
    return np.sqrt(squares / sizes).astype(np.float32)
