import pytest
import torch
from torch import nn

from crisol.core.training.loop_params import LoopParams
from crisol.core.training.schedules import Schedule, learning_rate_factor, make_optimizer


def rates(steps=40, **changed):
    """The learning rate of every step, as a real optimiser sees it."""
    params = LoopParams(learning_rate=0.1, **changed)
    optimizer = make_optimizer(nn.Linear(2, 2), params)
    schedule = Schedule(optimizer, params, steps)
    seen = []
    for _ in range(steps):
        seen.append(schedule.learning_rate)
        optimizer.step()
        schedule.after_step()
    return seen


def test_constant_with_and_without_warm_up():
    assert rates() == [0.1] * 40
    warm = rates(warmup_fraction=0.25)
    assert warm[:10] == pytest.approx([0.01 * step for step in range(1, 11)])
    assert warm[10:] == pytest.approx([0.1] * 30)


def test_cosine_agrees_with_torch():
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=40)
    expected = []
    for _ in range(40):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()
    assert rates(schedule="cosine") == pytest.approx(expected)
    warm = rates(schedule="cosine", warmup_fraction=0.25)
    assert max(warm) == warm[9] == warm[10] == pytest.approx(0.1)
    assert warm[-1] < 0.001


@pytest.mark.parametrize(("steps", "fraction"), [(40, 0.25), (41, 0.3), (300, 0.1)])
def test_onecycle_agrees_with_torch(steps, fraction):
    optimizer = torch.optim.AdamW(nn.Linear(1, 1).parameters(), lr=0.1)
    share = round(fraction * steps) / steps  # torch also accepts fractions of steps
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.1, total_steps=steps, pct_start=share
    )
    expected = []
    for _ in range(steps):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(expected) < steps:
            reference.step()
    assert rates(steps, schedule="onecycle", warmup_fraction=fraction) == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "onecycle", "plateau"])
@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_short_trainings_have_a_learning_rate_too(schedule, steps):
    params = LoopParams(schedule=schedule, warmup_fraction=0.1)
    factor = learning_rate_factor(params, steps)
    assert all(0 <= factor(step) <= 1 for step in range(steps + 1))
    assert max(factor(step) for step in range(steps)) > 0.99


def test_plateau_waits_and_then_halves():
    params = LoopParams(schedule="plateau", plateau_patience=1, learning_rate=0.1)
    optimizer = make_optimizer(nn.Linear(2, 2), params)
    schedule = Schedule(optimizer, params, 100)
    seen = []
    for value in (1.0, 0.9, 0.9, 0.9, 0.8, 0.85, 0.85):
        schedule.after_epoch(value)
        seen.append(schedule.learning_rate)
    assert seen == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025])


def test_weight_decay_spares_biases_and_norms():
    network = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2), nn.Embedding(3, 2))
    optimizer = make_optimizer(network, LoopParams(weight_decay=0.1))
    decayed, spared = optimizer.param_groups
    assert (decayed["weight_decay"], len(decayed["params"])) == (0.1, 2)
    assert (spared["weight_decay"], len(spared["params"])) == (0.0, 3)
