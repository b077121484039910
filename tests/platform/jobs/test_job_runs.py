"""Jobs in MLflow: stored requests keep loading."""

import shutil
from pathlib import Path

import pytest

from crisol.platform.jobs import job_tags
from crisol.platform.jobs.job import JobRequest
from crisol.platform.jobs.job_runs import JobRuns
from crisol.platform.jobs.run_configuration import RunConfiguration
from crisol.registry.store import Store, StoreError
from crisol.registry.tracking import runs

STORED = {
    "request": {"family": "signals", "parameters": {"signals": {"train": {"epochs": 2}}}},
    "order": {
        "family": "signals",
        "model": "signals",
        "environment": "ci",
        "parameters": {"train": {"epochs": 2}},
    },
}
"""The artefact of a job, as version 0.1.0 first wrote it."""


@pytest.fixture
def store(tmp_path: Path, template_database: Path) -> Store:
    path = tmp_path / "mlflow.db"
    shutil.copy(template_database, path)
    return Store(tracking_uri=f"sqlite:///{path}", artifact_root=(tmp_path / "a").as_uri())


def test_a_request_that_was_stored_before_loads(store: Store) -> None:
    run_id = runs.schedule_run(store, "signals", "signals", {job_tags.HELD: "false"})
    jobs = JobRuns(store)
    with pytest.raises(StoreError):
        jobs.request(run_id)
    store.client().log_dict(run_id, STORED, job_tags.REQUEST_FILE)
    request, configuration = jobs.request(run_id)
    assert request == JobRequest.model_validate(STORED["request"])
    assert configuration == RunConfiguration("signals", "signals", "ci", {"train": {"epochs": 2}})


def test_a_new_request_is_stored_alike(store: Store) -> None:
    jobs = JobRuns(store)
    request = JobRequest.model_validate(STORED["request"])
    configuration = RunConfiguration("signals", "signals", "ci", {"train": {"epochs": 2}})
    made = jobs.create(request, configuration, "me")
    assert jobs.request(made.id) == (request, configuration)
    assert b'"order"' in jobs.artefact(made.id, job_tags.REQUEST_FILE)
