import copy
import random

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from crisol.core.progress import callbacks
from crisol.core.training.loop import (
    LoopParams,
    NonFiniteLossError,
    StoppedTooSoonError,
    TensorBatches,
    train,
)


def same_weights(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_same_seed_gives_the_same_weights_and_another_seed_others(tiny):
    first, second = tiny.run(tiny.params()), tiny.run(tiny.params())
    other = tiny.run(tiny.params(seed=4))
    assert same_weights(first.network, second.network)
    pd.testing.assert_frame_equal(tiny.measured(first.history), tiny.measured(second.history))
    assert not same_weights(first.network, other.network)


def test_training_learns_and_the_history_tells_how(tiny):
    result = tiny.run(tiny.params(epochs=30))
    history = result.history
    assert history["valid_loss"].min() < history["valid_loss"].iloc[0] - 0.2
    assert list(history["epoch"]) == list(range(1, 31))
    assert history["step"].iloc[-1] == 30 * 6
    assert {"train_loss", "valid_loss", "valid_accuracy", "learning_rate"} <= set(history)
    assert result.epochs_run == 30
    assert str(result.device) == "cpu (asked for)"
    assert not result.network.training


def test_the_best_epoch_is_what_comes_back(tiny):
    result = tiny.run(tiny.params(epochs=20, learning_rate=0.5))
    best = result.history["valid_loss"].idxmin()
    assert result.best_epoch == best + 1 < 20
    assert result.best_value == result.history["valid_loss"][best]
    x, y = tiny.tensors(8)
    with torch.no_grad():
        loss = nn.functional.cross_entropy(result.network(x), y).item()
    assert loss == pytest.approx(result.best_value, rel=1e-5)


def test_without_monitor_the_last_epoch_comes_back(tiny):
    result = tiny.run(tiny.params(epochs=3, monitor=None))
    assert (result.best_epoch, result.best_value) == (3, None)


def test_monitoring_a_maximum(tiny):
    result = tiny.run(tiny.params(epochs=8, monitor="valid_accuracy", monitor_mode="max"))
    assert result.best_value == result.history["valid_accuracy"].max()


def test_early_stopping(tiny):
    result = tiny.run(tiny.params(epochs=200, learning_rate=0.3, early_stopping_patience=3))
    assert result.epochs_run == result.best_epoch + 3 < 200


def test_an_unknown_monitor_names_what_there_is(tiny):
    with pytest.raises(ValueError, match=r"monitor: .*'valid_f1'.*valid_accuracy"):
        tiny.run(tiny.params(monitor="valid_f1"))


def test_accumulated_gradients_equal_a_large_batch(tiny):
    # 96 rows: batches of 40 leave one of 16, small ones of 8 leave windows that are not full.
    large = tiny.run(tiny.params(batch_size=40, gradient_clip=0.1), kind=tiny.Plain)
    small = tiny.run(
        tiny.params(batch_size=8, gradient_accumulation=5, gradient_clip=0.1), kind=tiny.Plain
    )
    assert large.history["step"].iloc[-1] == small.history["step"].iloc[-1]
    for a, b in zip(large.network.parameters(), small.network.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(large.history["train_loss"], small.history["train_loss"], rtol=1e-5)


def test_clipping_bounds_one_step(tiny):
    def steps(clip):
        network = tiny.network(tiny.Plain)
        before = copy.deepcopy(network)
        chosen = tiny.params(
            epochs=1, batch_size=96, optimizer="sgd", learning_rate=1.0, gradient_clip=clip
        )
        train(
            network,
            loss=lambda network, batch: 50 * tiny.cross_entropy(network, batch),
            train_data=TensorBatches(tiny.tensors(7), 96),
            params=chosen.model_copy(update={"monitor": "train_loss"}),
        )
        moved = [
            (a - b).flatten()
            for a, b in zip(network.parameters(), before.parameters(), strict=True)
        ]
        return torch.cat(moved).norm().item()

    # Nesterov momentum takes 1.9 gradients in its first step.
    assert steps(0.5) == pytest.approx(0.5 * 1.9, rel=1e-3)
    assert steps(None) > 2


def test_the_average_of_the_weights_is_what_is_evaluated_and_returned(tiny):
    plain = tiny.run(tiny.params(epochs=3, monitor=None))
    averaged = tiny.run(tiny.params(epochs=3, monitor=None, ema_decay=0.9))
    assert not same_weights(plain.network, averaged.network)
    pd.testing.assert_series_equal(plain.history["train_loss"], averaged.history["train_loss"])
    x, y = tiny.tensors(8)
    with torch.no_grad():
        loss = nn.functional.cross_entropy(averaged.network(x), y).item()
    assert loss == pytest.approx(averaged.history["valid_loss"].iloc[-1], rel=1e-5)


def test_bf16_runs_and_the_network_comes_back_as_it_was(tiny):
    result = tiny.run(tiny.params(mixed_precision="bf16"))
    exact = tiny.run(tiny.params())
    assert result.history["train_loss"].iloc[0] != exact.history["train_loss"].iloc[0]
    assert result.history["train_loss"].iloc[0] == pytest.approx(
        exact.history["train_loss"].iloc[0], rel=0.05
    )
    assert "forward" not in result.network.__dict__
    assert result.network(tiny.tensors(8)[0]).dtype == torch.float32
    averaged = tiny.run(tiny.params(mixed_precision="bf16", ema_decay=0.9))
    assert np.isfinite(averaged.history["valid_loss"]).all()


def test_a_network_can_be_trained_again_under_other_settings(tiny):
    chosen = tiny.params(epochs=1, monitor=None)
    twice = tiny.network()
    for precision in ("no", "bf16"):
        train(
            twice,
            loss=tiny.cross_entropy,
            train_data=TensorBatches(tiny.tensors(7), 16),
            params=chosen.model_copy(update={"mixed_precision": precision}),
        )
    fresh = tiny.network()
    train(
        fresh,
        loss=tiny.cross_entropy,
        train_data=TensorBatches(tiny.tensors(7), 16),
        params=chosen,
    )
    again = copy.deepcopy(fresh)
    for network, precision in ((fresh, "no"), (again, "bf16")):
        train(
            network,
            loss=tiny.cross_entropy,
            train_data=TensorBatches(tiny.tensors(7), 16),
            params=chosen.model_copy(update={"mixed_precision": precision}),
        )
    assert same_weights(twice, again)
    assert not same_weights(twice, fresh)


def test_bf16_for_an_lstm_works_or_says_that_the_processor_lacks_it(tiny):
    network = nn.Sequential(nn.LSTM(3, 4, batch_first=True))
    batches = TensorBatches(tiny.tensors(7), 16)

    def run():
        return train(
            network,
            loss=lambda network, batch: network(batch[0])[0].float().square().mean(),
            train_data=batches,
            params=tiny.params(epochs=1, monitor=None, mixed_precision="bf16"),
        )

    try:
        with torch.autocast("cpu", torch.bfloat16):
            network(tiny.tensors(7)[0])
    except RuntimeError:
        with pytest.raises(ValueError, match="mixed_precision: 'bf16' does not work for an LSTM"):
            run()
    else:
        assert np.isfinite(run().history["train_loss"]).all()


def test_fp16_needs_a_gpu(tiny):
    with pytest.raises(ValueError, match="mixed_precision: 'fp16' needs a GPU"):
        tiny.run(tiny.params(mixed_precision="fp16"))


def test_compile_only_when_asked(tiny, monkeypatch):
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled.append(type(self).__name__))
    tiny.run(tiny.params(epochs=1))
    assert compiled == []
    tiny.run(tiny.params(epochs=1, compile=True))
    assert compiled == ["Tiny"]


@pytest.mark.parametrize("where", ["train", "valid"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_and_says_where(tiny, tmp_path, where, value):
    calls = {"train": 0, "valid": 0}

    def loss(network, batch):
        part = "train" if network.training else "valid"
        calls[part] += 1
        spoiled = part == where and calls[part] == (6 + 4 if where == "train" else 2 + 2)
        return tiny.cross_entropy(network, batch) * (value if spoiled else 1.0)

    step = 4 if where == "train" else 2
    what = {"train": "training", "valid": "validation"}[where]
    with pytest.raises(
        NonFiniteLossError, match=f"fold, epoch 2: the {what} loss became (nan|inf) at step {step} "
    ):
        tiny.run(tiny.params(), loss=loss, label="fold", checkpoints=tmp_path)
    # What was good before is still there: the next attempt goes on after epoch 1.
    assert tiny.run(tiny.params(), label="fold", checkpoints=tmp_path).resumed_from_epoch == 1


def test_a_batch_that_only_explodes_between_two_looks_is_still_named(tiny):
    calls = []

    def loss(network, batch):
        calls.append(1)
        return tiny.cross_entropy(network, batch) * (float("nan") if len(calls) == 3 else 1.0)

    with pytest.raises(NonFiniteLossError, match="step 3 "):
        tiny.run(tiny.params(log_every_steps=5), loss=loss)


def test_parts_of_the_loss_are_recorded(tiny):
    def loss(network, batch):
        value = tiny.cross_entropy(network, batch)
        return {"loss": 2 * value, "half": value}

    history = tiny.run(tiny.params(epochs=2), loss=loss).history
    np.testing.assert_allclose(history["train_loss"], 2 * history["train_half"], rtol=1e-6)
    np.testing.assert_allclose(history["valid_loss"], 2 * history["valid_half"], rtol=1e-6)
    with pytest.raises(TypeError, match="must hold 'loss', it holds \\['half'\\]"):
        tiny.run(tiny.params(), loss=lambda n, b: {"half": tiny.cross_entropy(n, b)})


def test_progress_is_told_every_epoch(tiny):
    emitted = []
    with callbacks(lambda metrics, step: emitted.append((step, dict(metrics)))):
        result = tiny.run(tiny.params(epochs=3), label="fold0")
    assert [step for step, _ in emitted] == [1, 2, 3]
    assert emitted[1][1]["fold0.valid_loss"] == result.history["valid_loss"][1]
    assert "fold0.learning_rate" in emitted[0][1]


def test_global_randomness_and_settings_are_given_back(tiny):
    def draws():
        return random.random(), np.random.random(), torch.rand(1).item()

    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected, threads = draws(), torch.get_num_threads()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    tiny.run(tiny.params(epochs=1))
    assert draws() == expected
    assert (torch.get_num_threads(), torch.get_default_dtype()) == (threads, torch.float32)
    assert torch.is_grad_enabled()


def test_what_ran_before_changes_nothing(tiny):
    expected = tiny.run(tiny.params())
    torch.rand(17)

    def evaluate(network):
        torch.rand(5)  # a metric that draws numbers must not change the next epoch
        return tiny.accuracy(network)

    assert same_weights(expected.network, tiny.run(tiny.params(), evaluate=evaluate).network)


def test_trainings_in_threads_take_turns(tiny):
    from concurrent.futures import ThreadPoolExecutor

    each = [tiny.params(mixed_precision=p, cpu_threads=1) for p in ("no", "bf16")]
    # The reference runs in a new thread too, since torch counts threads for each.
    with ThreadPoolExecutor(1) as alone:
        expected = list(alone.map(tiny.run, each))
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(tiny.run, each))
    for a, b in zip(expected, results, strict=True):
        assert same_weights(a.network, b.network)


def test_an_accelerator_of_ones_own_keeps_its_settings(tiny):
    from accelerate import Accelerator

    mine = Accelerator(cpu=True, mixed_precision="bf16")
    tiny.run(tiny.params(epochs=1))
    assert mine.mixed_precision == "bf16"


def test_frozen_layers_stay(tiny):
    network = tiny.network()
    network.gru.requires_grad_(False)
    before = copy.deepcopy(network.gru)
    train(
        network,
        loss=tiny.cross_entropy,
        train_data=TensorBatches(tiny.tensors(7), 16, shuffle=True),
        params=tiny.params(epochs=1, monitor=None, weight_decay=0.1),
    )
    assert same_weights(before, network.gru)
    network.requires_grad_(False)
    with pytest.raises(ValueError, match="every parameter is frozen"):
        train(
            network,
            loss=tiny.cross_entropy,
            train_data=TensorBatches(tiny.tensors(7), 16),
            params=tiny.params(),
        )


def test_a_data_loader_trains_deterministically(tiny):
    def run():
        loader = DataLoader(TensorDataset(*tiny.tensors(7)), batch_size=16, shuffle=True)
        return tiny.run(tiny.params(), train_data=loader)

    torch.manual_seed(1)
    first = run()
    torch.manual_seed(2)
    assert same_weights(first.network, run().network)


def test_the_batch_size_must_agree(tiny):
    with pytest.raises(ValueError, match=r"batch_size: .* batches of 8, the parameters say 16"):
        tiny.run(tiny.params(), train_data=TensorBatches(tiny.tensors(7), 8))


def test_an_iterable_that_lies_about_its_length_is_refused(tiny):
    class Short(list):
        def __len__(self):
            return 9

    with pytest.raises(ValueError, match="says it has 9 batches but gave 1"):
        tiny.run(tiny.params(), train_data=Short([tiny.tensors(7)]))


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"epochs": 0}, "epochs"),
        ({"epochs": "3"}, "epochs"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"optimizer": "adam"}, "optimizer"),
        ({"schedule": "linear"}, "schedule"),
        ({"warmup_fraction": 1.0}, "warmup_fraction"),
        ({"ema_decay": 1.5}, "ema_decay"),
        ({"mixed_precision": "fp8"}, "mixed_precision"),
        ({"learning_rte": 0.1}, "learning_rte"),
        ({"schedule": "onecycle"}, "warmup_fraction must be above 0"),
        ({"schedule": "plateau", "monitor": None}, "schedule 'plateau' needs a column"),
        ({"early_stopping_patience": 2, "monitor": None}, "early_stopping_patience needs a column"),
    ],
)
def test_bad_parameters_name_the_field(changed, field):
    with pytest.raises(ValueError, match=field):
        LoopParams(**changed)


class After:
    """Says stop from the n-th time it is asked."""

    def __init__(self, times):
        self.left = times

    def __call__(self):
        self.left -= 1
        return self.left <= 0


@pytest.mark.parametrize("monitor", ["valid_loss", None])
def test_a_stopped_training_keeps_its_whole_epochs_and_goes_on_later(tiny, tmp_path, monitor):
    params = tiny.params(epochs=5, monitor=monitor)
    whole = tiny.run(params, checkpoints=tmp_path / "whole")
    short = tiny.run(params, checkpoints=tmp_path / "short", stop=After(15))  # 6 batches an epoch
    assert short.epochs_run == len(short.history) == 2
    pd.testing.assert_frame_equal(
        tiny.measured(short.history), tiny.measured(whole.history.iloc[:2])
    )
    two = tiny.run(params, checkpoints=tmp_path / "two", stop=After(12))
    assert same_weights(short.network, two.network)
    more = tiny.run(params, checkpoints=tmp_path / "short")
    assert more.resumed_from_epoch == 2
    assert same_weights(more.network, whole.network)


def test_never_stopping_changes_nothing(tiny):
    plain = tiny.run(tiny.params())
    assert same_weights(plain.network, tiny.run(tiny.params(), stop=lambda: False).network)


def test_stopping_in_the_first_epoch_leaves_nothing(tiny):
    with pytest.raises(StoppedTooSoonError, match="first epoch"):
        tiny.run(tiny.params(), stop=After(3))
