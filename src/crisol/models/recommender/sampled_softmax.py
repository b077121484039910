"""Sampled softmax for recommendations (Wu et al., arXiv:2201.02327), with negatives a batch shares.

Legend: B users of a batch, I items, D dimensions, P pairs, S negatives.
"""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from crisol.models.recommender.graph import pair_scores
from crisol.models.recommender.sampling import NegativeSampler


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
    logits = mine @ items[drawn].T
    had = sampler.positives_among(users, drawn)
    against = torch.logsumexp(logits.index_put(had, logits.new_tensor(-torch.inf)), dim=1)
    return softplus(against[rows] - pair_scores(mine, items, rows, columns)).mean()
