"""The small attention LSTM: shapes, its formula, its start, freezing."""

import numpy as np
import pytest
import torch

from crisol.models.signals.network_params import NetworkParams
from crisol.models.signals.networks.alstm import ALSTM
from crisol.models.signals.networks.architectures import make_network
from crisol.models.signals.networks.member import freeze

PARAMS = NetworkParams(architecture="alstm", features="percent", steps=5, hidden=4, dropout=0.0)


@pytest.fixture
def network() -> ALSTM:
    torch.manual_seed(0)
    made = make_network(PARAMS)
    assert isinstance(made, ALSTM)
    return made.eval()


def test_shapes(network):
    x = torch.randn(7, 5, 10)
    logits, moves = network(x)
    assert logits.shape == (7, 3)
    assert moves.shape == (7,)
    torch.testing.assert_close(network.attend(x).sum(1), torch.ones(7))


def test_against_its_formula(network):
    x = torch.randn(3, 5, 10)
    mapped = torch.tanh(x @ network.feature_map.weight.T + network.feature_map.bias)
    state = cell = torch.zeros(3, 4)
    states = []
    for step in range(5):
        lstm = network.lstm
        gates = mapped[:, step] @ lstm.weight_ih_l0.T + state @ lstm.weight_hh_l0.T
        i, f, g, o = (gates + lstm.bias_ih_l0 + lstm.bias_hh_l0).chunk(4, dim=1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        state = torch.sigmoid(o) * torch.tanh(cell)
        states.append(state)
    context, _ = network.attention(torch.stack(states, dim=1))
    latent = torch.cat([context, state], dim=1)
    head = network.head["signal"]
    score = latent @ head.weight[0] + head.bias[0]
    logits, _ = network(x)
    torch.testing.assert_close(logits[:, 2] - logits[:, 0], score)


def test_the_head_starts_at_the_class_frequencies_and_an_absent_hold_stays_absent(network):
    x = torch.randn(200, 5, 10)
    before = torch.softmax(network(x)[0], dim=1).mean(0)
    network.start_at(np.array([0.2, 0.0, 0.8]))
    after = torch.softmax(network(x)[0], dim=1).mean(0)
    assert before[1] > 0.1
    assert after[1] < 0.01
    assert after[2] > 2 * after[0]


def test_noise_is_added_to_the_latent_state(network):
    x, noise = torch.randn(3, 5, 10), torch.randn(3, 8)
    clean, noisy = network(x)[0], network(x, noise)[0]
    shift = noise @ network.head["signal"].weight[0]
    difference = noisy - clean
    torch.testing.assert_close(difference[:, 2] - difference[:, 0], shift)


def test_freezing_the_lstm_freezes_the_map_in_front_of_it(network):
    share = freeze(network, ["lstm_0"])
    assert 0 < share < 1
    still = {name.split(".")[0] for name, p in network.named_parameters() if p.requires_grad}
    assert still == {"attention", "head"}
    with pytest.raises(ValueError, match="there are: lstm_0, attention, head"):
        freeze(network, ["lstm_1"])


def test_a_path_from_the_newest_bar_is_refused():
    with pytest.raises(ValueError, match="newest_bar_path is a part of architecture attention"):
        NetworkParams(architecture="alstm", newest_bar_path=4)
