import logging
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from crisol.core.progress import callbacks
from crisol.core.training.checkpoints import Checkpoint, clear, fingerprint


class Killed(BaseException):
    """The process is gone: nothing may catch this."""


def stopping_after(tiny, epochs):
    """An evaluation that ends the training in the middle of a later epoch."""
    calls = []

    def evaluate(network):
        calls.append(1)
        if len(calls) > epochs:
            raise Killed
        return tiny.accuracy(network)

    return evaluate


def assert_same(tiny, a, b):
    left, right = a.network.state_dict(), b.network.state_dict()
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)
    pd.testing.assert_frame_equal(
        tiny.measured(a.history), tiny.measured(b.history), check_exact=True
    )
    assert (a.best_epoch, a.best_value, a.epochs_run) == (b.best_epoch, b.best_value, b.epochs_run)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"schedule": "onecycle", "warmup_fraction": 0.3, "ema_decay": 0.95},
        {"schedule": "cosine", "gradient_accumulation": 4, "mixed_precision": "bf16"},
        {"schedule": "plateau", "plateau_patience": 0, "learning_rate": 0.3, "optimizer": "sgd"},
        {"early_stopping_patience": 2, "learning_rate": 0.5, "epochs": 40, "monitor": "train_loss"},
        {"checkpoint_every_epochs": 3},
    ],
    ids=lambda changed: "-".join(changed) or "defaults",
)
def test_an_interrupted_training_ends_as_if_it_had_not_been(tiny, tmp_path, changed):
    chosen = tiny.params(**{"epochs": 8, **changed})
    expected = tiny.run(chosen, label="fold0")
    with pytest.raises(Killed):
        tiny.run(chosen, label="fold0", checkpoints=tmp_path, evaluate=stopping_after(tiny, 5))
    torch.rand(11)
    resumed = tiny.run(chosen, label="fold0", checkpoints=tmp_path)
    assert resumed.resumed_from_epoch == (3 if "checkpoint_every_epochs" in changed else 5)
    assert_same(tiny, expected, resumed)


def test_kill_9_then_resume_is_bit_identical(tiny, tmp_path):
    chosen = tiny.params(epochs=40, schedule="cosine", warmup_fraction=0.1, ema_decay=0.9)
    folder = tmp_path / "checkpoints"
    running = subprocess.Popen(
        [
            *(sys.executable, tiny.__file__, str(tmp_path / "unused.safetensors")),
            *(chosen.model_dump_json(), str(folder), "0.02"),
        ],
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    deadline = time.monotonic() + 120
    emitted = []
    while time.monotonic() < deadline and running.poll() is None:
        if list(folder.glob("killed-*.safetensors")):
            time.sleep(0.35 + 0.3 * random.random())  # some epochs later, anywhere in one
            break
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    with callbacks(lambda metrics, step: emitted.append(step)):
        resumed = tiny.run(chosen, label="killed", checkpoints=folder)
    assert 1 <= resumed.resumed_from_epoch < 40
    assert emitted == list(range(1, 41)), "a new callback receives the whole curve"
    assert_same(tiny, tiny.run(chosen, label="killed"), resumed)
    assert not list(folder.glob(".*.tmp"))


def test_finished_runs_are_not_trained_again(tiny, tmp_path, caplog):
    chosen = tiny.params(epochs=3)
    first = tiny.run(chosen, label="fold 0/seed 1", checkpoints=tmp_path)
    with pytest.raises(Killed):
        tiny.run(
            chosen, label="fold 1/seed 1", checkpoints=tmp_path, evaluate=stopping_after(tiny, 1)
        )

    def loss(network, batch):
        raise AssertionError("a finished run must not be trained")

    again = tiny.run(chosen, label="fold 0/seed 1", checkpoints=tmp_path, loss=loss)
    assert_same(tiny, first, again)
    assert again.resumed_from_epoch == 3
    other = tiny.run(chosen, label="fold 1/seed 1", checkpoints=tmp_path)
    assert other.resumed_from_epoch == 1
    assert len(list(tmp_path.iterdir())) == 2
    clear(tmp_path)
    assert list(tmp_path.iterdir()) == []
    clear(tmp_path / "never made")


def test_the_record_of_a_finished_unit_is_smaller(tiny, tmp_path):
    chosen = tiny.params(epochs=3, ema_decay=0.9)
    with pytest.raises(Killed):
        tiny.run(chosen, checkpoints=tmp_path, evaluate=stopping_after(tiny, 2))
    (file,) = tmp_path.iterdir()
    running = len(load_file(file))
    tiny.run(chosen, checkpoints=tmp_path)
    assert len(load_file(file)) * 3 < running


@pytest.mark.parametrize("what", ["fingerprint", "parameters", "network"])
def test_a_checkpoint_of_something_else_is_discarded_and_the_log_says_so(
    tiny, tmp_path, caplog, what
):
    chosen = tiny.params(epochs=2)
    tiny.run(chosen, label="fold0", checkpoints=tmp_path, fingerprint="data 1")
    changed = {"fingerprint": "data 1"}
    if what == "fingerprint":
        changed["fingerprint"] = "data 2"
    elif what == "parameters":
        chosen = tiny.params(epochs=2, learning_rate=0.01)
    else:
        changed["kind"] = tiny.Plain
    with caplog.at_level(logging.WARNING):
        result = tiny.run(chosen, label="fold0", checkpoints=tmp_path, **changed)
    assert result.resumed_from_epoch is None
    assert "fold0: checkpoint" in caplog.text
    assert "belongs to other parameters, data or network; training starts again" in caplog.text


def test_a_damaged_checkpoint_is_discarded_and_the_log_says_so(tiny, tmp_path, caplog):
    chosen = tiny.params(epochs=2)
    tiny.run(chosen, label="fold0", checkpoints=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    with caplog.at_level(logging.WARNING):
        assert tiny.run(chosen, label="fold0", checkpoints=tmp_path).resumed_from_epoch is None
    assert "cannot be read" in caplog.text


def test_a_kill_while_saving_leaves_the_old_or_the_new_state(tmp_path):
    checkpoint = Checkpoint(tmp_path, "fold0")
    checkpoint.save({"fingerprint": "x", "number": 0, "weights": torch.zeros(50_000)})
    reached = 0
    for attempt in range(6):
        child = os.fork()
        if child == 0:
            for number in range(reached, 10_000):
                weights = torch.full((50_000,), float(number))
                checkpoint.save({"fingerprint": "x", "number": number, "weights": weights})
            os._exit(0)
        time.sleep(0.05 + 0.013 * attempt)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        state = checkpoint.load("x")
        assert state is not None
        assert (state["weights"] == state["number"]).all(), "tensors and header disagree"
        reached = state["number"]
    assert reached > 0
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.path.name]


def test_state_comes_back_as_it_was(tmp_path):
    shared = torch.arange(3.0)
    state = {
        "fingerprint": "x",
        "state": {0: {"step": torch.tensor(3.0), "kept": None}, 1: {}},
        "betas": (0.9, 0.999),
        "rows": [{"loss": 0.1, "epoch": 1, "inf": float("inf")}],
        "tied": [shared, shared],
        "half": torch.ones(2, dtype=torch.bfloat16),
        "flag": True,
    }
    checkpoint = Checkpoint(tmp_path, "fold0")
    checkpoint.save(state)
    loaded = checkpoint.load("x")
    assert loaded["state"] == {0: {"step": torch.tensor(3.0), "kept": None}, 1: {}}
    assert loaded["betas"] == (0.9, 0.999)
    assert loaded["rows"] == state["rows"]
    assert loaded["flag"] is True
    assert all(torch.equal(tensor, shared) for tensor in loaded["tied"])
    assert loaded["half"].dtype == torch.bfloat16
    with pytest.raises(TypeError, match="/odd is a <class 'set'>"):
        checkpoint.save({"odd": {1}})


def test_labels_that_read_the_same_have_files_of_their_own(tmp_path):
    paths = {Checkpoint(tmp_path, label).path for label in ("a/b", "a b", "a-b", "", "../a")}
    assert len(paths) == 5
    assert {path.parent for path in paths} == {tmp_path}


def test_clear_leaves_other_files(tmp_path):
    Checkpoint(tmp_path, "fold0").save({"fingerprint": "x"})
    kept = tmp_path / "model.safetensors"
    kept.write_text("kept")
    clear(tmp_path)
    assert list(tmp_path.iterdir()) == [kept]


def test_fingerprints_depend_on_every_part(tiny):
    same = fingerprint(params=tiny.params(), rows=3, file=Path("a"))
    assert same == fingerprint(file=Path("a"), rows=3, params=tiny.params())
    assert same != fingerprint(params=tiny.params(seed=9), rows=3, file=Path("a"))
    assert len(same) == 64


def test_fingerprints_see_every_value_of_an_array():
    values = np.zeros(5_000)
    changed = values.copy()
    changed[2_500] = 1e-9  # where the printed form shows only dots
    assert fingerprint(a=values) == fingerprint(a=values.copy()) != fingerprint(a=changed)
    assert fingerprint(a=values) != fingerprint(a=values.reshape(2, -1))
    assert fingerprint(a=values) != fingerprint(a=values.astype(np.float32))
    assert fingerprint(a=torch.tensor(values)) == fingerprint(a=values)
    assert fingerprint(a=torch.ones(3, dtype=torch.bfloat16)) != fingerprint(a=torch.ones(3))
    names = np.array(["a", "b"], dtype=object)
    assert fingerprint(a=names) == fingerprint(a=np.array(["a", "b"])) != fingerprint(a=names[::-1])
    with pytest.raises(TypeError, match="a <class 'object'> has no plain form"):
        fingerprint(a={"nested": [object()]})


def test_what_a_kill_left_of_a_write_is_removed(tmp_path):

    checkpoint = Checkpoint(tmp_path, "fold0")
    for remove in (lambda: checkpoint.load("x"), lambda: clear(tmp_path)):
        scratch = [tmp_path / ".tmpa1B2c3", tmp_path / f".{checkpoint.path.name}.0a1b2c3d.tmp"]
        for path in scratch:
            save_file({"w": torch.zeros(1)}, path)
        remove()
        assert not any(path.exists() for path in scratch)
