"""How good lists of recommendations are: every item ranked for every user, none sampled.

Sampled metrics do not agree with exact ones (Krichene and Rendle, KDD 2020), so there is one
evaluator and it ranks the whole catalogue. A user's metrics are, for a list of k items, t of whose
items are among T held-out ones: recall ``t / T``; NDCG with gain 1, discount ``1 / log2(rank + 1)``
and the ideal of ``min(T, k)`` hits; hit ``t > 0``; reciprocal rank of the first hit, 0 without one.

Legend: B histories, M of them with held-out items, I items, K length of a list.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from crisol.core.arrays import Floats
from crisol.models.recommender.data.histories import Histories

Items = NDArray[np.int64]

_BLOCK_CELLS = 4_000_000
"""Scores copied at once (16 MB)."""


def top_k(
    scores: Floats,
    k: int,
    exclude: csr_matrix | None = None,
    allowed: NDArray[np.bool_] | None = None,
) -> tuple[Items, Floats]:
    """The k best items of each row, exactly; of equal scores the lower index comes first.

    Args:
        scores: [B, I], without NaN; minus infinity means never.
        k: how many.
        exclude: [B, I] whose stored entries are not recommended, such as a history's own items.
        allowed: [B, I] or [I], true where an item may be recommended; nothing: everywhere.

    Returns:
        Items [B, k] with -1 and scores [B, k] with 0 where there are fewer.

    Raises:
        ValueError: a NaN among the scores, or ``k`` below 1.

    >>> top_k(np.array([[1.0, 3.0, 3.0]], dtype=np.float32), 2)[0].tolist()
    [[1, 2]]
    """
    if k < 1:
        raise ValueError(f"k: must be at least 1, not {k}")
    rows, columns = scores.shape
    items = np.full((rows, k), -1, dtype=np.int64)
    best = np.zeros((rows, k), dtype=np.float32)
    step = max(1, _BLOCK_CELLS // max(columns, 1))
    for start in range(0, rows if columns else 0, step):
        block = np.array(scores[start : start + step], dtype=np.float32)
        if allowed is not None:
            part = allowed if allowed.ndim == 1 else allowed[start : start + step]
            block[~np.broadcast_to(part, block.shape)] = -np.inf
        if exclude is not None:
            seen = exclude[start : start + step]
            block[np.repeat(np.arange(len(block)), np.diff(seen.indptr)), seen.indices] = -np.inf
        _best_of(block, items[start : start + step], best[start : start + step])
    return items, best


def _best_of(block: Floats, items: Items, best: Floats) -> None:
    """Write the best of each row into ``items`` and ``best``; see :func:`top_k`."""
    rank = max(block.shape[1] - items.shape[1], 0)
    largest = np.partition(block, rank, axis=1)[:, rank:]
    if np.isnan(largest).any():  # NumPy sorts NaN above every number
        raise ValueError("scores: hold NaN")
    for row, limit, found, values in zip(block, largest[:, 0], items, best, strict=True):
        above = np.flatnonzero(row > limit)
        above = above[np.argsort(-row[above], kind="stable")]
        # Nothing is taken at minus infinity: those are masked.
        ties = np.flatnonzero(row == limit) if limit > -np.inf else above[:0]
        chosen = np.concatenate([above, ties[: len(found) - len(above)]])
        found[: len(chosen)] = chosen
        values[: len(chosen)] = row[chosen]


@dataclass(frozen=True)
class Measured:
    """The lists of the measured users, and each user's metrics.

    Attributes:
        rows: [M] which histories were measured: those with at least one held-out item.
        lists: [M, K] items recommended, best first; -1 where there were fewer.
        by_user: metric such as ``ndcg@20`` to [M] values.
    """

    rows: Items
    lists: Items
    by_user: dict[str, Floats]

    def mean(self, metric: str) -> float:
        """The mean over the measured users."""
        return float(self.by_user[metric].mean())


def measure(
    rank: Callable[[Histories], Items],
    histories: Histories,
    targets: Histories,
    ks: Sequence[int],
    batch: int = 1024,
) -> Measured:
    """Rank for every history that has held-out items, and compare.

    Args:
        rank: histories to lists [b, K] with K at least the largest k; -1 where there are fewer.
        histories: B histories, what was known before.
        targets: B histories of the held-out items; the order and repetitions do not matter.
        ks: lengths at which to measure.
        batch: histories ranked at once.

    Raises:
        ValueError: nobody has held-out items, lengths that differ, lists that are too short or
            that hold an item twice.
    """
    if len(histories) != len(targets):
        raise ValueError(f"targets: {len(targets)} of them for {len(histories)} histories")
    rows = np.flatnonzero(targets.sizes > 0)
    if len(rows) == 0:
        raise ValueError("targets: nobody has held-out items, so there is nothing to measure")
    lists, hits, sizes = [], [], []
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        ranked = np.asarray(rank(histories.take(part)), dtype=np.int64)
        _check_lists(ranked, len(part), max(ks))
        hit, size = _hits(ranked[:, : max(ks)], targets.take(part))
        lists.append(ranked)
        hits.append(hit)
        sizes.append(size)
    by_user = _metrics(np.concatenate(hits), np.concatenate(sizes), ks)
    return Measured(rows, np.concatenate(lists), by_user)


def _check_lists(lists: Items, rows: int, longest: int) -> None:
    if lists.ndim != 2 or len(lists) != rows or lists.shape[1] < longest:
        raise ValueError(f"rank: need lists [{rows}, at least {longest}], not {lists.shape}")
    ordered = np.sort(lists, axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        raise ValueError("rank: a list holds an item twice")


def _hits(lists: Items, targets: Histories) -> tuple[NDArray[np.bool_], Items]:
    """Which places [b, K] hold a target, and how many distinct targets [b] there are."""
    width = int(max(lists.max(), targets.items.max())) + 1
    wanted = np.unique(targets.rows * width + targets.items)
    keys = np.arange(len(lists))[:, None] * width + lists
    at = np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)
    # An absent item (-1) has the key of the row before it.
    hit = (wanted[at] == keys) & (lists >= 0)
    return hit, np.bincount(wanted // width, minlength=len(lists))


def _metrics(hits: NDArray[np.bool_], sizes: Items, ks: Sequence[int]) -> dict[str, Floats]:
    discounts = 1.0 / np.log2(np.arange(2, hits.shape[1] + 2))
    ideal = np.cumsum(discounts)
    found, gains = np.cumsum(hits, axis=1), np.cumsum(hits * discounts, axis=1)
    reciprocal = hits.any(axis=1) / (hits.argmax(axis=1) + 1.0)
    by_user: dict[str, Floats] = {}
    for k in ks:
        hit = found[:, k - 1] > 0
        by_user[f"recall@{k}"] = found[:, k - 1] / sizes
        by_user[f"ndcg@{k}"] = gains[:, k - 1] / ideal[np.minimum(sizes, k) - 1]
        by_user[f"hit@{k}"] = hit.astype(np.float64)
        by_user[f"mrr@{k}"] = np.where(hit, reciprocal, 0.0)
    return by_user
