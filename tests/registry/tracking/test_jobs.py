"""A scheduled run is carried out by the `kedro run` that adopts it, once."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.registry.conftest import Project

from crisol.registry import recovery
from crisol.registry.release import versions
from crisol.registry.store import StoreError
from crisol.registry.tracking import provenance, runs
from crisol.registry.tracking.parameters import MODEL, RUN_ID

LINE = "linear.shop_1"


def schedule(project: Project, **tags: str) -> str:
    asked = {"mlflow.user": "ana", **tags}
    return runs.schedule_run(project.store, "linear", LINE, asked, "the job of Ana")


def described(project: Project, run_id: str) -> Any:
    return project.store.client().get_run(run_id)


@pytest.fixture
def scheduled(project: Project) -> tuple[Project, str]:
    return project, schedule(project)


def test_a_scheduled_run_waits_and_is_not_swept(scheduled: tuple[Project, str]) -> None:
    project, run_id = scheduled
    assert recovery.recover(project.store) == []
    run = described(project, run_id)
    assert run.info.status == "SCHEDULED"
    assert run.info.run_name == "the job of Ana"
    tags = run.data.tags
    assert (tags["crisol.job"], tags["crisol.family"], tags["crisol.model"]) == (
        "true",
        "linear",
        LINE,
    )
    assert "crisol.pid" not in tags


def write_options(project: Project, run: str, **more: Any) -> Path:
    path = project.folder / "job.yml"
    names = "a,b=c; 'quoted' and a line\nbreak"
    parameters = {
        "linear": {"data": {"names": names}, "model": {}, "train": {"epochs": 2}},
        RUN_ID: run,
        "data_root": str(project.folder / "data/jobs" / run),
        **more,
    }
    path.write_text(yaml.safe_dump({"run": {"pipelines": "linear", "params": parameters}}))
    return path


def test_a_job_is_carried_out_with_the_parameters_of_a_file(
    scheduled: tuple[Project, str],
) -> None:
    """Nested sections, and strings no command line could carry."""
    project, run_id = scheduled
    result = project.command("run", "--config", str(write_options(project, run_id)))
    assert result.exit_code == 0, result.output
    [run] = project.runs()
    assert (run.info.run_id, run.info.status) == (run_id, "FINISHED")
    assert run.info.run_name == "the job of Ana"
    tags = run.data.tags
    assert tags["mlflow.user"] == "ana"
    assert tags["crisol.pid"] == str(os.getpid())
    assert tags["crisol.started_at"] > "2026"
    for name in ("git_commit", "lock_digest", "kedro", "env", "pipelines", "job"):
        assert tags[f"crisol.{name}"], name
    assert run.data.params["train.epochs"] == "2"
    resolved = versions.run_json(project.store, run_id, "parameters/resolved.json")
    assert resolved["data"]["names"] == "a,b=c; 'quoted' and a line\nbreak"
    assert {"mae", "line.train_loss", "seconds.fit"} <= run.data.metrics.keys()
    assert tags["crisol.version_registered"] == "1"
    assert versions.aliases(project.store, LINE) == {"candidate": "1"}
    again = project.command("run", "--config", str(write_options(project, run_id)))
    assert again.exit_code == 1
    assert f"run {run_id} has ended (FINISHED)" in again.output
    assert len(project.runs()) == 1


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({RUN_ID: "0" * 32}, "there is no run"),
        ({RUN_ID: "no such id"}, "there is no run"),
        ({MODEL: "linear"}, f"was scheduled for the model {LINE}, not for linear"),
    ],
)
def test_a_run_that_cannot_be_adopted_is_refused(
    scheduled: tuple[Project, str], parameters: dict[str, str], says: str
) -> None:
    project, run_id = scheduled
    path = write_options(project, run_id, **parameters)
    result = project.command("run", "--config", str(path))
    assert result.exit_code == 1
    assert says in result.output
    assert "Traceback" not in result.output
    assert described(project, run_id).info.status == "SCHEDULED"


def test_a_job_cannot_read_the_environment(
    scheduled: tuple[Project, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its parameters come over HTTP, and what they resolve to is shown in MLflow."""
    project, run_id = scheduled
    monkeypatch.setenv("PASSWORD_OF_THE_STORE", "hush")
    names = {"names": "${oc.env:PASSWORD_OF_THE_STORE}"}
    sections = {"data": names, "model": {}, "train": {}}
    result = project.command(
        "run", "--config", str(write_options(project, run_id, linear=sections))
    )
    assert result.exit_code == 1
    assert "params.linear.data.names: '${' is not allowed" in result.output
    assert "hush" not in result.output
    assert described(project, run_id).info.status == "SCHEDULED"


def test_a_run_of_another_family_is_refused(project: Project) -> None:
    run_id = runs.schedule_run(project.store, "signals", "signals", {})
    result = project.command("run", "--config", str(write_options(project, run_id)))
    assert "was scheduled for signals, and this kedro run is of linear" in result.output
    with pytest.raises(StoreError, match="this kedro run is of linear, signals"):
        runs.adopt_run(project.store, run_id, ["linear", "signals"], None, {})
    with pytest.raises(StoreError, match="not a model of signals"):
        runs.schedule_run(project.store, "signals", "linear", {})


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_a_run_that_has_ended_is_refused(scheduled: tuple[Project, str], status: str) -> None:
    project, run_id = scheduled
    project.store.client().set_terminated(run_id, status)
    with pytest.raises(StoreError, match=rf"has ended \({status}\)"):
        runs.adopt_run(project.store, run_id, ["linear"], None, {})
    with pytest.raises(StoreError, match=rf"has ended \({status}\)"):
        runs.reschedule_run(project.store, run_id)


def test_a_job_that_lost_its_process_is_left_to_who_scheduled_it(
    scheduled: tuple[Project, str],
) -> None:
    project, run_id = scheduled
    log = runs.adopt_run(project.store, run_id, ["linear"], None, {})
    log.parameters({}, {"train": {"epochs": 2}})
    client = project.store.client()
    client.set_tag(run_id, "crisol.process_started", "1.0")  # another process had this number
    assert recovery.recover(project.store) == []
    assert described(project, run_id).info.status == "RUNNING"
    again = runs.adopt_run(project.store, run_id, ["linear"], LINE, {})  # goes on
    again.parameters({}, {"train": {"epochs": 2}})
    with pytest.raises(StoreError, match="begun with other parameters"):
        again.parameters({}, {"train": {"epochs": 3}})
    runs.reschedule_run(project.store, run_id)
    run = described(project, run_id)
    assert run.info.status == "SCHEDULED"
    assert "crisol.pid" not in run.data.tags


def test_a_job_in_other_hands_is_refused(scheduled: tuple[Project, str]) -> None:
    project, run_id = scheduled
    client = project.store.client()
    client.update_run(run_id, status="RUNNING")
    parent = {**provenance.process_tags(), "crisol.pid": "1"}
    for tag, value in parent.items():
        client.set_tag(run_id, tag, value)
    client.set_tag(run_id, "crisol.host", "another-machine")
    with pytest.raises(StoreError, match=r"another process \(pid 1 on another-machine\)"):
        runs.adopt_run(project.store, run_id, ["linear"], None, {})


def test_only_jobs_are_rescheduled(project: Project) -> None:
    log = runs.open_run(project.store, "linear", {})
    with pytest.raises(StoreError, match="was not scheduled"):
        runs.reschedule_run(project.store, log.run_id)
    log.finish()
