"""Measured lists as numbers: accuracy with intervals, variety, novelty, coverage.

Legend: M measured users, I items, K length of a list, D dimensions.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.metrics import Interval, bootstrap_interval
from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.methods.popularity import surprise
from crisol.models.recommender.methods.ranking import Items, Measured

_BLOCK_CELLS = 4_000_000
"""Numbers of the lists' vectors held at once (16 MB)."""


@dataclass(frozen=True)
class Summary:
    """Lists in figures, each mean with its interval from resampling users.

    Attributes:
        metrics: ``ndcg@20`` … of :class:`Measured`; ``novelty`` of :func:`list_novelty`; and
            ``diversity`` of :func:`list_diversity` where there are vectors.
        coverage: share of the catalogue that is in somebody's list.
        gini: of how often each item of the catalogue is recommended; 0 even, 1 all the same item.
        popularity_of_lists: mean share of the users that have a recommended item.
        popularity_of_histories: the same of the items that the measured users had.
    """

    metrics: dict[str, Interval]
    coverage: float
    gini: float
    popularity_of_lists: float
    popularity_of_histories: float

    @property
    def popularity_lift(self) -> float:
        """How much more popular than their histories the lists are; 0.5 is half as much again."""
        return self.popularity_of_lists / self.popularity_of_histories - 1

    def row(self) -> dict[str, float]:
        """One flat row for a table; intervals as ``<metric>_low`` and ``<metric>_high``."""
        row: dict[str, float] = {}
        for name, interval in self.metrics.items():
            row |= {
                name: interval.value,
                f"{name}_low": interval.low,
                f"{name}_high": interval.high,
            }
        return row | {
            "coverage": self.coverage,
            "gini": self.gini,
            "popularity_of_lists": self.popularity_of_lists,
            "popularity_of_histories": self.popularity_of_histories,
            "popularity_lift": self.popularity_lift,
        }


def summary(
    measured: Measured,
    histories: Histories,
    interactions: Interactions,
    vectors: Floats | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Summary:
    """The measured lists in figures.

    Args:
        measured: by :func:`measure` from these histories.
        histories: what the users had.
        interactions: what the popularity of an item is counted in.
        vectors: [I, D] in which alike items are near, for ``diversity``.
        resamples: of users, for the intervals.
        seed: of the resampling.
    """
    lists, had = measured.lists, histories.take(measured.rows).items
    users = dict(measured.by_user)
    users["novelty"] = list_novelty(lists, interactions)
    if vectors is not None:
        users["diversity"] = list_diversity(lists, vectors)
    share = interactions.item_counts / max(interactions.user_count, 1)
    times = np.bincount(lists[lists >= 0], minlength=interactions.item_count)
    return Summary(
        {name: _interval(values, resamples, seed) for name, values in users.items()},
        coverage=float((times > 0).mean()),
        gini=gini(times),
        popularity_of_lists=float((times * share).sum() / max(times.sum(), 1)),
        popularity_of_histories=float(share[had].mean()) if len(had) else float("nan"),
    )


def _interval(values: Floats, resamples: int, seed: int) -> Interval:
    """The mean over users and its interval; lists without the figure (NaN) are left out."""
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    return bootstrap_interval(values, values, metric="mean", resamples=resamples, seed=seed)


def list_diversity(lists: Items, vectors: Floats) -> Floats:
    """[M] one minus the mean cosine of two different items of a list (intra-list diversity).

    NaN for a list of fewer than two items. An item without a vector (all zeros) is like no other.
    """
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    similar, counts = np.zeros(len(lists)), (lists >= 0).sum(axis=1)
    step = max(1, _BLOCK_CELLS // max(lists.shape[1] * units.shape[1], 1))
    for start in range(0, len(lists), step):
        part = lists[start : start + step]
        listed_MKD = units[part] * (part >= 0)[:, :, None]
        total = (listed_MKD.sum(axis=1, dtype=np.float64) ** 2).sum(axis=1)
        similar[start : start + step] = total - (listed_MKD**2).sum(axis=(1, 2), dtype=np.float64)
    pairs = counts * (counts - 1.0)
    alike = np.divide(similar, pairs, out=np.full(len(lists), np.nan), where=pairs > 0)
    return np.asarray(1 - alike)


def list_novelty(lists: Items, interactions: Interactions) -> Floats:
    """[M] mean :func:`surprise` of a list's items; NaN for an empty list."""
    bits = surprise(interactions)
    listed = lists >= 0
    total, counts = np.where(listed, bits[lists], 0.0).sum(axis=1), listed.sum(axis=1)
    novelty = np.full(len(lists), np.nan)
    np.divide(total, counts, out=novelty, where=counts > 0)
    return novelty


def gini(times: NDArray[Any]) -> float:
    """Gini coefficient of counts: 0 when all are equal, near 1 when one has everything.

    >>> gini(np.array([2, 2])), gini(np.array([0, 0, 0, 4]))
    (0.0, 0.75)
    """
    ordered = np.sort(np.asarray(times, dtype=np.float64))
    count, total = len(ordered), ordered.sum()
    if total == 0:
        return 0.0
    ranks = np.arange(1, count + 1)
    return float((2 * ranks - count - 1) @ ordered / (count * total))
