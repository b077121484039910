"""The platform on a real PostgreSQL: texts that it refuses, and an outage."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import start_again
from tests.platform.answering import Answering, served
from tests.platform.conftest import job_project, until

from crisol.platform.jobs import job_tags
from crisol.registry.tracking import runs


@pytest.fixture(scope="module")
def platform(
    families: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    template_database: Path,
    new_database: Callable[[], str],
) -> Iterator[Answering]:
    project = job_project(tmp_path_factory.mktemp("database") / "project", template_database)
    project.move_to(new_database())
    with served(project.store) as answering:
        yield answering


@pytest.fixture(scope="module")
def client(platform: Answering) -> Iterator[httpx.Client]:
    with platform.client("everything") as client:
        yield client


def named(answer: httpx.Response) -> tuple[int, list[str]]:
    """The status of an answer and the fields that it names."""
    return answer.status_code, [detail["field"] for detail in answer.json()["details"]]


@pytest.mark.parametrize("field", ["name", "model", "family", "environment", "dataset"])
def test_a_job_with_a_text_that_cannot_be_stored_is_refused(
    client: httpx.Client, field: str
) -> None:
    body = {"family": "linear", "start": False, field: "linear\0"}
    assert named(client.post("/v1/jobs", json=body)) == (422, [field])


@pytest.mark.parametrize("field", ["name", "description", "family", "from"])
def test_a_dataset_with_a_text_that_cannot_be_stored_is_refused(
    client: httpx.Client, field: str
) -> None:
    answer = client.post("/v1/datasets", json={"name": "table", field: "a\0b"})
    assert named(answer) == (422, [field])


@pytest.mark.parametrize("path", ["jobs/a%00b", "datasets/a%00b", f"jobs/{'a' * 300}"])
def test_an_id_that_cannot_be_stored_is_unknown(client: httpx.Client, path: str) -> None:
    assert client.get(f"/v1/{path}").status_code == 404


def test_only_its_owner_starts_a_held_job(platform: Answering, client: httpx.Client) -> None:
    body = {"family": "linear", "start": False, "parameters": {"linear": {"train": {"epochs": 1}}}}
    with platform.client("trainer") as owner, platform.client("promoter") as promoter:
        job = owner.post("/v1/jobs", json=body).json()["id"]
        for other in (client, promoter):
            assert other.post(f"/v1/jobs/{job}/start").status_code == 403
        assert owner.get(f"/v1/jobs/{job}").json()["detail"] == "held"
        assert promoter.post(f"/v1/jobs/{job}/cancel").status_code == 202


def test_a_reason_says_nothing_of_the_server(platform: Answering, client: httpx.Client) -> None:
    store = platform.platform.store
    tags = {
        job_tags.HELD: "false",
        job_tags.SETTLED: "2026-11-28T10:00:00+00:00",
        job_tags.REASON: "DataError: (psycopg2.errors.X) value too long\n[SQL: INSERT INTO tags]",
    }
    run_id = runs.schedule_run(store, "linear", "linear", tags)
    store.client().set_terminated(run_id, "FAILED")
    reason = client.get(f"/v1/jobs/{run_id}/progress").json()["reason"]
    assert reason.startswith("a database refused a request")


@pytest.mark.slow
def test_requests_are_told_to_come_again_while_the_database_is_away(
    client: httpx.Client, postgres: Any
) -> None:
    postgres.stop()
    try:
        for path in ("jobs", "datasets", "models", f"jobs/{'a' * 32}"):
            began = time.monotonic()
            answer = client.get(f"/v1/{path}")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), path
            assert "postgres" not in answer.text
            assert time.monotonic() - began < 1
        made = client.post("/v1/jobs", json={"family": "linear"}, headers={"Idempotency-Key": "1"})
        assert made.status_code == 503
        assert client.get("/livez").status_code == 200
    finally:
        start_again(postgres)
    assert client.get("/v1/jobs").status_code == 200, "the first request finds a new connection"
    body = {"family": "linear", "start": False}
    made = client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "2"})
    assert made.status_code == 201
    until(lambda: client.get("/v1/health").status_code == 200, 20)
