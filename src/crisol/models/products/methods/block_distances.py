"""Squared distances of products, by block of their columns, and the search for block scales.

Legend: N products in the search, T training products, M outputs.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.linalg.blas import dsymm
from scipy.linalg.lapack import dpotrf, dpotri
from scipy.sparse import csr_matrix

from crisol.core.arrays import Floats
from crisol.core.text.terms import Sparse
from crisol.models.products.methods.linear_features import Block

START: Mapping[Block, float] = {
    "words": 0.2,
    "characters": 0.2,
    "names": 0.05,
    "attributes": 0.05,
    "topics": 0.05,
    "quantities": 0.01,
    "picture": 0.05,
    "category": 0.2,
    "price": 0.08,
    "title_meaning": 0.05,
    "text_meaning": 0.05,
    "picture_meaning": 0.05,
}
"""Weights at the start of the search."""
START_RIDGE = 0.4
_FACTORS = (0.0, 0.3, 3.0)
ROUNDS = 2
"""Passes of the search over all weights."""
_GAIN = 3e-3
"""Least relative fall of the error for a change to be kept."""
_DENSE: frozenset[Block] = frozenset(
    {
        "topics", "quantities", "picture", "price", "title_meaning", "text_meaning",
        "picture_meaning",
    }
)  # fmt: skip

_CHUNK = 1000
"""Rows whose distances are computed at once."""
_NOWHERE = np.zeros(0, np.int64)

BlockWeights = Mapping[Block, float]


class BlockDistances:
    """Squared distances of records from the training products.

    Args:
        stored: the columns [T, F] of the products in every block.
    """

    def __init__(self, stored: Mapping[Block, csr_matrix]) -> None:
        self.stored = dict(stored)
        self._across = {
            block: matrix.toarray().T.copy() if block in _DENSE else matrix.T.tocsr()
            for block, matrix in stored.items()
        }
        self._lengths = {block: _lengths(matrix) for block, matrix in stored.items()}

    @property
    def size(self) -> int:
        """The number of training products T."""
        return int(next(iter(self.stored.values())).shape[0])

    def from_row(self, block: Block, row: Sparse) -> Floats:
        """[T] float32, the distances of one record in one block."""
        columns, across = row[0], self._across[block]
        values = row[1].astype(np.float32)
        if block in _DENSE:
            products = values @ across[columns]
        else:
            starts, ends = across.indptr[columns], across.indptr[columns + 1]
            parts = [slice(*pair) for pair in zip(starts.tolist(), ends.tolist(), strict=True)]
            places = np.concatenate([across.indices[part] for part in parts] or [_NOWHERE])
            weights = np.concatenate([across.data[part] for part in parts] or [_NOWHERE])
            weights = weights * np.repeat(values, ends - starts)
            products = np.bincount(places, weights, self.size).astype(np.float32)
        length = np.float32((values**2).sum())
        squared: Floats = np.maximum(length + self._lengths[block] - 2 * products, 0)
        return squared

    def between_products(self, weights: BlockWeights) -> Floats:
        """[T, T] float32, the distances between training products, summed over the blocks."""
        total = np.zeros((self.size, self.size), np.float32)
        for block, weight in weights.items():
            if weight and block in self.stored:
                for start in range(0, self.size, _CHUNK):
                    rows = slice(start, start + _CHUNK)
                    total[rows] += np.float32(weight) * self._chunk(block, rows)
        return total

    def _chunk(self, block: Block, rows: slice) -> Floats:
        own, across = self.stored[block][rows], self._across[block]
        products = own.toarray() @ across if block in _DENSE else (own @ across).toarray()
        lengths = self._lengths[block]
        squared: Floats = np.maximum(lengths[rows, None] + lengths - 2 * products, 0)
        return squared


def search_weights(
    columns: Mapping[Block, csr_matrix],
    visible: Sequence[Block],
    truth: Floats,
    *,
    rounds: int = ROUNDS,
) -> tuple[dict[Block, float], float]:
    """The block weights and the ridge with the least leave-one-out squared error.

    Coordinate search: each weight in turn is set to zero, divided by about three, or multiplied by
    three, and the change is kept if the error falls. The error is exact and needs no refits: with
    ``A = (K + r)^-1`` it is ``(A y)_i / A_ii``.

    Args:
        columns: of the products, by block.
        visible: the blocks that may be used.
        truth: [N, M].
        rounds: passes over all weights; 0: the weights at the start of the search.
    """
    known: list[Block] = [block for block in visible if block in columns]
    weights = {block: START[block] for block in known}
    ridge = START_RIDGE
    if not rounds:
        return weights, ridge
    every = BlockDistances({block: columns[block] for block in known})
    apart = {block: every.between_products({block: 1.0}) for block in known}
    wanted = truth - truth.mean(axis=0)
    least = left_out_error(apart, weights, ridge, wanted)
    for _ in range(rounds):
        for block in (*known, None):
            for factor in _FACTORS:
                tried, other = dict(weights), ridge
                if block is not None:
                    tried[block] = (weights[block] or START[block]) * factor
                elif factor:
                    other = ridge * factor
                error = left_out_error(apart, tried, other, wanted)
                if error < least * (1 - _GAIN):
                    least, weights, ridge = error, tried, other
    return weights, ridge


def left_out_error(
    apart: Mapping[Block, Floats], weights: BlockWeights, ridge: float, wanted: Floats
) -> float:
    """The mean squared error of each product predicted from all others."""
    total = sum(np.float32(weight) * apart[block] for block, weight in weights.items() if weight)
    if isinstance(total, int):
        return float("inf")
    system = np.exp(-total.astype(np.float64))
    system[np.diag_indices(len(system))] += ridge
    factor, failed = dpotrf(system, lower=1, overwrite_a=1)
    inverse, _ = dpotri(factor, lower=1, overwrite_c=1)  # its lower triangle
    if failed:
        return float("inf")
    errors = dsymm(1.0, inverse, wanted, lower=1) / np.diag(inverse)[:, None]
    return float((errors**2).mean())


def _lengths(matrix: csr_matrix) -> Floats:
    """[N] the squared lengths of the rows."""
    return np.asarray(matrix.multiply(matrix).sum(axis=1), np.float32).ravel()
