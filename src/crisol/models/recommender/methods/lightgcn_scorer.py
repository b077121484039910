"""LightGCN as it is served: two item matrices, a user matrix and a fold-in, in NumPy.

He, Deng, Wang, Li, Zhang, Wang: LightGCN, arXiv:2002.02126. Trained in
:mod:`crisol.models.recommender.networks.lightgcn_training`.

Legend: B histories, U users, I items, D dimensions, K layers, N events of a history.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

from crisol.core.arrays import Floats
from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import VISITOR, Histories, Interactions
from crisol.models.recommender.methods.scorer import Arrays, Scorer


class LightGCNScorer(Scorer):
    """Scores are dot products of a user's and the items' mean embeddings over the layers.

    With items as trained, a user's embedding is the mean over k of ``e_u^(0)`` (learned; zero for a
    visitor) and ``e_u^(k) = Σ_i w_ui e_i^(k-1) / sqrt(d_u d_i)``, which is a sum over the history:
    ``e_u = (e_u^(0) + Σ_i w_ui m_i / sqrt(d_u)) / (K + 1)`` with the messages
    ``m_i = Σ_{k<K} e_i^(k) / sqrt(d_i)``. A known user with the history of the training has exactly
    the embedding of the full graph.

    Args:
        items: [I, D] mean of the layers.
        messages: [I, D], see above.
        users: [U, D] ``e_u^(0)``.
        layers: K.
    """

    name: ClassVar[str] = "lightgcn"

    def __init__(self, items: Floats, messages: Floats, users: Floats, layers: int) -> None:
        self._items, self._messages, self._users, self._layers = items, messages, users, layers

    def embed(self, histories: Histories) -> Floats:
        """[B, D] the users' embeddings; zeros for an empty history."""
        weights = histories.matrix(len(self._items))
        embedded = np.asarray(_scaled(weights) @ self._messages)
        known = (histories.users != VISITOR) & (np.diff(weights.indptr) > 0)
        embedded[known] += self._users[histories.users[known]]
        return (embedded / np.float32(self._layers + 1)).astype(np.float32)

    def score(self, histories: Histories) -> Floats:
        """[B, I] dot products."""
        return self.embed(histories) @ self._items.T

    def contributions(self, history: Histories, items: NDArray[np.int64]) -> Floats:
        """[C, N] the summands of the score; what ``e_u^(0)`` adds belongs to no event.

        An item that occurs more than once shares its summand among its events.
        """
        events = history.items
        weights = _scaled(history.matrix(len(self._items)))
        share = np.asarray(weights[0, events].todense()).ravel() if len(events) else np.empty(0)
        share = share / np.bincount(events, minlength=1)[events] / (self._layers + 1)
        products = self._items[items] @ self._messages[events].T
        return (products * share).astype(np.float32)

    def item_vectors(self) -> Floats:
        """[I, D] the items' mean embeddings."""
        return self._items

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """The three matrices and the number of layers."""
        arrays = {"items": self._items, "messages": self._messages, "users": self._users}
        return arrays, {"layers": self._layers}

    @classmethod
    def restore(
        cls,
        arrays: Arrays,
        settings: Mapping[str, Any],
        interactions: Interactions,
        catalogue: Catalogue,
    ) -> Self:
        """The scorer of :meth:`state`."""
        del interactions, catalogue
        return cls(arrays["items"], arrays["messages"], arrays["users"], int(settings["layers"]))


def _scaled(weights: csr_matrix) -> csr_matrix:
    """[B, I] ``w_ui / sqrt(d_u)`` with ``d_u = Σ_i w_ui``."""
    sums = np.asarray(weights.sum(1)).ravel()
    roots = np.where(sums > 0, 1 / np.sqrt(np.where(sums > 0, sums, 1)), 0).astype(np.float32)
    return csr_matrix(diags(roots) @ weights)
