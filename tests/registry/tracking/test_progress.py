"""How far a run is, and the trials of a search, as MLflow shows them."""

import time

import pytest
from tests.registry.conftest import Project

from crisol.core.progress import TrialResult, callbacks, emit, emit_trial
from crisol.registry import recovery
from crisol.registry.tracking import run_log, runs, trials


def told(project: Project, run_id: str, name: str) -> list[float]:
    history = project.store.client().get_metric_history(run_id, f"progress.{name}")
    return [m.value for m in sorted(history, key=lambda m: m.step)]


def test_a_run_counts_its_nodes(project: Project) -> None:
    project.run()
    [run] = project.runs()
    assert run.data.metrics["progress.nodes"] == 4
    assert told(project, run.info.run_id, "nodes_done")[-1] == 4
    result = project.command("reproduce", "linear/1", "--json")
    assert "progress" not in result.stdout


def test_progress_is_written_once_a_second_and_ends_with_the_newest(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_log, "_PROGRESS_INTERVAL_S", 0.4)
    log = runs.open_run(project.store, "linear", {})
    with callbacks(log.metrics, on_progress=log.progress):
        for batch in range(1, 101):
            emit({"progress.batch": batch, "progress.batches": 100, "loss": 1.0}, batch)
            time.sleep(0.01)
        time.sleep(0.6)  # nothing more comes, and the newest is written all the same
        seen = project.store.client().get_run(log.run_id).data.metrics
        assert seen["progress.batch"] == 100
        emit({"progress.seconds_left": 9.0, "progress.fraction": 0.5}, 0)
    log.reset_progress()
    log.finish()
    batches = told(project, log.run_id, "batch")
    assert 3 <= len(batches) <= 6
    assert batches == sorted(batches)
    assert told(project, log.run_id, "batches") == [100], "what does not change is written once"
    assert told(project, log.run_id, "seconds_left")[-1] == 0
    assert told(project, log.run_id, "fraction")[-1] == 0


def test_after_a_resume_the_newest_progress_is_the_newest(project: Project) -> None:
    run_id = runs.schedule_run(project.store, "linear", "linear", {})
    for fraction in (0.9, 0.2):
        log = runs.adopt_run(project.store, run_id, ["linear"], None, {})
        log.progress({"progress.fraction": fraction})
        log.flush()
        time.sleep(0.01)
    assert project.store.client().get_run(run_id).data.metrics["progress.fraction"] == 0.2
    log.finish()


def test_trials_are_finished_child_runs(project: Project) -> None:
    log = runs.open_run(project.store, "linear.shop_1", {})
    with callbacks(log.metrics, on_trial=lambda trial: trials.log_trial(log, trial)):
        settings = {"trees": 10, "depth": None, "sizes": [3, 4]}
        emit_trial(
            TrialResult(0, "forest", settings, "complete", 0.8, {"auc": 0.9}, 2.5, (0.7, 0.9))
        )
        emit_trial(TrialResult(1, "network", {f"p{n}": n for n in range(150)}, "failed"))
        emit_trial(TrialResult(2, "network", {}, "pruned", 0.4))
        emit_trial(TrialResult(3, "network", {}, "timeout"))
    log.finish()
    client = project.store.client()
    found = client.search_runs(
        [project.store.experiment_id("linear")],
        filter_string=f"tags.`mlflow.parentRunId` = '{log.run_id}'",
    )
    children = {int(run.data.tags["crisol.trial"]): run for run in found}
    states = [children[n].info.status for n in range(4)]
    assert states == ["FINISHED", "FAILED", "FINISHED", "KILLED"]
    first = children[0]
    assert first.data.metrics == {"value": 0.8, "auc": 0.9, "seconds": 2.5, "fold_value": 0.9}
    assert first.data.params == {
        "algorithm": "forest",
        "trees": "10",
        "depth": "null",
        "sizes": "[3, 4]",
    }
    assert first.info.end_time - first.info.start_time == 2500
    assert first.data.tags["crisol.model"] == "linear.shop_1"
    folds = client.get_metric_history(first.info.run_id, "fold_value")
    assert [(m.step, m.value) for m in folds] == [(0, 0.7), (1, 0.9)]
    assert len(children[1].data.params) == 151
    assert recovery.recover(project.store) == []


def test_progress_that_cannot_be_written_waits_and_ends_no_training(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    log = runs.open_run(project.store, "linear", {})
    database, moved = project.folder / "mlflow.db", project.folder / "aside.db"
    database.rename(moved)
    database.touch()  # a database without tables, as far as MLflow can see
    log.progress({"progress.fraction": 0.25})
    log._write_progress()
    assert "could not be written" in caplog.text
    moved.replace(database)
    log.finish()
    assert told(project, log.run_id, "fraction") == [0.25]
