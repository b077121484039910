"""The network: shapes, initialisation, attention, freezing, familiarity."""

import numpy as np
import pytest
import torch
from torch import nn

from crisol.models.signals.answers.familiarity import fit_familiarity
from crisol.models.signals.network_params import NetworkParams
from crisol.models.signals.networks.ensemble import Ensemble
from crisol.models.signals.networks.layers import AdditiveAttention
from crisol.models.signals.networks.member import freeze
from crisol.models.signals.networks.network import SignalNetwork

PARAMS = NetworkParams(features=("return", "body", "gap"), steps=10, hidden=6)


def _network(**changes) -> SignalNetwork:
    torch.manual_seed(0)
    return SignalNetwork(PARAMS.model_copy(update=changes)).eval()


@pytest.mark.parametrize("path", [None, 4])
def test_shapes(path):
    network, x = _network(newest_bar_path=path), torch.randn(5, 10, 3)
    logits, moves = network(x)
    assert logits.shape == (5, 3)
    assert moves.shape == (5,)
    weights = network.attend(x)
    assert weights.shape == (5, 10)
    torch.testing.assert_close(weights.sum(1), torch.ones(5))


def test_default_size_is_two_layers_of_128():
    network = SignalNetwork(NetworkParams())
    assert (network.lstm.num_layers, network.lstm.hidden_size, network.lstm.dropout) == (
        2,
        128,
        0.2,
    )


def test_initialisation():
    network = _network()
    for layer in (0, 1):
        recurrent = getattr(network.lstm, f"weight_hh_l{layer}").detach()
        for gate in recurrent.split(6):
            torch.testing.assert_close(gate @ gate.T, torch.eye(6), atol=1e-5, rtol=0)
        bias = getattr(network.lstm, f"bias_ih_l{layer}").detach()
        assert (bias[6:12] == 1).all()
        assert (bias[:6] == 0).all()
    bound = (6 / (3 + 24)) ** 0.5
    assert network.lstm.weight_ih_l0.abs().max() <= bound


def test_the_head_starts_at_the_class_frequencies():
    network, x = _network(), torch.randn(200, 10, 3)
    before = torch.softmax(network(x)[0], dim=1).mean(0)
    network.start_at(np.array([0.2, 0.0, 0.8]))
    after = torch.softmax(network(x)[0], dim=1).mean(0)
    assert before[1] > 0.1
    assert after[1] < 0.01
    assert after[2] > after[0]


def test_attention_against_its_formula():
    attention, states = AdditiveAttention(4), torch.randn(2, 7, 4)
    context, weights = attention(states)
    scores = torch.tanh(states @ attention.project.weight.T + attention.project.bias)
    expected = torch.softmax(scores @ attention.score.weight[0], dim=1)
    torch.testing.assert_close(weights, expected)
    torch.testing.assert_close(context, (expected[..., None] * states).sum(1))


def test_normalisation_uses_the_windows_it_was_fitted_on():
    network, x = _network(), np.random.default_rng(0).normal(3, 2, (50, 10, 3)).astype(np.float32)
    network.normalise.fit(x)
    found = network.normalise(torch.from_numpy(x))
    assert found.mean().abs() < 0.05
    assert found.abs().max() <= PARAMS.input_clip


def test_freezing_stops_exactly_the_named_layers():
    network = _network(newest_bar_path=4).train()
    share = freeze(network, ["lstm_0", "attention"])
    before = {name: value.clone() for name, value in network.state_dict().items()}
    trainable = [p for p in network.parameters() if p.requires_grad]
    assert share == sum(p.numel() for p in trainable) / sum(p.numel() for p in network.parameters())
    optimizer = torch.optim.SGD(trainable, lr=1.0)
    logits, moves = network(torch.randn(5, 10, 3))
    (logits.square().sum() + moves.sum()).backward()
    optimizer.step()
    changed = {n for n, v in network.state_dict().items() if not torch.equal(v, before[n])}
    assert not any(n.startswith("attention") or n.endswith("_l0") for n in changed)
    assert any(n.endswith("_l1") for n in changed)
    assert any(n.startswith("head") for n in changed)


def test_freezing_an_unknown_layer_names_those_there_are():
    with pytest.raises(ValueError, match="lstm_0, lstm_1, attention, head"):
        freeze(_network(), ["embedding"])


def test_the_ensemble_averages_probabilities():
    members, x = [_network(), SignalNetwork(PARAMS).eval()], torch.randn(4, 10, 3)
    found = Ensemble(members, temperature=2.0, offset_C=(0.1, 0.0, -0.1)).eval()(x)
    offset = torch.tensor([0.1, 0.0, -0.1])
    expected = sum(nn.functional.softmax((m(x)[0] - offset) / 2, dim=1) for m in members) / 2
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found.sum(1), torch.ones(4))


def test_familiarity_tells_strange_windows_from_ordinary_ones():
    rng = np.random.default_rng(0)
    train = rng.normal(size=(2000, 10, 3)).astype(np.float32)
    familiarity = fit_familiarity(train)
    assert (familiarity.distances(train) > familiarity.limit).mean() == pytest.approx(
        1e-3, abs=1e-3
    )
    assert (familiarity.distances(rng.normal(size=(500, 10, 3))) < familiarity.limit).mean() > 0.98
    assert familiarity.distance(train[0] + 3) > familiarity.limit
    assert familiarity.distance(np.zeros((10, 3))) > familiarity.limit
