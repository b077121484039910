"""Trains the graph attention network on the shared loop, by pairs that are out of its graph.

A network that predicts a pair while attending along it learns to find what it was given. So a step
takes pairs of its users out of the graph, in both directions, and predicts only these: held-out
pairs never propagate, and the fewer edges there are, the less the step costs.

Legend: U users, I items, E pairs, B users of a batch.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from crisol.core.training.loop import TensorBatches, fingerprint, seeded, train
from crisol.core.training.loop_params import LoopParams
from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.method_params import AttentionParams
from crisol.models.recommender.methods.attention_scorer import AttentionScorer, latest
from crisol.models.recommender.networks.attention_network import AttentionLayer, AttentionNetwork
from crisol.models.recommender.networks.edges import Edges
from crisol.models.recommender.networks.monitoring import held_out_quality
from crisol.models.recommender.networks.negative_sampling import NegativeSampler
from crisol.models.recommender.networks.sampled_softmax import sampled_softmax

Step = Callable[[nn.Module, Mapping[str, Tensor]], Mapping[str, Tensor]]


def fit_attention(
    interactions: Interactions,
    catalogue: Catalogue,
    params: AttentionParams,
    loop: LoopParams,
    checkpoints: Path,
    label: str,
    valid: tuple[Histories, Histories] | None = None,
) -> tuple[AttentionScorer, pd.DataFrame]:
    """Train and return what is served.

    Args:
        interactions: the pairs, the only ones the network sees.
        catalogue: whose tags are the items' features.
        params: of the network and the loss.
        loop: of the training; a row of a batch is a user.
        checkpoints: folder from which an interrupted training goes on.
        label: names this training in the history and the checkpoints.
        valid: histories and their held-out items, whose ``valid_recall`` and ``valid_ndcg`` (at 20)
            are measured after each epoch.

    Returns:
        The scorer, and one row an epoch: ``label, epoch, train_loss, …``.

    Raises:
        ValueError: no user has the two items that it takes to predict one from the other.
    """
    known = latest(interactions.histories)
    learners = np.flatnonzero(known.sizes > 1)
    if not len(learners):
        raise ValueError("interactions: no user has two items, there is nothing to predict")
    edges = Edges.of(known, interactions.item_count)
    with seeded(loop.seed, "attention"):
        network = AttentionNetwork(edges, catalogue.tags, params)
    result = train(
        network,
        loss=held_out_loss(edges, NegativeSampler(interactions.matrix, params.negative_power)),
        train_data=TensorBatches(
            {"users": torch.from_numpy(learners)}, loop.batch_size, shuffle=True, seed=loop.seed
        ),
        params=loop,
        evaluate=(
            None
            if valid is None
            else held_out_quality(lambda network: scorer_of(network, edges), *valid)
        ),
        checkpoints=checkpoints,
        fingerprint=fingerprint(
            params=params,
            items=known.items,
            starts=known.starts,
            tags=[catalogue.tags.indices, catalogue.tags.indptr],
        ),
        label=label,
    )
    return scorer_of(network, edges), result.history


def held_out_loss(edges: Edges, sampler: NegativeSampler) -> Step:
    """Sampled softmax of the batch's held-out pairs, on the graph without them."""

    def loss(network: AttentionNetwork, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        params, users = network.params, batch["users"].sort().values
        here, draw = edges.to(users.device), sampler.to(users.device)
        keep, predicted = held_out(here, users, params)
        known = torch.rand(edges.user_count, 1, device=users.device) >= params.unknown_share
        states, items = network(here.kept(keep), known)
        pairs = here.users[predicted], here.items[predicted]
        ranking = sampled_softmax(
            states[users] / params.temperature,
            items,
            pairs=(torch.searchsorted(users, pairs[0]), pairs[1]),
            users=users,
            sampler=draw,
            negatives=params.negatives,
        )
        size = network.users.square().sum(1)[pairs[0]].mean()
        size = size + network.items.square().sum(1)[pairs[1]].mean()
        return {"loss": ranking + params.regularisation * size, "ranking": ranking}

    return loss  # type: ignore[return-value]


def held_out(edges: Edges, users: Tensor, params: AttentionParams) -> tuple[Tensor, Tensor]:
    """Which pairs [E] stay in the graph, and which are predicted; pairs may be neither.

    ``any``: of each of the users a random share is predicted. ``next``: of each the event after a
    random moment is, and what came later is out of the graph as well.
    """
    chosen = torch.zeros(edges.user_count, dtype=torch.bool, device=users.device)
    chosen[users] = True
    chosen = chosen[edges.users]
    if params.predict == "any":
        out = torch.rand(len(edges), device=users.device) < params.held_share
        # Somebody must be predicted in a batch of few pairs as well.
        out[torch.nonzero(chosen)[0]] = True
        predicted = chosen & out
        return ~predicted, predicted
    sizes = torch.bincount(edges.users, minlength=edges.user_count)
    uniform = torch.rand(edges.user_count, device=users.device)
    # 0 … size - 2 later events: at least one event comes before.
    later = (uniform * (sizes - 1)).floor().long()
    age = edges.age
    return ~chosen | (age > later[edges.users]), chosen & (age == later[edges.users])


@torch.no_grad()
def scorer_of(network: AttentionNetwork, edges: Edges) -> AttentionScorer:
    """The scorer of a trained network: its states on the whole graph."""
    states = network.states(edges.to(network.users.device))
    layers = cast(Sequence[AttentionLayer], network.layers)
    sides = [layer.to_users for layer in layers]
    offers = [
        side.offers(layer.norm(items))
        for layer, side, (_, items) in zip(layers, sides, states[:-1], strict=True)
    ]
    arrays = {
        "items": states[-1][1],
        "values": torch.stack([values for values, _ in offers]),
        "logits": torch.stack([logits for _, logits in offers]),
        "ages": torch.stack([side.ages for side in sides]),
        # Without a pair there was nothing to learn from: such a user is a visitor.
        "users": network.users * _had_something(edges).to(network.users)[:, None],
        "targets": torch.stack([side.target for side in sides]),
    }
    return AttentionScorer(**{k: v.detach().cpu().numpy().copy() for k, v in arrays.items()})


def _had_something(edges: Edges) -> Tensor:
    """[U] whether a user has a pair."""
    return torch.bincount(edges.users, minlength=edges.user_count) > 0
