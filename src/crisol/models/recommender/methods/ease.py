"""EASE^R: every item predicted from all the others by ridge regression, in closed form.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data" (WWW 2019, arXiv:1905.03375). With X
[U, I] the interactions and ``G = X'X``, the weights that minimise ``|X - XB|^2 + l |B|^2`` under
``diag B = 0`` are ``B = -P / diag P`` off the diagonal, ``P = (G + l)^-1``. Three ways to them:

- the inverse of [I, I], where there are no more items than users;
- else the inverse of [U, U]: with ``M = X'(XX' + l)^-1 X`` it is ``B = M / (1 - diag M)``, by
  blocks of columns (the identity of Woodbury);
- with ``neighbours`` n, each item from its n nearest by cosine alone: as many systems [n, n] as
  there are items. That is SLIM with feature selection (Ning and Karypis, ICDM 2011) in closed
  form; it grows with the number of items, not with its cube, and what is rare is fitted with less
  freedom.

Legend: B histories, U known users, I items, C items asked about, N events.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import sposv, spotrf, spotri
from scipy.sparse import csr_matrix

from crisol.core.arrays import Floats
from crisol.core.errors import MendableError
from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.method_params import EaseParams
from crisol.models.recommender.methods.event_weights import recent, shared_weights
from crisol.models.recommender.methods.scorer import Arrays, Scorer
from crisol.models.recommender.methods.sparse_rows import entries, sparse_arrays, sparse_matrix

_BLOCK = 1024
"""Columns of the weights that are dense at once."""

Columns = Iterator[tuple[int, Floats]]
"""Blocks of columns [I, b] of a matrix, each with the number of its first."""


class EaseScorer(Scorer):
    """A history times sparse weights from item to item."""

    name: ClassVar[str] = "ease"

    def __init__(self, weights_II: csr_matrix, recency: float) -> None:
        """A scorer of these weights, from the row's item to the column's.

        Args:
            weights_II: sparse.
            recency: see :func:`~crisol.models.recommender.methods.event_weights.recent`.
        """
        self._weights_II = weights_II
        self._recency = recency

    def score(self, histories: Histories) -> Floats:
        """See :class:`Scorer`."""
        had_BI = recent(histories, self._recency).matrix(self._weights_II.shape[0])
        return np.asarray((had_BI @ self._weights_II).toarray())

    def contributions(self, history: Histories, items: NDArray[np.int64]) -> Floats:
        """See :class:`Scorer`. Exact; an item's events share what it carries."""
        weights_N = shared_weights(recent(history, self._recency))
        return entries(self._weights_II, history.items, items) * weights_N

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """The weights, and the recency."""
        return sparse_arrays(self._weights_II), {"recency": self._recency}

    @classmethod
    def restore(
        cls,
        arrays: Arrays,
        settings: Mapping[str, Any],
        interactions: Interactions,  # noqa: ARG003
        catalogue: Catalogue,
    ) -> Self:
        """See :class:`Scorer`."""
        shape = (len(catalogue), len(catalogue))
        return cls(sparse_matrix(arrays, shape), float(settings["recency"]))


def fit_ease(
    interactions: Interactions,
    catalogue: Catalogue,  # noqa: ARG001
    params: EaseParams,
) -> EaseScorer:
    """Solve for the weights and keep the largest of each column.

    Args:
        interactions: U known users; how much an event counts is left aside.
        catalogue: not looked at.
        params: see :class:`EaseParams`.

    Raises:
        MendableError: the exact solution would need a matrix above ``params.largest``.
    """
    matrix = interactions.matrix
    ones_UI = csr_matrix((np.ones_like(matrix.data), matrix.indices, matrix.indptr), matrix.shape)
    if params.neighbours is not None:
        weights_II = _from_neighbours(ones_UI, params.neighbours, params.regularisation)
        return EaseScorer(weights_II, params.recency)
    smaller = min(ones_UI.shape)
    if smaller > params.largest:
        raise MendableError(
            f"ease.largest: the exact solution inverts a dense matrix of {smaller} x {smaller} "
            f"({smaller**2 * 4 / 1e9:.1f} GB) and at most {params.largest} is allowed; "
            "set ease.neighbours (for example 200), or raise ease.largest"
        )
    users, items = ones_UI.shape
    exact = _by_items if items <= users else _by_users
    weights_II = _largest(exact(ones_UI, params.regularisation), items, params.keep)
    return EaseScorer(weights_II, params.recency)


def _by_items(ones_UI: csr_matrix, regularisation: float) -> Columns:
    """The weights from the inverse of [I, I]."""
    inverse = _inverse((ones_UI.T @ ones_UI).tocsr(), regularisation)
    diagonal = inverse.diagonal().copy()
    for start in range(0, len(inverse), _BLOCK):
        block = inverse[:, start : start + _BLOCK] / -diagonal[start : start + _BLOCK]
        yield start, _without_self(block, start)


def _by_users(ones_UI: csr_matrix, regularisation: float) -> Columns:
    """The weights from the inverse of [U, U]."""
    inverse = _inverse((ones_UI @ ones_UI.T).tocsr(), regularisation)
    transposed_IU = ones_UI.T.tocsr()
    for start in range(0, ones_UI.shape[1], _BLOCK):
        half_Ub = np.ascontiguousarray((transposed_IU[start : start + _BLOCK] @ inverse).T)
        block = transposed_IU @ half_Ub
        diagonal = block[np.arange(start, start + block.shape[1]), np.arange(block.shape[1])]
        yield start, _without_self(block / (1 - diagonal), start)


def _inverse(gram: csr_matrix, regularisation: float) -> Floats:
    """``(gram + regularisation)^-1``, dense, in the memory of one such matrix."""
    dense = gram.toarray(order="F")
    dense[np.diag_indices(len(dense))] += np.float32(regularisation)
    factor, failed = spotrf(dense, lower=1, overwrite_a=1, clean=0)
    _check(failed)
    inverse: Floats = spotri(factor, lower=1, overwrite_c=1)[0]
    for start in range(0, len(inverse), _BLOCK):  # LAPACK writes the lower triangle only
        stop = start + _BLOCK
        square = inverse[start:stop, start:stop]
        square[:] = np.tril(square) + np.tril(square, -1).T
        inverse[start:stop, stop:] = inverse[stop:, start:stop].T
    return inverse


def _without_self(block: Floats, start: int) -> Floats:
    """The block with the weight of every item on itself set to 0."""
    columns = np.arange(block.shape[1])
    block[start + columns, columns] = 0
    return block


def _largest(blocks: Columns, items: int, keep: int) -> csr_matrix:
    """The ``keep`` weights of each column that are furthest from 0, as rows by source."""
    sources, targets, weights = [], [], []
    for start, block in blocks:
        part = min(keep, len(block) - 1)
        rows = np.argpartition(-np.abs(block), part, axis=0)[:part]
        values = np.take_along_axis(block, rows, axis=0)
        sources.append(rows.ravel())
        targets.append(np.tile(np.arange(start, start + block.shape[1]), part))
        weights.append(values.ravel().astype(np.float32))
    return _weights(
        np.concatenate(sources), np.concatenate(targets), np.concatenate(weights), items
    )


def _weights(
    sources: NDArray[np.int64], targets: NDArray[np.int64], weights: Floats, items: int
) -> csr_matrix:
    there = weights != 0
    matrix = csr_matrix((weights[there], (sources[there], targets[there])), shape=(items, items))
    matrix.sort_indices()
    return matrix


def _from_neighbours(ones_UI: csr_matrix, count: int, regularisation: float) -> csr_matrix:
    """The weights where each item is predicted from its ``count`` nearest alone."""
    users_IU = ones_UI.T.tocsr()
    near_IN = _nearest(users_IU, count)
    there_IN = near_IN >= 0
    weights_IN = np.zeros(near_IN.shape, dtype=np.float32)
    for item in np.flatnonzero(there_IN.any(axis=1)):
        chosen = near_IN[item][there_IN[item]]
        had = users_IU[np.append(chosen, item)]
        gram = (had @ had.T).toarray()
        system, wanted = gram[:-1, :-1], gram[:-1, -1]
        system[np.diag_indices(len(chosen))] += np.float32(regularisation)
        _, solution, failed = sposv(system, wanted, lower=1)
        _check(failed)
        weights_IN[item, there_IN[item]] = solution
    targets = np.repeat(np.arange(len(near_IN)), there_IN.sum(axis=1))
    return _weights(near_IN[there_IN], targets, weights_IN[there_IN], len(near_IN))


def _nearest(users_IU: csr_matrix, count: int) -> NDArray[np.int64]:
    """[I, count] the items of the largest cosine with each, ascending; -1 where there are fewer."""
    degrees = np.diff(users_IU.indptr)
    scale = np.maximum(degrees, 1).astype(np.float32) ** np.float32(-0.5)
    items_UI = users_IU.T.tocsr()
    near = np.full((len(degrees), count), -1, dtype=np.int64)
    for start in range(0, len(degrees), _BLOCK):
        together = (users_IU[start : start + _BLOCK] @ items_UI).tocsr()
        together.sort_indices()
        for row, item in enumerate(range(start, start + together.shape[0])):
            part = slice(together.indptr[row], together.indptr[row + 1])
            others, cosines = together.indices[part], together.data[part]
            cosines = np.where(others == item, 0, cosines * scale[others])
            best = np.argsort(-cosines, kind="stable")[:count]
            best = best[cosines[best] > 0]
            near[item, : len(best)] = np.sort(others[best])
    return near


def _check(failed: int) -> None:
    if failed:
        raise MendableError(
            "ease.regularisation: too small for this data, a system is not positive definite in "
            "single precision; raise it"
        )
