"""How far a job is: read once for all, never back, curves in parts."""

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from crisol.core.progress import TrialResult
from crisol.platform.jobs import job_tags
from crisol.platform.jobs.job_runs import JobRuns, UnknownJobError
from crisol.platform.jobs.progress import FRESH_S, ProgressReader
from crisol.registry.store import Store
from crisol.registry.tracking import runs
from crisol.registry.tracking.run_log import RunLog
from crisol.registry.tracking.trials import log_trial


@pytest.fixture
def store(tmp_path: Path, template_database: Path) -> Store:
    path = tmp_path / "mlflow.db"
    shutil.copy(template_database, path)
    return Store(tracking_uri=f"sqlite:///{path}", artifact_root=(tmp_path / "a").as_uri())


@pytest.fixture
def running(store: Store) -> RunLog:
    """A job's run, as its `kedro run` has it."""
    tags = {job_tags.HELD: "false", "mlflow.user": "me"}
    run_id = runs.schedule_run(store, "signals", "signals", tags)
    return runs.adopt_run(store, run_id, ["signals"], None, {})


def test_the_fraction_follows_nodes_and_epochs_and_never_goes_back(store, running) -> None:
    reader = ProgressReader(JobRuns(store))
    seen = []

    def look(**told: float) -> None:
        running.progress({f"progress.{name}": value for name, value in told.items()})
        running.flush()
        reader.forget(running.run_id)
        seen.append(reader.read(running.run_id).progress)

    look(nodes=4, nodes_done=1)
    look(epoch=2, epochs=4, batch=5, batches=10, unit=1, unit_seconds_left=9.0, loss=0.5)
    look(unit=2, epoch=1, batch=1)
    look(nodes_done=2, unit_seconds_left=0.0)
    assert [p.fraction for p in seen] == [0.25, pytest.approx(0.3438), pytest.approx(0.3438), 0.5]
    assert (seen[1].epoch, seen[1].epochs, seen[1].batch, seen[1].batches) == (2, 4, 5, 10)
    assert (seen[1].loss, seen[1].seconds_left) == (0.5, 9.0)
    assert seen[3].seconds_left is None


def test_training_has_most_of_the_bar(store, running) -> None:
    reader = ProgressReader(JobRuns(store), lambda _: (0.1, 0.8, 0.1))

    def look(**told: float) -> float:
        running.progress({f"progress.{name}": value for name, value in told.items()})
        running.flush()
        reader.forget(running.run_id)
        return reader.read(running.run_id).progress.fraction

    assert look(nodes=3, nodes_done=0, fraction=0.5) == 0.05
    assert look(nodes_done=1, fraction=0.0) == 0.1
    assert look(fraction=0.5) == 0.5
    assert look(nodes_done=2, fraction=0.0) == 0.9
    assert look(nodes_done=3) == 0.999


def test_many_who_ask_cost_one_query(store, running, monkeypatch) -> None:
    jobs = JobRuns(store)
    asked: list[str] = []
    real = jobs.run

    def slow(job_id: str) -> Any:
        asked.append(job_id)
        time.sleep(0.1)
        return real(job_id)

    monkeypatch.setattr(jobs, "run", slow)
    reader = ProgressReader(jobs)
    began = time.monotonic()
    threads = [
        threading.Thread(target=lambda: [reader.read(running.run_id) for _ in range(50)])
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) <= 1 + (time.monotonic() - began) / FRESH_S


def test_trials_and_curves(store, running) -> None:
    reader = ProgressReader(JobRuns(store))
    running.metrics({"auto.best": 0.4, "a.train_loss": 1.0, "seconds.fit": 3.0}, step=1)
    running.metrics({"a.train_loss": 0.5}, step=2)
    running.flush()
    trial = TrialResult(0, "linear", {"c": 2}, "complete", 0.4, seconds=0.2)
    log_trial(running, trial)
    found = reader.read(running.run_id)
    assert [(t.number, t.algorithm, t.settings) for t in found.trials] == [
        (0, "linear", {"c": "2"})
    ]
    assert found.progress.trials is not None
    assert (found.progress.trials.ended, found.progress.trials.best) == (1, 0.4)
    assert found.progress.history["a.train_loss"] == [(1, 1.0), (2, 0.5)]
    assert found.progress.since(1).history == {"a.train_loss": [(2, 0.5)]}
    assert "seconds.fit" not in found.progress.metrics
    log_trial(running, TrialResult(1, "mlp", {}, "failed"))
    reader.forget(running.run_id)
    assert [t.state for t in reader.read(running.run_id).trials] == ["complete", "failed"]


def test_what_is_no_job_is_unknown(store) -> None:
    run = runs.open_run(store, "signals", {})
    for job_id in (run.run_id, "0" * 32, "no id"):
        with pytest.raises(UnknownJobError):
            ProgressReader(JobRuns(store)).read(job_id)
