"""The graph attention network: multi-head attention along the edges of the user-item graph.

Attention is that of Veličković et al. (GAT, arXiv:1710.10903): for a target r, a source s of its
neighbours and a head, ``w_rs = softmax_s LeakyReLU(a · W x_s + b · x_r)`` and the target receives
``Σ_s w_rs W x_s``. It equals PyG's ``GATConv``, whose edge-by-edge gathering takes seconds a layer
on a million edges, where the weighted embedding bags of
:mod:`crisol.models.recommender.networks.graph` take a tenth of one, and keeps nothing of size [E,
D].

Legend: U users, I items, N nodes, E edges, R targets, S sources, H heads, C channels of a head,
D = H * C dimensions, A ages, T tags.
"""

from typing import Any

import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from crisol.models.recommender.method_params import AttentionParams
from crisol.models.recommender.methods.attention_scorer import SLOPE
from crisol.models.recommender.networks.edges import Direction, Edges
from crisol.models.recommender.networks.graph import PIECE, gather_sum

GAIN = 0.1
"""By which the matrices of a layer are multiplied, so that the learning rate that suits embeddings
does not shake them: a step of Adam moves every weight by as much."""


def attend(
    values: Tensor, source_logits: Tensor, target_logits: Tensor, extra: Tensor, edges: Direction
) -> Tensor:
    """[R, D] what each target receives; zeros for a target without edges. Differentiable.

    Args:
        values: [S, D], the heads beside each other.
        source_logits: [S, H].
        target_logits: [R, H].
        extra: [E, H] added to an edge's logits.
        edges: the direction.
    """
    return _Attend.apply(values, source_logits, target_logits, extra, edges)  # type: ignore[no-any-return,no-untyped-call]


def segment_sum(values: Tensor, starts: Tensor) -> Tensor:
    """[R] or [R, H] sums of the rows of each segment."""
    return torch.segment_reduce(values, "sum", offsets=starts, initial=0)


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        source_logits: Tensor,
        target_logits: Tensor,
        extra: Tensor,
        edges: Direction,
    ) -> Tensor:
        heads = source_logits.shape[1]
        logits = source_logits.index_select(0, edges.sources).add_(extra)
        logits += target_logits.index_select(0, edges.targets)
        rising = logits > 0
        logits = torch.where(rising, logits, logits * SLOPE)
        largest = torch.segment_reduce(logits, "max", offsets=edges.starts, initial=-torch.inf)
        weights = logits.sub_(largest.index_select(0, edges.targets)).exp_()
        weights /= segment_sum(weights, edges.starts).index_select(0, edges.targets)
        received = torch.cat(
            [
                gather_sum(part.contiguous(), edges.sources, edges.starts, weight.contiguous())
                for part, weight in zip(values.chunk(heads, 1), weights.unbind(1), strict=True)
            ],
            dim=1,
        )
        ctx.edges = edges
        ctx.save_for_backward(values, weights, rising, received)
        return received

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        values, weights, rising, received = ctx.saved_tensors
        edges, gradient = ctx.edges, gradients[0].contiguous()
        heads = weights.shape[1]
        mean = _by_head(gradient * received, heads)
        logits = head_dots(gradient, values, edges.targets, edges.sources, heads)
        logits = logits.sub_(mean.index_select(0, edges.targets)).mul_(weights)
        logits = torch.where(rising, logits, logits * SLOPE)
        back = edges.targets.index_select(0, edges.by_source)
        turned = weights.index_select(0, edges.by_source)
        of_values = torch.cat(
            [
                gather_sum(part.contiguous(), back, edges.source_starts, weight.contiguous())
                for part, weight in zip(gradient.chunk(heads, 1), turned.unbind(1), strict=True)
            ],
            dim=1,
        )
        of_sources = segment_sum(logits.index_select(0, edges.by_source), edges.source_starts)
        return of_values, of_sources, segment_sum(logits, edges.starts), logits, None


def _by_head(products: Tensor, heads: int) -> Tensor:
    return products.view(len(products), heads, -1).sum(2)


def head_dots(left: Tensor, right: Tensor, rows: Tensor, columns: Tensor, heads: int) -> Tensor:
    """[E, H] dot products, head by head, of ``left[rows]`` and ``right[columns]``."""
    parts = [
        _by_head(left.index_select(0, r).mul_(right.index_select(0, c)), heads)
        for r, c in zip(torch.split(rows, PIECE), torch.split(columns, PIECE), strict=True)
    ]
    return torch.cat(parts) if parts else left.new_zeros((0, heads))


class AttentionSide(nn.Module):
    """One direction of a layer: what its targets take from their neighbours' normed states.

    Starts as nearly a plain mean over the neighbours, which is a good recommender already.
    """

    def __init__(self, params: AttentionParams, ages: int) -> None:
        super().__init__()
        size, heads = params.dimensions, params.heads
        self._values = nn.Parameter(torch.eye(size))
        self._source = nn.Parameter(torch.randn(heads, size // heads))
        self._target = nn.Parameter(torch.randn(heads, size))
        self.ages = nn.Parameter(torch.zeros(ages, heads))

    def forward(self, sources: Tensor, targets: Tensor, ages: Tensor, edges: Direction) -> Tensor:
        """[R, D] from sources [S, D] and targets [R, D]; ``ages`` [E] are rows of the table."""
        values, logits = self.offers(sources)
        return attend(values, logits, targets @ self.target.T, self.ages[ages], edges)

    def offers(self, sources: Tensor) -> tuple[Tensor, Tensor]:
        """The values [S, D] of sources [S, D], and their part of the logits [S, H]."""
        values = sources @ self._values.T * GAIN
        heads = self._source.shape[0]
        return values, (values.view(len(values), heads, -1) * self._source).sum(2)

    @property
    def target(self) -> Tensor:
        """[H, D] what a target's state is multiplied with for its part of the logits."""
        return self._target * GAIN


class AttentionLayer(nn.Module):
    """Both directions at once, on normed states: ``x + attention(norm(x))``."""

    def __init__(self, params: AttentionParams) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(params.dimensions, elementwise_affine=False)
        self.to_users = AttentionSide(params, params.ages)
        self.to_items = AttentionSide(params, 1)

    def forward(
        self, users: Tensor, items: Tensor, edges: tuple[Direction, Direction], ages: Tensor
    ) -> tuple[Tensor, Tensor]:
        """[U, D] and [I, D] of the next layer."""
        normed_users, normed_items = self.norm(users), self.norm(items)
        to_users, to_items = edges
        gained = self.to_users(normed_items, normed_users, ages, to_users)
        given = self.to_items(normed_users, normed_items, torch.zeros_like(ages), to_items)
        return users + gained, items + given


class AttentionNetwork(nn.Module):
    """Embeddings and item features, and L layers that only ever see the edges they are given.

    Args:
        edges: the pairs of the training.
        tags: [I, T] the items' attributes.
        params: see :class:`AttentionParams`.
    """

    def __init__(self, edges: Edges, tags: csr_matrix, params: AttentionParams) -> None:
        super().__init__()
        self.params = params
        scale, size = params.initial_scale, params.dimensions
        self.users = nn.Parameter(torch.randn(edges.user_count, size) * scale)
        self.items = nn.Parameter(torch.randn(edges.item_count, size) * scale)
        self.tags = nn.Parameter(torch.randn(tags.shape[1], size) * scale)
        self.layers = nn.ModuleList(AttentionLayer(params) for _ in range(params.layers))
        tags = tags.sorted_indices()
        counts = torch.from_numpy(tags.indptr).long().diff().clamp_min(1)
        share = (1 / counts.float().sqrt()).repeat_interleave(
            torch.from_numpy(tags.indptr).long().diff()
        )
        self.tag_items = nn.Buffer(torch.from_numpy(tags.indices).long(), persistent=False)
        self.tag_starts = nn.Buffer(torch.from_numpy(tags.indptr).long(), persistent=False)
        self.tag_weights = nn.Buffer(share, persistent=False)

    def forward(self, edges: Edges, known: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The users [U, D] and items [I, D] after all layers.

        Args:
            edges: along which attention runs; nothing else is seen.
            known: [U, 1] 1 or 0 whether a user's own embedding is used; nothing: all are.
        """
        *_, last = self.states(edges, known)
        return last

    def states(self, edges: Edges, known: Tensor | None = None) -> list[tuple[Tensor, Tensor]]:
        """Users and items before the first layer and after each."""
        users = self.users if known is None else self.users * known
        states = [(users, self.items + self.content())]
        directions = (edges.to_users, edges.to_items)
        ages = age_row(edges.age, self.params.ages)
        for layer in self.layers:
            states.append(layer(*states[-1], directions, ages))
        return states

    def content(self) -> Tensor:
        """[I, D] what the attributes of an item add to its embedding."""
        if not len(self.tags):
            return torch.zeros_like(self.items)
        return gather_sum(self.tags, self.tag_items, self.tag_starts, self.tag_weights)


def age_row(age: Tensor, rows: int) -> Tensor:
    """Row of the table of ages: 0, 1, 2-3, 4-7 … later pairs, the last row for all beyond."""
    return torch.log2(age.double() + 1).floor().long().clamp_max(rows - 1)
