"""The graph attention network: parity with PyG, no leak along held-out pairs, an exact scorer."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from crisol.core.training.loop_params import LoopParams
from crisol.core.training.seeding import seeded
from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import VISITOR, Histories, Interactions
from crisol.models.recommender.method_params import AttentionParams
from crisol.models.recommender.methods.attention_scorer import AttentionScorer, age_rows, latest
from crisol.models.recommender.networks.attention_network import AttentionNetwork, age_row, attend
from crisol.models.recommender.networks.attention_training import fit_attention, held_out, scorer_of
from crisol.models.recommender.networks.edges import Edges
from crisol.models.recommender.networks.sampled_softmax import log_sum_exp

USERS, ITEMS, HALF = 60, 40, 20
PARAMS = AttentionParams(dimensions=16, heads=4, negatives=16, ages=4)
LOOP = LoopParams(
    epochs=8, batch_size=64, learning_rate=0.03, monitor=None, device="cpu", cpu_threads=1
)


@pytest.fixture(scope="module")
def interactions() -> Interactions:
    """Two communities, each with its own half of the items; one user had an item twice."""
    rng = np.random.default_rng(0)
    rows = [
        (rng.choice(HALF, rng.integers(3, 9), replace=False) + (user % 2) * HALF).tolist()
        for user in range(USERS)
    ]
    rows[7].append(rows[7][0])
    return Interactions(Histories.of(rows, list(range(USERS))), ITEMS)


@pytest.fixture(scope="module")
def shelf() -> Catalogue:
    """Three tags; the last item has none."""
    tags = np.eye(3, dtype=np.float32)[np.arange(ITEMS) % 3]
    tags[-1] = 0
    blank = ("",) * ITEMS
    return Catalogue(
        tuple(map(str, range(ITEMS))),
        blank,
        blank,
        blank,
        np.full(ITEMS, np.nan, np.float32),
        csr_matrix(tags),
        ("category:a", "category:b", "category:c"),
    )


@pytest.fixture
def edges(interactions: Interactions) -> Edges:
    return Edges.of(latest(interactions.histories), ITEMS)


@pytest.fixture
def network(edges: Edges, shelf: Catalogue) -> AttentionNetwork:
    """With ages that matter, which they do not before training."""
    with seeded(0):
        network = AttentionNetwork(edges, shelf.tags, PARAMS)
        for layer in network.layers:
            torch.nn.init.normal_(layer.to_users.ages)
    return network


def visitor(items: list[int]) -> Histories:
    return Histories.of([items])


@pytest.mark.parametrize("direction", ["to_users", "to_items"])
def test_attention_is_that_of_pyg(edges: Edges, direction: str) -> None:
    from torch_geometric.nn import GATConv

    way = getattr(edges, direction)
    sources, targets = (ITEMS, USERS) if direction == "to_users" else (USERS, ITEMS)
    with seeded(1):
        reference = GATConv((8, 8), 4, heads=3, add_self_loops=False, bias=False)
        x = torch.randn(sources, 8, requires_grad=True)
        y = torch.randn(targets, 8, requires_grad=True)
    pairs = torch.stack([way.sources, way.targets])
    expected = reference((x, y), pairs)
    values = reference.lin_src(x)
    source_logits = (values.view(-1, 3, 4) * reference.att_src[0]).sum(2)
    target_logits = (reference.lin_dst(y).view(-1, 3, 4) * reference.att_dst[0]).sum(2)
    found = attend(values, source_logits, target_logits, torch.zeros(len(edges), 3), way)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    weights = torch.randn_like(found)
    wanted = [x, y, *reference.parameters()]
    for mine, theirs in zip(
        torch.autograd.grad((found * weights).sum(), wanted, retain_graph=True),
        torch.autograd.grad((expected * weights).sum(), wanted),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


def test_gradients_are_the_numerical_ones(edges: Edges) -> None:
    way, heads = edges.kept(edges.items != 3).to_users, 2
    with seeded(2):
        inputs = [
            torch.randn(*shape, dtype=torch.float64, requires_grad=True)
            for shape in ((ITEMS, 4), (ITEMS, heads), (USERS, heads), (len(way.sources), heads))
        ]
    assert torch.autograd.gradcheck(lambda *x: attend(*x, way), inputs, fast_mode=True)
    rows, columns = torch.tensor([0, 0, 2]), torch.tensor([1, 4, 0])
    assert torch.autograd.gradcheck(
        lambda a, b: log_sum_exp(a, b, rows, columns),
        [torch.randn(n, 3, dtype=torch.float64, requires_grad=True) for n in (4, 5)],
    )


def test_kept_edges_are_those_of_a_smaller_graph(edges: Edges) -> None:
    keep = torch.rand(len(edges), generator=torch.Generator().manual_seed(0)) < 0.6
    found = edges.kept(keep)
    users, items = edges.users[keep].numpy(), edges.items[keep].numpy()
    expected = Edges.of(
        Histories.of([items[users == user].tolist() for user in range(USERS)]), ITEMS
    )
    for direction in ("to_users", "to_items"):
        one, other = getattr(found, direction), getattr(expected, direction)
        for name, tensor in vars(one).items():
            assert torch.equal(tensor, getattr(other, name)), name
    assert torch.equal(found.age, expected.age)


@pytest.mark.parametrize("predict", ["any", "next"])
def test_predicted_pairs_are_out_of_the_graph(edges: Edges, predict: str) -> None:
    params = PARAMS.model_copy(update={"predict": predict})
    users = torch.arange(0, USERS, 2)
    with seeded(3):
        keep, predicted = held_out(edges, users, params)
    assert predicted.any()
    assert not (keep & predicted).any()
    assert keep[edges.users % 2 == 1].all()
    assert set(edges.users[predicted].tolist()) <= set(users.tolist())
    if predict == "next":
        for user in users.tolist():
            mine = edges.users == user
            place = int(torch.nonzero(predicted[mine]))
            assert keep[mine][:place].all()
            assert not keep[mine][place:].any()
            assert place >= 1


def test_nothing_flows_along_held_out_pairs(edges: Edges, network: AttentionNetwork) -> None:
    """Whatever the held-out pairs are, the states on the kept graph are the same."""
    keep = edges.users != 5
    moved = edges.items.clone()
    moved[~keep] = (moved[~keep] + 11) % ITEMS
    other = Edges(edges.users, moved, USERS, ITEMS, torch.argsort(moved, stable=True))
    for one, two in zip(network(edges.kept(keep)), network(other.kept(keep)), strict=True):
        assert torch.equal(one, two)
    assert not torch.equal(network(edges)[1], network(edges.kept(keep))[1])


def test_the_scorer_is_the_network(
    interactions: Interactions, edges: Edges, network: AttentionNetwork
) -> None:
    scorer = scorer_of(network, edges)
    users, items = (part.detach().numpy() for part in network(edges))
    np.testing.assert_allclose(scorer.embed(interactions.histories), users, atol=1e-4)
    np.testing.assert_allclose(scorer.score(interactions.histories), users @ items.T, atol=1e-4)


def test_a_visitor_is_a_node_without_an_embedding(edges: Edges, network: AttentionNetwork) -> None:
    """Items keep the states they were trained with; the visitor attends to them at every layer."""
    scorer, states = scorer_of(network, edges), network.states(edges)
    items = [3, 38, 12, 7, 20]
    only, x = Edges.of(visitor(items), ITEMS), torch.zeros(1, PARAMS.dimensions)
    for layer, (_, before) in zip(network.layers, states[:-1], strict=True):
        ages = age_row(only.age, PARAMS.ages)
        x = x + layer.to_users(layer.norm(before), layer.norm(x), ages, only.to_users)
    np.testing.assert_allclose(scorer.embed(visitor(items)), x.detach().numpy(), atol=1e-4)


def test_a_user_without_a_pair_is_a_visitor(shelf: Catalogue) -> None:
    """Nothing was learned of such a user; a random start is no knowledge."""
    lonely = Edges.of(Histories.of([[0, 1], [], [1, 2]], [0, 1, 2]), ITEMS)
    with seeded(0):
        scorer = scorer_of(AttentionNetwork(lonely, shelf.tags, PARAMS), lonely)
    known = Histories.of([[2]], [1])
    assert np.array_equal(scorer.score(known), scorer.score(visitor([2])))


def test_contributions_and_the_own_embedding_make_the_score(
    interactions: Interactions, edges: Edges, network: AttentionNetwork
) -> None:
    scorer, items = scorer_of(network, edges), np.array([0, 13, 39])
    history = interactions.histories.take([7])
    found = scorer.contributions(history, items)
    assert found.shape == (3, len(history.items))
    own = network.users[7].detach().numpy() @ scorer.item_vectors()[items].T
    np.testing.assert_allclose(found.sum(1) + own, scorer.score(history)[0, items], atol=1e-4)
    np.testing.assert_allclose(found[:, 0], found[:, -1])  # the item that occurs twice


def test_the_newest_event_matters_where_ages_do(edges: Edges, network: AttentionNetwork) -> None:
    scorer = scorer_of(network, edges)
    one, other = visitor([1, 2, 30]), visitor([30, 2, 1])
    assert np.abs(scorer.score(one) - scorer.score(other)).max() > 1e-3


def test_an_empty_history_scores_nothing(edges: Edges, network: AttentionNetwork) -> None:
    scorer = scorer_of(network, edges)
    scores = scorer.score(Histories.of([[], [1], []], users=[3, VISITOR, VISITOR]))
    assert not scores[[0, 2]].any()
    assert scores[1].any()
    assert not scorer.score(Histories.of([[]], users=[3])).any()
    assert scorer.contributions(Histories.of([[]]), np.array([1, 2])).shape == (2, 0)


def test_a_batch_scores_as_its_rows_do(
    interactions: Interactions, edges: Edges, network: AttentionNetwork
) -> None:
    scorer, some = scorer_of(network, edges), interactions.histories.take([3, 7, 20])
    alone = np.concatenate([scorer.score(some.take([row])) for row in range(3)])
    np.testing.assert_allclose(scorer.score(some), alone, atol=1e-5)


def test_a_stored_scorer_scores_the_same(
    interactions: Interactions, edges: Edges, network: AttentionNetwork, shelf: Catalogue
) -> None:
    scorer = scorer_of(network, edges)
    again = AttentionScorer.restore(*scorer.state(), interactions, shelf)
    np.testing.assert_array_equal(
        again.score(interactions.histories), scorer.score(interactions.histories)
    )


def test_ages_are_the_same_in_numpy_and_torch() -> None:
    history = visitor(list(range(40)))
    found = age_rows(history, 6)
    expected = age_row(Edges.of(history, ITEMS).age, 6)
    assert found.tolist() == expected.tolist()
    assert found[[39, 38, 37, 36, 0]].tolist() == [0, 1, 1, 2, 5]


@pytest.mark.parametrize("predict", ["any", "next"])
def test_training_finds_the_communities(
    interactions: Interactions, shelf: Catalogue, predict: str, tmp_path: Path
) -> None:
    params = PARAMS.model_copy(update={"predict": predict})
    valid = (interactions.histories, interactions.histories)
    scorer, history = fit_attention(interactions, shelf, params, LOOP, tmp_path, "tiny", valid)
    assert history["train_loss"].iloc[-1] < 0.9 * history["train_loss"].iloc[0]
    assert list(history["label"].unique()) == ["tiny"]
    assert {"valid_recall", "valid_ndcg"} <= set(history)
    scores = scorer.score(visitor([0, 1, 2]))[0]
    assert scores[:HALF].mean() > scores[HALF:].mean()


def test_nobody_with_two_items_is_an_error(shelf: Catalogue, tmp_path: Path) -> None:
    lonely = Interactions(Histories.of([[1], [2, 2]], [0, 1]), ITEMS)
    with pytest.raises(ValueError, match="no user has two items"):
        fit_attention(lonely, shelf, PARAMS, LOOP, tmp_path, "tiny")


class KilledError(Exception):
    """Stands for a process that ends in the middle of a training."""


def test_a_killed_training_goes_on_exactly(
    interactions: Interactions, shelf: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crisol.core.training import training_run

    whole, _ = fit_attention(interactions, shelf, PARAMS, LOOP, tmp_path / "whole", "tiny")
    saved = training_run.TrainingRun._save

    def save_and_die(self: training_run.TrainingRun, *args: object) -> None:
        saved(self, *args)  # type: ignore[arg-type]
        if self._epoch == 3:
            raise KilledError

    monkeypatch.setattr(training_run.TrainingRun, "_save", save_and_die)
    with pytest.raises(KilledError):
        fit_attention(interactions, shelf, PARAMS, LOOP, tmp_path / "cut", "tiny")
    monkeypatch.setattr(training_run.TrainingRun, "_save", saved)
    resumed, history = fit_attention(interactions, shelf, PARAMS, LOOP, tmp_path / "cut", "tiny")
    assert len(history) == LOOP.epochs
    for name, array in whole.state()[0].items():
        np.testing.assert_array_equal(array, resumed.state()[0][name])
