"""Results, progress and trials reach their own callbacks."""

import time

import numpy as np
import pytest

from crisol.core import progress
from crisol.core.progress import TrialResult, callbacks, emit, emit_trial, next_training_run
from crisol.core.training import progress_reporter


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, float]]:
    """The progress values of every batch, emitted without the pause of a second."""
    monkeypatch.setattr(progress_reporter, "EMIT_EVERY_S", 0.0)
    return []


def run_with_callback(tiny, told, **options):
    with callbacks(lambda *_: None, on_progress=lambda values: told.append(dict(values))):
        return tiny.run(**options, chosen=tiny.params(epochs=3))


def test_a_training_tells_how_far_it_is(tiny, told) -> None:
    result = run_with_callback(tiny, told, label="fold0")
    ends = [t for t in told if t["progress.batch"] == t["progress.batches"]]
    # The last batch of an epoch and the epoch's own end: 96 rows are 6 batches of 16.
    assert [t["progress.epoch"] for t in ends] == [1, 1, 2, 2, 3, 3]
    assert len(told) == 3 * (6 + 1)
    last = ends[-1]
    assert (last["progress.epochs"], last["progress.batches"], last["progress.unit"]) == (3, 6, 1)
    assert last["progress.loss"] == result.history["train_loss"].iloc[-1]
    assert last["progress.learning_rate"] == result.history["learning_rate"].iloc[-1]
    assert last["progress.unit_seconds_left"] == 0
    left = [t["progress.unit_seconds_left"] for t in told[:-1]]
    assert min(left[:-1]) > 0
    assert all(t["progress.samples_per_second"] > 0 for t in told if t["progress.batch"] < 6)


def test_it_is_told_at_most_once_a_second(tiny) -> None:
    """A short training emits the end of each epoch and nothing else."""
    told: list[dict[str, float]] = []
    run_with_callback(tiny, told)
    assert len(told) == 3


def test_telling_changes_nothing_that_is_learned(tiny, told) -> None:
    quiet = tiny.run(tiny.params(epochs=3)).history
    watched = run_with_callback(tiny, told).history
    np.testing.assert_array_equal(quiet["train_loss"], watched["train_loss"])


def test_the_time_left_follows_the_measured_speed(told, monkeypatch) -> None:
    clock = iter([100.0, 102.0, 106.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with callbacks(lambda *_: None, on_progress=lambda values: told.append(dict(values))):
        measured = progress_reporter.ProgressReporter(epoch=1, epochs=3, batches=10)
        measured.batch(2, 1, rows=8, learning_rate=0.1, loss=lambda: 0.5)
        measured.batch(2, 3, rows=8, learning_rate=0.1, loss=lambda: 0.5)
    assert told[0]["progress.unit_seconds_left"] == pytest.approx(19 * 2.0)
    assert told[1]["progress.unit_seconds_left"] == pytest.approx(17 * 2.0)
    assert told[1]["progress.samples_per_second"] == pytest.approx(2.0)


def test_trainings_of_one_block_are_numbered() -> None:
    with callbacks(lambda *_: None):
        assert [next_training_run(), next_training_run()] == [1, 2]
        with callbacks(lambda *_: None):
            assert next_training_run() == 3
    assert next_training_run() == 1


def test_each_kind_reaches_its_own_callback() -> None:
    results, ahead, trials = [], [], []
    trial = TrialResult(3, "forest", {"trees": 10}, "pruned", seconds=0.5)
    with callbacks(
        lambda values, step: results.append((step, values)),
        on_progress=ahead.append,
        on_trial=trials.append,
    ):
        emit({"progress.fraction": 0.5, "loss": 1.0}, 7)
        emit({"progress.fraction": 0.6}, 7)
        emit_trial(trial)
    emit({"loss": 2.0}, 8)
    emit_trial(trial)
    assert results == [(7, {"loss": 1.0})]
    assert ahead == [{"progress.fraction": 0.5}, {"progress.fraction": 0.6}]
    assert trials == [trial]
    assert progress._registered.get() == ()
