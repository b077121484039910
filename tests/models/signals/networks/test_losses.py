"""The loss: the hinge against its formula, the head's penalty, the adversarial perturbation."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from crisol.models.signals.network_params import Architecture, NetworkParams
from crisol.models.signals.networks.architectures import make_network
from crisol.models.signals.networks.losses import head_penalty, hinge, perturbation, signal_loss
from crisol.models.signals.networks.member import MemberNetwork
from crisol.models.signals.params import Adversarial, FitParams

BATCH = {
    "windows": torch.randn(16, 5, 3, generator=torch.Generator().manual_seed(1)),
    "labels": torch.tensor([0, 2] * 8),
    "moves": torch.zeros(16),
}


def _network(architecture: Architecture = "alstm") -> MemberNetwork:
    torch.manual_seed(0)
    params = NetworkParams(
        architecture=architecture,
        features=("open_percent", "return", "body"),
        steps=5,
        hidden=4,
        dropout=0.0,
    )
    network = make_network(params)
    network.start_at(np.array([0.5, 0.0, 0.5]))
    return network.train()


def _fit(**changes) -> FitParams:
    return FitParams(move_weight=0.0, **changes)


def test_with_two_classes_the_hinge_is_that_of_their_difference():
    score, truth = torch.randn(9), torch.tensor([0, 2, 2, 0, 2, 0, 0, 2, 2])
    logits = torch.stack([-score / 2, torch.full((9,), -9.0), score / 2], dim=1)
    expected = torch.relu(1 - (truth - 1) * score).mean()
    torch.testing.assert_close(hinge(logits, truth), expected)


def test_a_hinge_with_hold_counts_each_wrong_class():
    logits = torch.tensor([[0.5, 0.0, -2.0]])
    torch.testing.assert_close(hinge(logits, torch.tensor([0])), torch.tensor(0.5))
    torch.testing.assert_close(hinge(logits, torch.tensor([1])), torch.tensor(1.5))


@pytest.mark.parametrize("architecture", ["alstm", "attention_lstm"])
@pytest.mark.parametrize("kind", ["hinge", "cross_entropy"])
def test_the_perturbation_raises_the_loss_most_and_has_its_length(architecture, kind):
    network, epsilon = _network(architecture), 1e-3
    loss = signal_loss(_fit(loss=kind))

    def at(noise):
        def shifted(windows, _none):
            return network(windows, noise)

        shifted.training = False
        return loss(shifted, BATCH)["signal_loss"]

    noise = torch.zeros(16, 8, requires_grad=True)
    clean = at(noise)
    attack = perturbation(clean, noise, epsilon)
    torch.testing.assert_close(attack.norm(dim=1), torch.full((16,), epsilon))
    rise = (at(attack) - clean).item()
    (gradient,) = torch.autograd.grad(clean, noise)
    assert rise == pytest.approx(epsilon * gradient.norm(dim=1).sum().item(), rel=2e-2)
    other = torch.nn.functional.normalize(torch.randn(16, 8), dim=1) * epsilon
    assert (at(other) - clean).item() < rise


def test_rows_beyond_the_margin_are_not_perturbed():
    noise = torch.zeros(2, 3, requires_grad=True)
    logits = torch.tensor([[5.0, 0.0, 0.0], [0.0, 0.0, 0.0]]) + noise
    attack = perturbation(hinge(logits, torch.tensor([0, 0])), noise, 0.1)
    assert attack[0].abs().sum() == 0
    assert attack[1].norm().item() == pytest.approx(0.1)


def test_penalty_and_attack_are_part_of_the_training_loss_alone():
    network, plain = _network(), signal_loss(_fit(loss="hinge"))
    fit = _fit(loss="hinge", head_l2=2.0, adversarial=Adversarial(epsilon=0.5, weight=3.0))
    whole = signal_loss(fit)
    without = plain(network, BATCH)["loss"]
    found = whole(network, BATCH)
    # Every score is within the margin, so the attack adds epsilon times the score's weights.
    weights = network.head["signal"].weight[0].norm()
    attacked = without + 0.5 * weights
    expected = without + 2.0 * head_penalty(network) + 3.0 * attacked
    torch.testing.assert_close(found["loss"], expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found["signal_loss"], without)
    with torch.no_grad():
        torch.testing.assert_close(whole(network.eval(), BATCH)["loss"], without)


def test_watching_the_accuracy_the_wrong_way_round_is_refused():
    with pytest.raises(ValidationError, match="monitor_mode: max"):
        FitParams(monitor="valid_accuracy")
    assert FitParams(monitor="valid_accuracy", monitor_mode="max").monitor_mode == "max"
