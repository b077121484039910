"""Sparse rows: the strongest entries, the sums that score histories, the arrays to store.

Legend: B histories, N events, I items.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from crisol.core.arrays import Floats
from crisol.models.recommender.data.histories import Histories
from crisol.models.recommender.methods.event_weights import event_weights
from crisol.models.recommender.methods.scorer import Arrays


def weighted(histories: Histories, item_count: int, recency: float) -> csr_matrix:
    """[B, I] float32: the summed :func:`event_weights` of each item."""
    return csr_matrix(
        (event_weights(histories, recency), histories.items, histories.starts),
        shape=(len(histories), item_count),
    )


def strongest(matrix: csr_matrix, count: int) -> csr_matrix:
    """The ``count`` largest entries of each row; of equals the lowest columns; columns sorted."""
    matrix.sort_indices()
    if len(matrix.data) == 0 or np.diff(matrix.indptr).max() <= count:
        return matrix
    keep = np.ones(len(matrix.data), dtype=bool)
    for row in np.flatnonzero(np.diff(matrix.indptr) > count):
        part = slice(matrix.indptr[row], matrix.indptr[row + 1])
        values = matrix.data[part]
        least = np.partition(values, len(values) - count)[len(values) - count]
        kept = values > least
        kept[np.flatnonzero(values == least)[: count - kept.sum()]] = True
        keep[part] = kept
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))[keep]
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=matrix.shape[0]))])
    return csr_matrix((matrix.data[keep], matrix.indices[keep], starts), shape=matrix.shape)


def entries(matrix: csr_matrix, rows: NDArray[np.integer], columns: NDArray[np.integer]) -> Floats:
    """[len(columns), len(rows)] float32: the entries of every such pair, transposed."""
    return np.asarray(matrix[rows][:, columns].todense(), dtype=np.float32).T


def sparse_arrays(matrix: csr_matrix) -> Arrays:
    """The three arrays of a sparse matrix."""
    return {
        "indptr": matrix.indptr.astype(np.int64),
        "indices": matrix.indices.astype(np.int32),
        "data": matrix.data.astype(np.float32),
    }


def sparse_matrix(arrays: Arrays, shape: tuple[int, int]) -> csr_matrix:
    """The inverse of :func:`sparse_arrays`."""
    return csr_matrix((arrays["data"], arrays["indices"], arrays["indptr"]), shape=shape)
