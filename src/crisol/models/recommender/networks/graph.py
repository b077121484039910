"""The user-item graph as tensors, and what flows along its edges.

Legend: U users, I items, N = U + I nodes (users first), E directed edges (two a pair), P pairs,
D dimensions.

A sum over neighbours is a weighted embedding bag: torch's CPU kernel for it (FBGEMM) reads each
neighbour's row once and stores nothing per edge. On Gowalla (1.6 M directed edges, 64 dimensions,
one thread) it takes 12 ms; ``torch.sparse.mm`` of a CSR matrix takes 40 to 110 ms, of a COO matrix
100 ms, gathering and scattering edge by edge 900 ms.
"""

from typing import Any

import numpy as np
import torch
from scipy.sparse import bmat, csr_matrix, diags
from torch import Tensor, nn

PIECE = 16_384
"""Pairs whose rows are read at once."""


def normalised(matrix: csr_matrix) -> csr_matrix:
    """``D_U^(-1/2) A D_I^(-1/2)`` of the pairs' weights ``A`` [U, I]."""
    return csr_matrix(
        diags(inverse_root(np.asarray(matrix.sum(1)).ravel()))
        @ matrix
        @ diags(inverse_root(np.asarray(matrix.sum(0)).ravel()))
    ).astype(np.float32)


def inverse_root(degrees: np.ndarray) -> np.ndarray:
    """``d^(-1/2)`` in float64, 0 where the degree is 0."""
    degrees = np.asarray(degrees, np.float64)
    return np.where(degrees > 0, 1 / np.sqrt(np.where(degrees > 0, degrees, 1)), 0)


def gather_sum(table: Tensor, sources: Tensor, starts: Tensor, weights: Tensor) -> Tensor:
    """[R, D] sums ``Σ_e weights_e · table[sources_e]`` over the edges e of each of R targets.

    Args:
        table: [S, D] rows of the source nodes.
        sources: [E] the source of each edge, edges ordered by target.
        starts: [R + 1] edges of target r are ``starts[r]:starts[r + 1]``.
        weights: [E] float.
    """
    return nn.functional.embedding_bag(
        sources, table, starts, mode="sum", per_sample_weights=weights, include_last_offset=True
    )


class Propagation(nn.Module):
    """LightGCN's propagation on the symmetric normalised user-item graph (arXiv:2002.02126).

    Args:
        matrix: [U, I] weights of the pairs, 1 for a plain graph.
    """

    sources: Tensor
    starts: Tensor
    weights: Tensor

    def __init__(self, matrix: csr_matrix) -> None:
        super().__init__()
        half = normalised(matrix)
        adjacency = csr_matrix(bmat([[None, half], [half.T, None]], format="csr"))
        adjacency.sort_indices()
        # Not persistent: the graph is data, and would only make every checkpoint larger.
        for name, values in (
            ("sources", adjacency.indices.astype(np.int64)),
            ("starts", adjacency.indptr.astype(np.int64)),
            ("weights", adjacency.data.astype(np.float32)),
        ):
            self.register_buffer(name, torch.from_numpy(values), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """One layer: [N, D] to [N, D], without a gradient."""
        return gather_sum(x, self.sources, self.starts, self.weights)

    def mean_of_layers(self, x: Tensor, layers: int) -> Tensor:
        """``(x + Ax + … + A^K x) / (K + 1)`` for ``K = layers``, differentiable.

        ``A`` is symmetric, so the gradient with regard to ``x`` is the same function of the
        output's gradient: backward costs as much as forward and keeps no layer in memory.
        """
        return _MeanOfLayers.apply(x, self, layers)  # type: ignore[no-any-return,no-untyped-call]


class _MeanOfLayers(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, graph: Propagation, layers: int) -> Tensor:
        ctx.graph, ctx.layers = graph, layers
        return _mean_of_layers(x, graph, layers)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _mean_of_layers(gradients[0].contiguous(), ctx.graph, ctx.layers), None, None


def _mean_of_layers(x: Tensor, graph: Propagation, layers: int) -> Tensor:
    total = x
    for _ in range(layers):  # Horner: x + A(x + A(x + …))
        total = graph(total).add_(x)
    return total.mul_(1 / (layers + 1)) if layers else x.clone()


def pair_scores(left: Tensor, right: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """[P] dot products ``left[rows_p] · right[columns_p]``, differentiable.

    Backward is a sum over neighbours as well; a scatter of P rows would take most of a step.

    Args:
        left: [B, D].
        right: [I, D].
        rows: [P] int64, ascending.
        columns: [P] int64.
    """
    return _PairScores.apply(left, right, rows, columns)  # type: ignore[no-any-return,no-untyped-call]


class _PairScores(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        ctx.save_for_backward(left, right, rows, columns)
        return dots(left, right, rows, columns)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        left, right, rows, columns = ctx.saved_tensors
        of_left = gather_sum(right, columns, starts_of(rows, len(left)), gradients[0])
        order = torch.argsort(columns, stable=True)
        of_right = gather_sum(
            left, rows[order], starts_of(columns[order], len(right)), gradients[0][order]
        )
        return of_left, of_right, None, None


def dots(left: Tensor, right: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """[P] dot products of pairs of rows, in pieces that stay in the processor's cache."""
    return torch.cat(
        [
            (left.index_select(0, r) * right.index_select(0, c)).sum(1)
            for r, c in zip(torch.split(rows, PIECE), torch.split(columns, PIECE), strict=True)
        ]
    )


def starts_of(ordered: Tensor, count: int) -> Tensor:
    """[count + 1] where each of ``count`` values begins in an ascending tensor."""
    return torch.searchsorted(ordered, torch.arange(count + 1, device=ordered.device))
