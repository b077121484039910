"""The items that are re-ranked for each history: the union of every method's best.

A method proposes its highest scores above zero, seen and refused items masked before the cut; the
most popular items come along always, so that a list can be filled whatever the methods know.

Legend: B histories, I items, S scorers, M candidates of all histories.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.models.recommender.data.histories import Histories
from crisol.models.recommender.methods.scorer import Scorer

_BLOCK_CELLS = 8_000_000
"""Scores of one method held at once (32 MB)."""


@dataclass(frozen=True)
class Candidates:
    """M candidates, those of a history together and in the order of their indices.

    Attributes:
        names: S names of scorers.
        starts: [B + 1]; the candidates of history b are ``items[starts[b]:starts[b + 1]]``.
        items: [M] item indices.
        scores: [M, S] what each scorer says.
        proposed: [M, S + 1] who proposed it; the last column is popularity's.
        silent: [B, S] whether a scorer gives all items of a history zero.
    """

    names: tuple[str, ...]
    starts: NDArray[np.int64]
    items: NDArray[np.int64]
    scores: Floats
    proposed: NDArray[np.bool_]
    silent: NDArray[np.bool_]

    @property
    def rows(self) -> NDArray[np.int64]:
        """[M] the history each candidate is of."""
        return np.repeat(np.arange(len(self.silent)), np.diff(self.starts))

    def of(self, chosen: NDArray[np.bool_]) -> "Candidates":
        """The candidates of the chosen histories [B] alone."""
        kept = chosen[self.rows]
        return Candidates(
            self.names,
            _starts(np.diff(self.starts)[chosen]),
            self.items[kept],
            self.scores[kept],
            self.proposed[kept],
            self.silent[chosen],
        )

    def only(self, names: tuple[str, ...]) -> "Candidates":
        """The candidates of these scorers alone: an ablation without scoring again."""
        columns = [self.names.index(name) for name in names]
        proposed = self.proposed[:, [*columns, -1]]
        kept = proposed.any(axis=1)
        counts = np.bincount(self.rows[kept], minlength=len(self.silent))
        return Candidates(
            names,
            _starts(counts),
            self.items[kept],
            self.scores[kept][:, columns],
            proposed[kept],
            self.silent[:, columns],
        )


@dataclass(frozen=True)
class Pool:
    """The scorers that propose candidates, and how many each proposes.

    Attributes:
        scorers: S methods by name.
        popularity: [I] how popular each item is.
        count: items that each method proposes at most.
    """

    scorers: Mapping[str, Scorer]
    popularity: Floats
    count: int

    @cached_property
    def _popular(self) -> NDArray[np.int64]:
        """[I] all items, the most popular first, of equals the lowest index."""
        return np.argsort(-self.popularity, kind="stable")

    def collect(self, histories: Histories) -> Candidates:
        """The candidates of at least one history, together."""
        blocks = list(self.blocks(histories))
        return Candidates(
            tuple(self.scorers),
            _starts(np.concatenate([np.diff(block.starts) for block in blocks])),
            np.concatenate([block.items for block in blocks]),
            np.concatenate([block.scores for block in blocks]),
            np.concatenate([block.proposed for block in blocks]),
            np.concatenate([block.silent for block in blocks]),
        )

    def blocks(
        self,
        histories: Histories,
        allowed: NDArray[np.bool_] | None = None,
        boost: Floats | None = None,
        wanted: int = 0,
    ) -> Iterator[Candidates]:
        """The candidates of some histories at a time, so that memory does not grow with B.

        Args:
            histories: B of them.
            allowed: [B, I] what may be proposed; nothing: all that the history does not hold.
            boost: [B, I] added before the cut, in standard deviations of a method's own scores.
            wanted: items that a list holds; the popular ones make it whole where methods propose
                fewer.
        """
        step = max(1, _BLOCK_CELLS // len(self.popularity))
        for start in range(0, len(histories), step):
            rows = np.arange(start, min(start + step, len(histories)))
            part = histories.take(rows)
            free = np.ones((len(rows), len(self.popularity)), dtype=bool)
            if allowed is not None:
                free[:] = allowed[rows]
            free[part.rows, part.items] = False
            extra = None if boost is None else boost[rows]
            yield self._block(part, free, extra, max(wanted, self.count))

    def _block(
        self, histories: Histories, free: NDArray[np.bool_], boost: Floats | None, popular: int
    ) -> Candidates:
        """The candidates among the items that are ``free`` [B, I] to be recommended."""
        scores = [scorer.score(histories) for scorer in self.scorers.values()]
        keys = [_best(_boosted(said, boost), free, self.count, above=0) for said in scores]
        keys.append(self._most_popular(free, boost, popular))
        union = np.sort(np.concatenate(keys))
        union = union[np.diff(union, prepend=-1) > 0]
        rows, items = np.divmod(union, free.shape[1])
        proposed = np.zeros((len(union), len(keys)), dtype=bool)
        for column, part in enumerate(keys):
            proposed[np.searchsorted(union, part), column] = True
        return Candidates(
            tuple(self.scorers),
            _starts(np.bincount(rows, minlength=len(free))),
            items,
            np.stack([said[rows, items] for said in scores], axis=1),
            proposed,
            np.stack([~said.any(axis=1) for said in scores], axis=1),
        )

    def _most_popular(
        self, free: NDArray[np.bool_], boost: Floats | None, count: int
    ) -> NDArray[np.int64]:
        """As :func:`_best`; without a boost the order of popularity is known already."""
        if boost is not None:
            popularity = np.broadcast_to(self.popularity, free.shape)
            return _best(_boosted(popularity, boost), free, count, above=-np.inf)
        keys = []
        for row, own in enumerate(free):
            first = self._popular[: 4 * count]
            chosen = first[own[first]][:count]
            if len(chosen) < count:
                chosen = self._popular[own[self._popular]][:count]
            keys.append(row * free.shape[1] + chosen)
        return np.concatenate(keys)


def _boosted(scores: Floats, boost: Floats | None) -> Floats:
    """[B, I] with what is added in standard deviations of each row."""
    return scores if boost is None else scores + boost * scores.std(axis=1, keepdims=True)


def _best(scores: Floats, free: NDArray[np.bool_], count: int, above: float) -> NDArray[np.int64]:
    """Row times I plus item of each row's highest scores above a limit; of equals the first."""
    keys = []
    for row, (own, open_to) in enumerate(zip(scores, free, strict=True)):
        places = np.flatnonzero((own > above) & open_to)
        if len(places) > count:
            values = own[places]
            least = np.partition(values, len(values) - count)[len(values) - count]
            higher = places[values > least]
            ties = places[values == least][: count - len(higher)]
            places = np.concatenate([higher, ties])
        keys.append(row * len(own) + places)
    return np.concatenate(keys)


def _starts(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
