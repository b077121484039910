"""Closed-form graph filters: no training, one singular value decomposition.

With R [U, I] the interactions, ``D_U`` and ``D_I`` the degrees, ``R~ = D_U^-1/2 R D_I^-1/2`` and
``V`` [I, D] the leading right singular vectors of ``R~``, a history r [I] scores

    ``s = (r P + b r D_I^-1/2 V V' D_I^1/2) q(P)``,   ``P = R~' R~``.

- Linear low-pass filter ``P`` and ideal low-pass filter ``V V'``: GF-CF (Shen et al., CIKM 2021,
  arXiv:2108.07567), where ``q`` is 1.
- BSPM (Choi et al., SIGIR 2023, arXiv:2211.09324) reads ``r P`` as blurring (one Euler step of
  unit time) and sharpens after it, solving ``ds/dt = -s P`` up to time T. The equation is linear,
  so K Runge-Kutta steps of order p are ``q(P) = (sum over k <= p of (-T P / K)^k / k!)^K``.

A history's newer events may count more, see
:func:`~crisol.models.recommender.methods.event_weights.recent`; the papers take it as a set, which
is recency 0.

``P`` is never written down: a product with it is two sparse ones. The ideal filter is kept
sharpened, ``q(P) D_I^1/2 V``, so that a history pays for sharpening on the linear part alone.

Legend: B histories, U known users, I items, D dimensions, C items asked about, N events.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from crisol.core.arrays import Floats
from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.method_params import FilterParams
from crisol.models.recommender.methods.event_weights import recent, shared_weights
from crisol.models.recommender.methods.scorer import Arrays, Scorer
from crisol.models.recommender.methods.spectral import leading_right_vectors

DIMENSIONS = 256
"""Singular vectors where the parameters leave their number open, or ask for more than there are."""
_BLOCK = 512
"""Columns that go through the graph at once."""


class _Graph:
    """``P`` as two sparse matrices, and the degrees of the items.

    Args:
        pairs: [U, I]; whatever is stored in it counts 1.
    """

    def __init__(self, pairs: csr_matrix) -> None:
        data = np.ones(len(pairs.indices), dtype=np.float32)
        ones = csr_matrix((data, pairs.indices, pairs.indptr), pairs.shape)
        self.scale_I = _inverse_root(np.asarray(ones.sum(axis=0)).ravel())
        self.root_I = np.divide(
            1, self.scale_I, out=np.zeros_like(self.scale_I), where=self.scale_I > 0
        )
        scale_U = _inverse_root(np.diff(ones.indptr))
        data = np.repeat(scale_U, np.diff(ones.indptr)) * self.scale_I[ones.indices]
        self.users_UI = csr_matrix((data, ones.indices, ones.indptr), ones.shape)
        self.items_IU = self.users_UI.T.tocsr()

    def blur(self, histories_BI: csr_matrix) -> Floats:
        """``r P`` [B, I]: row by row, only through the users that the history reaches."""
        reached_BU = histories_BI @ self.items_IU
        blurred_BI = np.empty(histories_BI.shape, dtype=np.float32)
        for row, start, stop in zip(
            blurred_BI, reached_BU.indptr[:-1], reached_BU.indptr[1:], strict=True
        ):
            users = self.users_UI[reached_BU.indices[start:stop]]
            row[:] = users.T @ reached_BU.data[start:stop]
        return blurred_BI

    def smooth(self, columns_IB: Floats) -> Floats:
        """``P`` times columns."""
        return np.asarray(self.items_IU @ (self.users_UI @ columns_IB))

    def sharpen(self, columns_IB: Floats, params: FilterParams) -> Floats:
        """``q(P)`` times columns, see the module."""
        step = params.sharpening / params.sharpening_steps
        sharp = np.empty_like(columns_IB)
        for start in range(0, columns_IB.shape[1], _BLOCK):
            block = np.ascontiguousarray(columns_IB[:, start : start + _BLOCK])
            for _ in range(params.sharpening_steps):
                term = block
                for power in range(1, params.sharpening_order + 1):
                    term = self.smooth(term) * np.float32(-step / power)
                    block = block + term
            sharp[:, start : start + _BLOCK] = block
        return sharp


class FilterScorer(Scorer):
    """Low-pass filters of the item graph, applied to a history; linear in it."""

    name: ClassVar[str] = "filter"

    def __init__(
        self,
        graph: _Graph,
        params: FilterParams,
        vectors_DI: Floats,
        values_D: Floats,
        sharpened_DI: Floats | None,
    ) -> None:
        """A scorer from its parts; :func:`fit_filter` makes them.

        Args:
            graph: of the interactions.
            params: the filter's.
            vectors_DI: right singular vectors of the normalised interactions.
            values_D: their singular values.
            sharpened_DI: ``q(P) D_I^1/2 V`` where there is sharpening.
        """
        self.params = params
        self._graph = graph
        self._vectors_DI, self._values_D = vectors_DI, values_D
        self._sharpened_DI = sharpened_DI

    def score(self, histories: Histories) -> Floats:
        """See :class:`Scorer`. Items that nobody had score 0."""
        graph, had = self._graph, recent(histories, self.params.recency)
        matrix_BI = had.matrix(self._vectors_DI.shape[1])
        scores_BI = graph.blur(matrix_BI)
        if self._sharpened_DI is not None:
            scores_BI = np.ascontiguousarray(graph.sharpen(scores_BI.T, self.params).T)
        if self.params.ideal > 0:
            low_BD = self._low(matrix_BI) * np.float32(self.params.ideal)
            if self._sharpened_DI is not None:
                scores_BI += low_BD @ self._sharpened_DI
            else:
                ideal_BI = low_BD @ self._vectors_DI
                ideal_BI *= graph.root_I
                scores_BI += ideal_BI
        return scores_BI

    def _low(self, matrix_BI: csr_matrix) -> Floats:
        """``r D_I^-1/2 V`` [B, D]."""
        held, columns = np.unique(matrix_BI.indices, return_inverse=True)
        data = matrix_BI.data * self._graph.scale_I[matrix_BI.indices]
        scaled = csr_matrix(
            (data, columns, matrix_BI.indptr), shape=(matrix_BI.shape[0], len(held))
        )
        return np.asarray(scaled @ np.ascontiguousarray(self._vectors_DI[:, held].T))

    def contributions(self, history: Histories, items: NDArray[np.int64]) -> Floats:
        """See :class:`Scorer`. Exact; an item's events share what it carries."""
        graph, events = self._graph, history.items
        carried_CN = self._linear(items, events)
        if self.params.ideal > 0:
            from_DN = self._vectors_DI[:, events] * graph.scale_I[events]
            if self._sharpened_DI is not None:
                to_DC = self._sharpened_DI[:, items]
            else:
                to_DC = self._vectors_DI[:, items] * graph.root_I[items]
            carried_CN += np.float32(self.params.ideal) * (to_DC.T @ from_DN)
        return carried_CN * shared_weights(recent(history, self.params.recency))

    def _linear(self, items: NDArray[np.integer], events: NDArray[np.integer]) -> Floats:
        """``P q(P)`` [C, N], which is symmetric: sharpened from the side that has fewer."""
        graph = self._graph
        if self._sharpened_DI is None:
            return np.asarray((graph.items_IU[items] @ graph.items_IU[events].T).toarray())
        if len(events) < len(items):
            return np.ascontiguousarray(self._linear(events, items).T)
        columns_IC = (graph.items_IU @ graph.items_IU[items].T).toarray()
        return np.ascontiguousarray(graph.sharpen(columns_IC, self.params)[events].T)

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """The singular vectors, and the graph: the predictor may know of events after it."""
        pairs_UI = self._graph.users_UI
        arrays = {
            "vectors": self._vectors_DI,
            "values": self._values_D,
            "starts": pairs_UI.indptr.astype(np.int64),
            "items": pairs_UI.indices.astype(np.int32),
        }
        if self._sharpened_DI is not None:
            arrays["sharpened"] = self._sharpened_DI
        return arrays, self.params.model_dump()

    @classmethod
    def restore(
        cls,
        arrays: Arrays,
        settings: Mapping[str, Any],
        interactions: Interactions,
        catalogue: Catalogue,  # noqa: ARG003
    ) -> Self:
        """See :class:`Scorer`; nothing is decomposed again.

        Arrays without a graph (as of before it was stored) mean that of the interactions.
        """
        pairs = interactions.matrix if "starts" not in arrays else _stored(arrays)
        params = FilterParams.model_validate(dict(settings))
        sharpened_DI = arrays.get("sharpened")
        return cls(_Graph(pairs), params, arrays["vectors"], arrays["values"], sharpened_DI)

    def item_vectors(self) -> Floats:
        """[I, D] singular vectors times their values: near items were had by the same users."""
        return np.ascontiguousarray(self._vectors_DI.T) * self._values_D


def fit_filter(
    interactions: Interactions,
    catalogue: Catalogue,  # noqa: ARG001
    params: FilterParams,
    seed: int = 0,
) -> FilterScorer:
    """Decompose the interactions.

    Args:
        interactions: U known users; how much an event counts is left aside.
        catalogue: not looked at.
        params: the filter's.
        seed: of the decomposition's start.
    """
    graph = _Graph(interactions.matrix)
    dimensions, _ = singular_vectors(interactions, params)
    values_D, vectors_ID = leading_right_vectors(graph.users_UI, dimensions, seed=seed)
    sharpened_DI = None
    if params.sharpening > 0:
        sharpened_ID = graph.sharpen(vectors_ID * graph.root_I[:, None], params)
        sharpened_DI = np.ascontiguousarray(sharpened_ID.T)
    return FilterScorer(graph, params, np.ascontiguousarray(vectors_ID.T), values_D, sharpened_DI)


def singular_vectors(interactions: Interactions, params: FilterParams) -> tuple[int, str]:
    """How many singular vectors the ideal filter takes, and a sentence if fewer than asked for.

    A matrix has as many as it has users or items, whichever are fewer. With all of them the ideal
    filter passes everything and filters nothing, so too large a number is taken as ``null`` is.
    """
    users, items = interactions.user_count, interactions.item_count
    most = min(users, items)
    fitting = min(DIMENSIONS, max(1, most // 2))
    if params.dimensions is None:
        return fitting, ""
    if params.dimensions <= most:
        return params.dimensions, ""
    return fitting, (
        f"filter.dimensions asks for {params.dimensions:,} singular vectors, and {users:,} users x "
        f"{items:,} items have {most:,}: {fitting:,} are used, as with filter.dimensions: null."
    )


def _stored(arrays: Arrays) -> csr_matrix:
    """[U, I] the pairs of :meth:`FilterScorer.state`."""
    starts, items = arrays["starts"], arrays["items"]
    shape = (len(starts) - 1, arrays["vectors"].shape[1])
    return csr_matrix((np.ones(len(items), np.float32), items, starts), shape)


def _inverse_root(degrees: NDArray[Any]) -> Floats:
    """``d^-1/2``, and 0 where the degree is 0."""
    safe = np.maximum(degrees, 1).astype(np.float64)
    return np.where(degrees > 0, safe**-0.5, 0.0).astype(np.float32)
