"""Sampled softmax for recommendations (Wu et al., arXiv:2201.02327), with negatives a batch shares.

Legend: B users of a batch, I items, D dimensions, P pairs, S negatives.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from crisol.models.recommender.networks.graph import pair_scores
from crisol.models.recommender.networks.negative_sampling import NegativeSampler

_CELLS = 1 << 18
"""Products computed at once (1 MB)."""


def sampled_softmax(
    mine: Tensor,
    items: Tensor,
    *,
    pairs: tuple[Tensor, Tensor],
    users: Tensor,
    sampler: NegativeSampler,
    negatives: int,
) -> Tensor:
    """Mean over the pairs of ``-log(e^s / (e^s + Σ_j e^(s_j)))``.

    ``s`` is the score of the pair's item and ``j`` runs over S shared items without those its user
    had. The sum is the same for all pairs of a user, so a user with many costs hardly more.

    Args:
        mine: [B, D] the users, divided by the temperature.
        items: [I, D].
        pairs: rows of ``mine`` [P], ascending, and items [P].
        users: [B] indices of the users, to know what each had.
        sampler: draws the negatives.
        negatives: S.
    """
    rows, columns = pairs
    drawn = sampler.shared(negatives)
    against = log_sum_exp(mine, items[drawn], *sampler.positives_among(users, drawn))
    return softplus(against[rows] - pair_scores(mine, items, rows, columns)).mean()


def log_sum_exp(left: Tensor, right: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """[B] ``log Σ_j e^(left_b · right_j)`` without the pairs (rows [M] ascending, columns [M]).

    Computed in pieces that stay in the processor's cache, twice: the [B, S] products are never
    kept. A row without any j is as low as floats go.
    """
    return _LogSumExp.apply(left, right, rows, columns)  # type: ignore[no-any-return,no-untyped-call]


class _LogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        sums = [logits.logsumexp(1) for _, logits in _pieces(left, right, rows, columns)]
        # Finite where nothing is left, or backward would subtract infinity from itself.
        result = torch.cat(sums).clamp_min(torch.finfo(left.dtype).min)
        ctx.save_for_backward(left, right, rows, columns, result)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        left, right, rows, columns, result = ctx.saved_tensors
        of_left, of_right = torch.empty_like(left), torch.zeros_like(right)
        for part, logits in _pieces(left, right, rows, columns):
            weights = logits.sub_(result[part, None]).exp_().mul_(gradients[0][part, None])
            torch.mm(weights, right, out=of_left[part])
            of_right.addmm_(weights.T, left[part])
        return of_left, of_right, None, None


def _pieces(
    left: Tensor, right: Tensor, rows: Tensor, columns: Tensor
) -> Iterator[tuple[slice, Tensor]]:
    """The products of some rows at a time, minus infinity where a pair is left out."""
    size = max(1, _CELLS // len(right))
    for start in range(0, len(left), size):
        part = slice(start, start + size)
        logits = left[part] @ right.T
        first, last = torch.searchsorted(rows, rows.new_tensor([start, start + size])).tolist()
        logits[rows[first:last] - start, columns[first:last]] = -torch.inf
        yield part, logits
