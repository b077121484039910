"""Which items are worth re-ranking for each history: the union of every method's best.

A method proposes its highest scores above zero, seen and refused items masked before the cut; the
most popular items come along always, so that a list can be filled whatever the methods know.

Legend: B histories, I items, S scorers, M candidates of all histories.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from crisol.models.recommender.histories import Histories
from crisol.models.recommender.ranking import top_k
from crisol.models.recommender.scorer import Floats, Scorer

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
        sizes: [B] events of each history.
        silent: [B, S] whether a scorer gives all items of a history zero.
    """

    names: tuple[str, ...]
    starts: NDArray[np.int64]
    items: NDArray[np.int64]
    scores: Floats
    proposed: NDArray[np.bool_]
    sizes: NDArray[np.int64]
    silent: NDArray[np.bool_]

    @property
    def rows(self) -> NDArray[np.int64]:
        """[M] the history each candidate is of."""
        return np.repeat(np.arange(len(self.sizes)), np.diff(self.starts))

    def only(self, names: tuple[str, ...]) -> "Candidates":
        """What these scorers alone would have brought: an ablation without scoring again."""
        columns = [self.names.index(name) for name in names]
        proposed = self.proposed[:, [*columns, -1]]
        kept = proposed.any(axis=1)
        counts = np.bincount(self.rows[kept], minlength=len(self.sizes))
        return Candidates(
            names,
            _starts(counts),
            self.items[kept],
            self.scores[kept][:, columns],
            proposed[kept],
            self.sizes,
            self.silent[:, columns],
        )


def collect(
    scorers: Mapping[str, Scorer],
    histories: Histories,
    popularity: Floats,
    count: int,
    *,
    allowed: NDArray[np.bool_] | None = None,
    boost: Floats | None = None,
) -> Candidates:
    """The candidates of every history; see :func:`candidate_blocks`."""
    blocks = list(candidate_blocks(scorers, histories, popularity, count, allowed, boost))
    if not blocks:
        blocks = [_collect(scorers, histories, popularity, count, None, None)]
    sizes = np.concatenate([np.diff(block.starts) for block in blocks])
    return Candidates(
        blocks[0].names,
        _starts(sizes),
        np.concatenate([block.items for block in blocks]),
        np.concatenate([block.scores for block in blocks]),
        np.concatenate([block.proposed for block in blocks]),
        np.concatenate([block.sizes for block in blocks]),
        np.concatenate([block.silent for block in blocks]),
    )


def candidate_blocks(
    scorers: Mapping[str, Scorer],
    histories: Histories,
    popularity: Floats,
    count: int,
    allowed: NDArray[np.bool_] | None = None,
    boost: Floats | None = None,
) -> Iterator[Candidates]:
    """The candidates of some histories at a time, so that memory does not grow with B.

    Args:
        scorers: S methods by name.
        histories: B of them.
        popularity: [I] how popular each item is.
        count: items that each scorer proposes at most.
        allowed: [B, I] what may be proposed; nothing: everything that the history does not hold.
        boost: [B, I] added before the cut, in standard deviations of a scorer's own scores.
    """
    step = max(1, _BLOCK_CELLS // len(popularity))
    for start in range(0, len(histories), step):
        rows = np.arange(start, min(start + step, len(histories)))
        yield _collect(
            scorers,
            histories.take(rows),
            popularity,
            count,
            None if allowed is None else allowed[rows],
            None if boost is None else boost[rows],
        )


def _collect(
    scorers: Mapping[str, Scorer],
    histories: Histories,
    popularity: Floats,
    count: int,
    allowed: NDArray[np.bool_] | None,
    boost: Floats | None,
) -> Candidates:
    seen = histories.matrix(len(popularity))
    scores = [scorer.score(histories) for scorer in scorers.values()]
    keys = [_best(score, count, seen, allowed, boost, above=0) for score in scores]
    most = np.broadcast_to(popularity, seen.shape)
    keys.append(_best(most, count, seen, allowed, boost, above=-np.inf))
    union = np.unique(np.concatenate(keys))
    rows, items = np.divmod(union, len(popularity))
    proposed = np.zeros((len(union), len(keys)), dtype=bool)
    for column, part in enumerate(keys):
        proposed[np.searchsorted(union, part), column] = True
    picked = [score[rows, items] for score in scores]
    heard = [score.any(axis=1) for score in scores]
    return Candidates(
        tuple(scorers),
        _starts(np.bincount(rows, minlength=len(histories))),
        items,
        np.stack(picked, axis=1) if picked else np.zeros((len(union), 0), np.float32),
        proposed,
        histories.sizes,
        ~np.stack(heard, axis=1) if heard else np.zeros((len(histories), 0), bool),
    )


def _best(
    scores: Floats,
    count: int,
    seen: csr_matrix,
    allowed: NDArray[np.bool_] | None,
    boost: Floats | None,
    above: float,
) -> NDArray[np.int64]:
    """Row times I plus item of each row's highest scores that are above a limit."""
    if boost is not None:
        scores = scores + boost * scores.std(axis=1, keepdims=True)
    items, values = top_k(scores, min(count, scores.shape[1]), seen, allowed)
    rows, places = np.nonzero((values > above) & (items >= 0))
    return rows * scores.shape[1] + items[rows, places]


def _starts(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
