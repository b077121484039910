"""LightGCN: parity with PyG, an exact fold-in, a training that learns and goes on exactly."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from crisol.core.training.loop_params import LoopParams
from crisol.core.training.seeding import seeded
from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import VISITOR, Histories, Interactions
from crisol.models.recommender.method_params import LightGCNParams
from crisol.models.recommender.methods.lightgcn_scorer import LightGCNScorer
from crisol.models.recommender.networks.graph import Propagation, pair_scores
from crisol.models.recommender.networks.lightgcn_training import (
    LightGCN,
    bpr_loss,
    fit_lightgcn,
    scorer_of,
)

USERS, ITEMS = 60, 40
LOOP = LoopParams(
    epochs=6, batch_size=32, learning_rate=0.05, monitor=None, device="cpu", cpu_threads=1
)
PARAMS = LightGCNParams(dimensions=8, negatives=16)


@pytest.fixture(scope="module")
def interactions() -> Interactions:
    """Two communities, each with its own half of the items."""
    rng = np.random.default_rng(0)
    rows = [
        rng.choice(ITEMS // 2, rng.integers(3, 9), replace=False) + (user % 2) * (ITEMS // 2)
        for user in range(USERS)
    ]
    return Interactions(Histories.of([r.tolist() for r in rows], list(range(USERS))), ITEMS)


@pytest.fixture
def network(interactions: Interactions) -> LightGCN:
    with seeded(0):
        return LightGCN(interactions, PARAMS)


def catalogue() -> Catalogue:
    blank = ("",) * ITEMS
    prices = np.full(ITEMS, np.nan, np.float32)
    tags = csr_matrix((ITEMS, 0), dtype=np.float32)
    return Catalogue(tuple(map(str, range(ITEMS))), blank, blank, blank, prices, tags, ())


def both_ways(interactions: Interactions) -> torch.Tensor:
    pairs = interactions.matrix.tocoo()
    users, items = torch.tensor(pairs.row), torch.tensor(pairs.col + USERS)
    return torch.stack([torch.cat([users, items]), torch.cat([items, users])]).long()


def test_embeddings_are_those_of_pyg(interactions: Interactions, network: LightGCN) -> None:
    from torch_geometric.nn.models import LightGCN as Reference

    reference = Reference(USERS + ITEMS, PARAMS.dimensions, PARAMS.layers)
    reference.embedding.weight.data.copy_(network.embedding.data)
    expected = reference.get_embedding(both_ways(interactions))
    torch.testing.assert_close(network(), expected, atol=1e-5, rtol=0)


def test_bpr_loss_and_gradient_are_those_of_pyg(
    interactions: Interactions, network: LightGCN
) -> None:
    from torch_geometric.nn.models import LightGCN as Reference

    reference = Reference(USERS + ITEMS, PARAMS.dimensions, PARAMS.layers)
    reference.embedding.weight.data.copy_(network.embedding.data)
    pairs = interactions.matrix.tocoo()
    users, items = torch.tensor(pairs.row).long(), torch.tensor(pairs.col).long()
    with seeded(1):
        negatives = network.sampler(users, 1)[:, 0]
    ends = torch.stack([users.repeat(2), torch.cat([items, negatives]) + USERS])
    scores = reference(both_ways(interactions), ends)
    nodes = torch.cat([users, items + USERS, negatives + USERS])
    expected = reference.recommendation_loss(*scores.chunk(2), node_id=nodes, lambda_reg=1e-2)
    params = PARAMS.model_copy(update={"regularisation": 1e-2})
    with seeded(1):
        found = bpr_loss(params)(network, {"users": users, "items": items})["loss"]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    found.backward()
    expected.backward()
    gradient = reference.embedding.weight.grad
    torch.testing.assert_close(network.embedding.grad, gradient, atol=1e-5, rtol=0)


def test_gradients_are_the_numerical_ones(interactions: Interactions) -> None:
    graph = Propagation(interactions.matrix).double()
    x = torch.randn(USERS + ITEMS, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: graph.mean_of_layers(x, 3), x, fast_mode=True)
    left, right = x[:9], x[9:20]
    rows, columns = torch.tensor([0, 0, 4, 8]), torch.tensor([3, 1, 3, 10])
    assert torch.autograd.gradcheck(
        lambda a, b: pair_scores(a, b, rows, columns),
        (left.detach().requires_grad_(), right.detach().requires_grad_()),
    )


@pytest.mark.parametrize("layers", [1, 3])
def test_a_known_user_has_the_embedding_of_the_full_graph(
    interactions: Interactions, layers: int
) -> None:
    with seeded(0):
        network = LightGCN(interactions, PARAMS.model_copy(update={"layers": layers}))
    scorer = scorer_of(network)
    expected = network().detach().numpy()
    np.testing.assert_allclose(scorer.embed(interactions.histories), expected[:USERS], atol=1e-6)
    np.testing.assert_allclose(scorer.item_vectors(), expected[USERS:], atol=1e-6)


def test_a_visitor_is_a_user_whose_own_embedding_is_zero(interactions: Interactions) -> None:
    with seeded(0):
        network = LightGCN(interactions, PARAMS)
    scorer = scorer_of(network)
    known = interactions.histories.take([5])
    visitor = Histories(
        known.starts, known.items, known.weights, np.full(1, VISITOR, dtype=np.int64)
    )
    own = network.embedding[5].detach().numpy() / (PARAMS.layers + 1)
    np.testing.assert_allclose(scorer.embed(visitor) + own, scorer.embed(known), atol=1e-6)


def test_a_user_without_a_pair_is_a_visitor() -> None:
    """Nothing was learned of such a user; a random start is no knowledge."""
    lonely = Interactions(Histories.of([[0, 1], [], [1, 2]], [0, 1, 2]), 4)
    with seeded(0):
        scorer = scorer_of(LightGCN(lonely, PARAMS))
    known, visitor = Histories.of([[2]], [1]), Histories.of([[2]], [VISITOR])
    assert np.array_equal(scorer.score(known), scorer.score(visitor))


def test_contributions_are_the_summands_of_the_score(network: LightGCN) -> None:
    scorer = scorer_of(network)
    history = Histories.of([[3, 7, 3, 20]], weights=[[1, 2, 1, 1]])
    items = np.array([0, 39, 7])
    found = scorer.contributions(history, items)
    assert found.shape == (3, 4)
    np.testing.assert_allclose(found.sum(1), scorer.score(history)[0, items], atol=1e-6)
    np.testing.assert_allclose(found[:, 0], found[:, 2])


def test_an_empty_history_scores_nothing(network: LightGCN) -> None:
    scorer = scorer_of(network)
    scores = scorer.score(Histories.of([[], [1]], users=[3, VISITOR]))
    assert not scores[0].any()
    assert scores[1].any()
    assert scorer.contributions(Histories.of([[]]), np.array([1, 2])).shape == (2, 0)


def test_a_stored_scorer_scores_the_same(network: LightGCN, interactions: Interactions) -> None:
    scorer = scorer_of(network)
    again = LightGCNScorer.restore(*scorer.state(), interactions, catalogue())
    np.testing.assert_array_equal(
        again.score(interactions.histories), scorer.score(interactions.histories)
    )


@pytest.mark.parametrize("loss", ["softmax", "bpr"])
def test_training_finds_the_communities(
    interactions: Interactions, loss: str, tmp_path: Path
) -> None:
    params = PARAMS.model_copy(update={"loss": loss})
    valid = (interactions.histories, interactions.histories)
    scorer, history = fit_lightgcn(interactions, catalogue(), params, LOOP, tmp_path, "tiny", valid)
    assert history["train_loss"].iloc[-1] < 0.8 * history["train_loss"].iloc[0]
    assert list(history["label"].unique()) == ["tiny"]
    assert len(history) == LOOP.epochs
    assert {"valid_recall", "valid_ndcg"} <= set(history)
    scores = scorer.score(Histories.of([[0, 1, 2]]))[0]
    assert scores[: ITEMS // 2].mean() > scores[ITEMS // 2 :].mean()


class KilledError(Exception):
    """Stands for a process that ends in the middle of a training."""


@pytest.mark.parametrize("loss", ["softmax", "bpr"])
def test_a_killed_training_goes_on_exactly(
    interactions: Interactions, loss: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crisol.core.training import training_run

    params = PARAMS.model_copy(update={"loss": loss})
    whole, _ = fit_lightgcn(interactions, catalogue(), params, LOOP, tmp_path / "whole", "tiny")
    saved = training_run.TrainingRun._save

    def save_and_die(self: training_run.TrainingRun, *args: object) -> None:
        saved(self, *args)  # type: ignore[arg-type]
        if self._epoch == 3:
            raise KilledError

    monkeypatch.setattr(training_run.TrainingRun, "_save", save_and_die)
    with pytest.raises(KilledError):
        fit_lightgcn(interactions, catalogue(), params, LOOP, tmp_path / "cut", "tiny")
    monkeypatch.setattr(training_run.TrainingRun, "_save", saved)
    resumed, history = fit_lightgcn(
        interactions, catalogue(), params, LOOP, tmp_path / "cut", "tiny"
    )
    assert len(history) == LOOP.epochs
    for name, array in whole.state()[0].items():
        np.testing.assert_array_equal(array, resumed.state()[0][name])
