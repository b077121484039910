"""Trains LightGCN (arXiv:2002.02126) on the shared loop.

The published training takes 1,000 epochs of steps of 2,048 pairs, each of which propagates the
whole graph. Here a step costs little (:mod:`crisol.models.recommender.networks.graph`) and teaches
much: its users bring all their items, told by a sampled softmax from many shared negatives
(:mod:`crisol.models.recommender.networks.sampled_softmax`).

Legend: U users, I items, N = U + I nodes, D dimensions, B rows of a batch, P pairs, S negatives.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from crisol.core.training.loop import TensorBatches, fingerprint, seeded, train
from crisol.core.training.loop_params import LoopParams
from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.method_params import LightGCNParams
from crisol.models.recommender.methods.lightgcn_scorer import LightGCNScorer
from crisol.models.recommender.networks.graph import Propagation, inverse_root
from crisol.models.recommender.networks.monitoring import held_out_quality
from crisol.models.recommender.networks.negative_sampling import NegativeSampler
from crisol.models.recommender.networks.sampled_softmax import sampled_softmax


class LightGCN(nn.Module):
    """One embedding a node, smoothed over the graph.

    Args:
        interactions: the pairs; nothing else is ever propagated.
        params: see :class:`LightGCNParams`.
    """

    item_roots: Tensor
    had_something: Tensor

    def __init__(self, interactions: Interactions, params: LightGCNParams) -> None:
        super().__init__()
        matrix = interactions.matrix
        self.users, self.layers = matrix.shape[0], params.layers
        self.embedding = nn.Parameter(
            torch.randn(sum(matrix.shape), params.dimensions) * params.initial_scale
        )
        self.graph = Propagation(matrix)
        roots = inverse_root(np.asarray(matrix.sum(0)).ravel()).astype(np.float32)
        self.register_buffer("item_roots", torch.from_numpy(roots), persistent=False)
        had = torch.from_numpy(np.diff(matrix.indptr) > 0)
        self.register_buffer("had_something", had, persistent=False)
        self.sampler = NegativeSampler(matrix, params.negative_power)

    def forward(self) -> Tensor:
        """[N, D] the mean of the layers: users first, then items."""
        return self.graph.mean_of_layers(self.embedding, self.layers)


Step = Callable[[nn.Module, Mapping[str, Tensor]], Mapping[str, Tensor]]


def fit_lightgcn(
    interactions: Interactions,
    catalogue: Catalogue,
    params: LightGCNParams,
    loop: LoopParams,
    checkpoints: Path,
    label: str,
    valid: tuple[Histories, Histories] | None = None,
) -> tuple[LightGCNScorer, pd.DataFrame]:
    """Train and return what is served.

    Args:
        interactions: the pairs.
        catalogue: not used; every method is called alike.
        params: of the network and the loss.
        loop: of the training; a row of a batch is a user (``softmax``) or a pair (``bpr``).
        checkpoints: folder from which an interrupted training goes on.
        label: names this training in the history and the checkpoints.
        valid: histories and their held-out items, whose ``valid_recall`` and ``valid_ndcg`` (at 20)
            are measured after each epoch.

    Returns:
        The scorer, and one row an epoch: ``label, epoch, train_loss, …``.
    """
    del catalogue
    with seeded(loop.seed, "lightgcn"):
        network = LightGCN(interactions, params)
    matrix = interactions.matrix
    if params.loss == "softmax":
        loss, rows = softmax_loss(params), {"users": np.flatnonzero(np.diff(matrix.indptr))}
    else:
        pairs = matrix.tocoo()
        loss, rows = bpr_loss(params), {"users": pairs.row, "items": pairs.col}
    tensors = {name: torch.from_numpy(values.astype(np.int64)) for name, values in rows.items()}
    result = train(
        network,
        loss=loss,
        train_data=TensorBatches(tensors, loop.batch_size, shuffle=True, seed=loop.seed),
        params=loop,
        evaluate=None if valid is None else held_out_quality(scorer_of, *valid),
        checkpoints=checkpoints,
        fingerprint=fingerprint(
            params=params, pairs=matrix.indices, starts=matrix.indptr, weights=matrix.data
        ),
        label=label,
    )
    return scorer_of(network), result.history


def softmax_loss(params: LightGCNParams) -> Step:
    """All pairs of the users of a batch, see :func:`sampled_softmax`."""

    def loss(network: LightGCN, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        sampler, users = network.sampler, batch["users"]
        nodes = network()
        rows, columns = sampler.positives(users)
        ranking = sampled_softmax(
            nodes[users] / params.temperature,
            nodes[network.users :],
            pairs=(rows, columns),
            users=users,
            sampler=sampler,
            negatives=params.negatives,
        )
        squares = network.embedding.square().sum(1)
        size = squares[users][rows].mean() + squares[network.users + columns].mean()
        return {"loss": ranking + params.regularisation * size, "ranking": ranking}

    return loss  # type: ignore[return-value]


def bpr_loss(params: LightGCNParams) -> Step:
    """Each pair's item against one that the user did not have (Rendle et al., arXiv:1205.2618)."""

    def loss(network: LightGCN, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        users, positive = batch["users"], batch["items"]
        negative = network.sampler(users, 1)[:, 0]
        nodes, first = network(), network.users
        mine = nodes[users]
        gap = (mine * (nodes[first + positive] - nodes[first + negative])).sum(1)
        ranking = softplus(-gap).mean()
        squares = network.embedding.square().sum(1)
        involved = squares[users] + squares[first + positive] + squares[first + negative]
        return {
            "loss": ranking + params.regularisation * involved.mean(),
            "ranking": ranking,
        }

    return loss  # type: ignore[return-value]


@torch.no_grad()
def scorer_of(network: LightGCN) -> LightGCNScorer:
    """The scorer of a trained network."""
    users, layers = network.users, network.layers
    # The sum of layers 0 … K - 1 is K times their mean.
    below = network.graph.mean_of_layers(network.embedding, layers - 1)[users:] * layers
    # Without a pair there was nothing to learn from: such a user is a visitor.
    own = network.embedding[:users] * network.had_something[:, None]
    arrays = (network()[users:], below * network.item_roots[:, None], own)
    items, messages, mine = (array.cpu().numpy().copy() for array in arrays)
    return LightGCNScorer(items, messages, mine, layers)
