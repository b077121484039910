"""Item-to-item transitions in time order.

``T[i, j]`` sums, over every pair of events of one user in which j came ``d`` events after i,
``decay^(d - 1)`` for ``d ≤ window``, and ``backward`` times as much for j before i. It is then
damped by how often each item occurs, ``T[i, j] / ((n_i + shrinkage)^source (n_j +
shrinkage)^target)``, and the strongest entries of each row are kept. A history scores the sum of
its items' rows, each times ``recency`` for every event that came after. See Sarwar et al. (WWW
2001) and Ludewig and Jannach (arXiv:1803.09587) for nearest neighbours of items and of sessions.

Legend: B histories, N events, I items, C items asked about.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

from crisol.core.arrays import Floats
from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.method_params import TransitionParams
from crisol.models.recommender.methods.event_weights import event_weights
from crisol.models.recommender.methods.scorer import Arrays, Scorer
from crisol.models.recommender.methods.sparse_rows import (
    entries,
    sparse_arrays,
    sparse_matrix,
    strongest,
    weighted,
)


class TransitionScorer(Scorer):
    """Sums the transition rows of a history's items, newest first in weight."""

    name: ClassVar[str] = "transitions"

    def __init__(self, transitions: csr_matrix, recency: float) -> None:
        self.transitions = transitions
        self.recency = recency

    def score(self, histories: Histories) -> Floats:
        """[B, I] float32, at least 0."""
        profiles = weighted(histories, self.transitions.shape[0], self.recency)
        return np.asarray((profiles @ self.transitions).toarray())

    def contributions(self, history: Histories, items: NDArray[np.int64]) -> Floats:
        """[C, N]: exact summands of the score."""
        rows = entries(self.transitions, history.items, items)
        return rows * event_weights(history, self.recency)

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """The transition matrix; the recency."""
        return sparse_arrays(self.transitions), {"recency": self.recency}

    @classmethod
    def restore(
        cls,
        arrays: Arrays,
        settings: Mapping[str, Any],
        interactions: Interactions,  # noqa: ARG003
        catalogue: Catalogue,
    ) -> Self:
        """The inverse of :meth:`state`."""
        return cls(sparse_matrix(arrays, (len(catalogue), len(catalogue))), settings["recency"])


def fit_transitions(
    interactions: Interactions,
    catalogue: Catalogue,  # noqa: ARG001
    params: TransitionParams,
) -> TransitionScorer:
    """Counts the transitions of all known users."""
    counted = _count(interactions, params)
    totals = np.bincount(interactions.histories.items, minlength=interactions.item_count)
    totals = totals + params.shrinkage + (totals == 0)
    damped = diags(totals**-params.source) @ counted @ diags(totals**-params.target)
    kept = strongest(damped.astype(np.float32).tocsr(), params.neighbours)
    return TransitionScorer(kept, params.recency)


def _count(interactions: Interactions, params: TransitionParams) -> csr_matrix:
    """[I, I]: weighted transitions, the diagonal empty."""
    histories, shape = interactions.histories, (interactions.item_count,) * 2
    items, rows = histories.items, histories.rows
    lengths = np.maximum(histories.sizes, 1)[rows] ** -params.length
    counted = csr_matrix(shape, dtype=np.float64)
    longest = int(histories.sizes.max(initial=1))
    for distance in range(1, min(params.window, longest - 1) + 1):
        pair = (rows[distance:] == rows[:-distance]) & (items[distance:] != items[:-distance])
        earlier, later = items[:-distance][pair], items[distance:][pair]
        weights = params.decay ** (distance - 1) * lengths[distance:][pair]
        counted = counted + csr_matrix((weights, (earlier, later)), shape=shape)
    if params.backward:
        counted = counted + params.backward * counted.T
    return counted.tocsr()
