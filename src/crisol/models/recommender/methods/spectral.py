"""The leading singular vectors of a sparse matrix, by block Krylov iteration.

Source: Musco and Musco, "Randomized Block Krylov Methods for Stronger and Faster Approximate
Singular Value Decomposition" (arXiv:1504.05477), algorithm 2.
"""

import numpy as np
from scipy.linalg import qr
from scipy.sparse import csr_matrix

from crisol.core.arrays import Floats

_SPARE = 16
"""Columns beyond those asked for; they carry the error of the last ones."""


def leading_right_vectors(
    matrix: csr_matrix, count: int, *, depth: int = 4, seed: int = 0
) -> tuple[Floats, Floats]:
    """The largest singular values and their right vectors.

    Of equal inputs the result is equal: the start is drawn from ``seed``, and the largest entry of
    every vector is positive.

    Args:
        matrix: [U, I] float32.
        count: D, at most min(U, I).
        depth: blocks of the Krylov space; each costs two sparse products.
        seed: of the first block.

    Returns:
        Values [D], falling, and vectors [I, D] with orthonormal columns.

    Raises:
        ValueError: more vectors than the matrix has.
    """
    rows, columns = matrix.shape
    if not 1 <= count <= min(rows, columns):
        raise ValueError(f"count: must be from 1 to {min(rows, columns)}, not {count}")
    width = min(count + _SPARE, rows, columns)
    transposed = matrix.T.tocsr()
    start = np.random.default_rng(seed).standard_normal((rows, width), dtype=np.float32)
    block = _orthonormal(transposed @ start)
    blocks = [block]
    while len(blocks) < depth and (len(blocks) + 1) * width <= min(rows, columns):
        block = _orthonormal(transposed @ (matrix @ block))
        blocks.append(block)
    if len(blocks) < depth:  # a small matrix: power iteration, there is no room for a Krylov space
        for _ in range(4 * depth):
            block = _orthonormal(transposed @ (matrix @ block))
        blocks = [block]
    basis = _orthonormal(np.concatenate(blocks, axis=1))
    _, values, rotation = np.linalg.svd(_gram_root(matrix @ basis), full_matrices=False)
    vectors = basis @ rotation[:count].T.astype(np.float32)
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(count)])
    return values[:count].astype(np.float32), np.ascontiguousarray(vectors * signs)


def _orthonormal(block: Floats) -> Floats:
    return np.asarray(qr(block, mode="economic", overwrite_a=True, check_finite=False)[0])


def _gram_root(tall: Floats) -> Floats:
    """The triangle [K, K] with the singular values and right vectors of ``tall`` [U, K]."""
    triangle = qr(tall, mode="r", overwrite_a=True, check_finite=False)[0]
    return np.asarray(triangle[: tall.shape[1]])
