"""Jobs of a real service: carried out, ended, held to limits, refused; what a kill leaves."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil
import pytest
from tests.platform.conftest import job_project, until
from tests.platform.service import BOSS, OTHER, OVER, READY, TRAINER, VIEWER, Service

from crisol.platform.api.jobs_api import JobQuery
from crisol.platform.jobs.executors import processes
from crisol.platform.listing import encode_token


@pytest.fixture(scope="module")
def service(families, tmp_path_factory, template_database) -> Iterator[Service]:
    project = job_project(tmp_path_factory.mktemp("jobs") / "project", template_database)
    made = Service(
        project.folder, CRISOL_PLATFORM_WORKERS="1", CRISOL_PLATFORM_MAX_STREAMS="1"
    ).wait()
    yield made
    made.stop()


@dataclass
class Story:
    """What happened while one service, killed once, carried out jobs of every kind of end.

    Attributes:
        jobs: by name, as they were when they were over.
        peak: most that ran at once.
        put_off: what the service said of itself while a job's folder could not be made.
        pids: of the stubborn job before the service was killed, after it, and after its restart.
        found_again: the stubborn and the last job after the restart.
        second: the stubborn job in its second attempt.
        carriers: processes of that attempt.
    """

    jobs: dict[str, dict[str, Any]]
    peak: int
    put_off: str
    pids: list[set[int]]
    found_again: tuple[dict[str, Any], dict[str, Any]]
    second: dict[str, Any]
    carriers: int


@pytest.fixture(scope="module")
def story(service: Service) -> Story:
    """Starts are what costs: every test asks about the same few jobs."""
    client, peak = service.client(), 0
    trained = service.make("linear", {"epochs": 4}, name="a line", priority=9, start=False)
    put_off = blocked(service, trained)
    burden = {"pause_s": 600, "child": True, "deaf": True}
    stubborn = service.make("burdens", burden, retries=1, priority=8)
    late = service.make("burdens", {}, limits={"time_s": 0.5})
    large = service.make("burdens", {}, limits={"memory_mb": 64}, priority=5)
    held = service.make("linear", {}, start=False)
    assert service.job(held)["detail"] == "held"

    def working() -> bool:
        nonlocal peak
        peak = max(peak, client.get("/v1/health").json()["jobs"]["running"])
        return service.is_at_work(stubborn)

    until(working)
    pids = [pids_of(stubborn)]
    service.kill()
    pids.append(pids_of(stubborn))
    service.begin_again()
    client = service.client()
    until(lambda: client.get("/v1/health").json()["jobs"]["running"] == 1)
    pids.append(pids_of(stubborn))
    found_again = service.job(stubborn), service.job(late)

    (service.folder(stubborn) / READY).unlink()
    os.kill(int((service.folder(stubborn) / "lock").read_text()), signal.SIGKILL)
    until(working)
    second, carriers = service.job(stubborn), len(processes.of_job(stubborn))
    cancel = f"/v1/jobs/{stubborn}/cancel"
    assert client.post(cancel).json()["detail"] == "cancelling"
    assert client.post(cancel).status_code in (202, 409), "twice does no harm"
    assert client.post(f"/v1/jobs/{held}/cancel").status_code == 202
    made = {"trained": trained, "stubborn": stubborn, "large": large, "slow": late, "held": held}
    jobs = {}
    for name, job_id in made.items():
        until(lambda job_id=job_id: service.job(job_id)["status"] in OVER)
        jobs[name] = service.job(job_id)
    return Story(jobs, peak, put_off, pids, found_again, second, carriers)


def blocked(service: Service, job_id: str) -> str:
    """Start a held job whose folder cannot be made, as on a full disk; then let it be made."""
    service.folder(job_id).touch()
    assert service.client().post(f"/v1/jobs/{job_id}/start").status_code == 200

    def told() -> str:
        answer = service.client().get("/v1/health")
        return answer.json()["details"][0]["message"] if answer.status_code == 503 else ""

    said: str = until(told)
    assert service.job(job_id)["status"] == "pending"
    service.folder(job_id).unlink()
    until(lambda: service.client().get("/v1/health").status_code == 200)
    return said


def pids_of(job_id: str) -> set[int]:
    return {process.pid for process in processes.of_job(job_id)}


@pytest.fixture(scope="module")
def jobs(story: Story) -> dict[str, dict[str, Any]]:
    """The jobs of the story, when they were over."""
    return story.jobs


def test_what_cannot_be_begun_now_waits(story: Story) -> None:
    assert story.put_off == "1 jobs cannot be begun yet; see the log"
    assert story.jobs["trained"]["attempts"] == 1


def test_jobs_outlive_the_service_and_are_not_begun_twice(service: Service, story: Story) -> None:
    before, alone, after = story.pids
    assert len(before) == 3, "worker, kedro run, orphan"
    assert before == alone == after
    running, late = story.found_again
    assert (running["status"], running["attempts"]) == ("running", 1)
    assert late["detail"] == "queued"
    log = [json.loads(line) for line in service.log.read_text().splitlines() if line[:1] == "{"]
    begun = [(line["job"], line["attempt"]) for line in log if line["event"] == "job begun"]
    expected = ("trained", 1), ("stubborn", 1), ("large", 1), ("stubborn", 2), ("slow", 1)
    assert begun == [(story.jobs[name]["id"], attempt) for name, attempt in expected]


def test_another_attempt_follows_a_worker_that_was_killed(story: Story) -> None:
    assert (story.second["status"], story.second["attempts"]) == ("running", 2)
    assert story.second["reason"].startswith("attempt 1 was lost: its worker ended without a word")
    assert not any(psutil.pid_exists(pid) for pid in story.pids[0]), "nothing of the first is left"
    assert story.carriers == 3


def test_a_job_is_a_kedro_run_that_registers_a_version(service: Service, jobs) -> None:
    job = jobs["trained"]
    assert (job["status"], job["reason"], job["attempts"]) == ("completed", None, 1)
    assert job["version"] == {"model": "linear", "number": "1", "semver": "1.0.0"}
    assert job["parameters"] == {"linear": {"train": {"epochs": 4}}}
    assert job["peak_memory_mb"] > 50
    progress = service.client().get(f"/v1/jobs/{job['id']}/progress").json()
    assert progress["fraction"] == 1
    assert (progress["nodes_done"], progress["nodes"]) == (4, 4)
    assert [step for step, _ in progress["history"]["line.train_loss"]] == [1, 2, 3, 4]
    later = service.client().get(f"/v1/jobs/{job['id']}/progress?since_step=3").json()
    assert later["history"]["line.train_loss"] == [[4, 0.25]]


def test_its_folder_is_gone_and_its_log_is_an_artefact(service: Service, jobs) -> None:
    assert not service.folder(jobs["trained"]["id"]).exists()
    url = f"/v1/jobs/{jobs['trained']['id']}/logs"
    whole = service.client().get(url, params={"limit": 1_000_000}).json()
    assert "version  linear/1" in whole["text"]
    assert whole["ended"]
    parts, offset = [], 0
    while offset < whole["size"]:
        part = service.client().get(url, params={"offset": offset, "limit": 700}).json()
        parts.append(part["text"])
        offset = part["next_offset"]
    assert "".join(parts) == whole["text"]
    assert whole["text"].endswith(service.client().get(url, params={"tail": 50}).json()["text"])


def test_the_events_tell_it_in_order_and_go_on_from_the_last_id(service: Service, jobs) -> None:
    events = read_events(service, jobs["trained"]["id"])
    kinds = [event["event"] for event in events]
    assert kinds == ["state", "progress", "log", "end"]
    assert json.loads(events[-1]["data"])["status"] == "completed"
    again = read_events(service, jobs["trained"]["id"], events[-2]["id"])
    assert [event["event"] for event in again] == ["state", "progress", "end"], "no log twice"


def read_events(service: Service, job_id: str, last: str | None = None) -> list[dict[str, str]]:
    headers = {"last-event-id": last} if last else {}
    text = service.client().get(f"/v1/jobs/{job_id}/events", headers=headers).text
    blocks = [block for block in text.split("\n\n") if block.startswith("id")]
    return [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]


def test_cancel_ends_every_process_deaf_and_orphaned_ones_too(service: Service, jobs) -> None:
    job = jobs["stubborn"]
    assert job["status"] == "cancelled"
    assert job["reason"].startswith("cancelled by key:")
    assert processes.of_job(job["id"]) == []
    assert not service.folder(job["id"]).exists()
    assert service.client().post(f"/v1/jobs/{job['id']}/cancel").status_code == 409


def test_limits_end_a_job_with_the_reason(service: Service, jobs) -> None:
    assert (jobs["slow"]["status"], jobs["large"]["status"]) == ("failed", "failed")
    assert jobs["slow"]["reason"].startswith("it ran into its time limit (after ")
    assert "more memory than they may (most: " in jobs["large"]["reason"]
    assert service.folder(jobs["slow"]["id"]).is_dir(), "kept for whoever looks for the cause"


def test_no_more_run_at_once_than_there_are_workers(story: Story) -> None:
    assert story.peak == 1


def test_a_job_that_waits_can_be_cancelled(service: Service, jobs) -> None:
    held = jobs["held"]
    assert (held["status"], held["started"], held["attempts"]) == ("cancelled", None, 0)
    assert service.client().post(f"/v1/jobs/{held['id']}/start").status_code == 409


def test_who_may_do_what(service: Service, jobs) -> None:
    body = {"family": "linear"}
    assert service.client(VIEWER).post("/v1/jobs", json=body).status_code == 403
    job_id = service.make("linear", {}, start=False)
    cancel = f"/v1/jobs/{job_id}/cancel"
    assert service.client(VIEWER).get(f"/v1/jobs/{job_id}").status_code == 200
    assert service.client(VIEWER).post(cancel).status_code == 403
    assert service.client(OTHER).post(cancel).status_code == 403
    assert service.client(OTHER).post(f"/v1/jobs/{job_id}/start").status_code == 403
    assert service.client(BOSS).post(cancel).status_code == 202
    until(lambda: service.job(job_id)["status"] == "cancelled")


def test_a_wrong_request_names_each_field(service: Service) -> None:
    def fields(body: dict[str, Any]) -> list[str]:
        answer = service.client().post("/v1/jobs", json=body)
        assert answer.status_code == 422, answer.text
        return [detail["field"] for detail in answer.json()["details"]]

    wrong = {"linear": {"train": {"epochs": 0, "rate": 1}}}
    assert fields({"family": "linear", "parameters": wrong}) == [
        "parameters.linear.train.epochs",
        "parameters.linear.train.rate",
    ]
    for parameters, field in (
        ({"linear": {"trian": {}}}, "parameters.linear.trian"),
        ({"signals": {}}, "parameters.signals"),
        ({"linear": {"data": {"names": "${oc.env:HOME}"}}}, "parameters.linear.data.names"),
        ({"linear": {"data": {"file": "/etc/passwd"}}}, "parameters.linear.data.file"),
    ):
        assert fields({"family": "linear", "parameters": parameters}) == [field]
    assert fields({"family": "lines"}) == ["family"]
    assert fields({"family": "linear", "model": "signals.x"}) == ["model"]
    assert fields({"family": "linear", "environment": "local"}) == ["environment"]
    assert fields({"family": "linear", "dataset": "0" * 32}) == ["dataset"]
    assert fields({"family": "linear", "limits": {"time_s": 0}}) == ["limits.time_s"]


def test_the_same_key_makes_one_job(service: Service) -> None:
    headers = {"idempotency-key": "once"}
    body = {"family": "linear", "start": False}
    first, second = (
        service.client().post("/v1/jobs", json=body, headers=headers) for _ in range(2)
    )
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert first.headers["location"] == f"/v1/jobs/{first.json()['id']}"


def test_listing_filters_and_goes_from_page_to_page(service: Service, jobs) -> None:
    client = service.client()
    query = {"owner": "me", "status": "failed", "limit": 1}
    first = client.get("/v1/jobs", params=query).json()
    token = first["next_page_token"]
    second = client.get("/v1/jobs", params={**query, "page_token": token}).json()
    found = {page["items"][0]["id"] for page in (first, second)}
    assert found == {jobs["slow"]["id"], jobs["large"]["id"]}
    made_up = encode_token(JobQuery(), [10**13, "what MLflow does not know"])
    for wrong in (encode_token(JobQuery(), -1), made_up):
        assert client.get("/v1/jobs", params={"page_token": wrong}).status_code == 422
    foreign = client.get("/v1/jobs", params={"page_token": token})
    assert foreign.status_code == 422
    oldest = client.get("/v1/jobs", params={"sort": "created", "limit": 1}).json()["items"][0]
    assert oldest["id"] == jobs["trained"]["id"]
    assert client.get("/v1/jobs", params={"family": "signals"}).json()["items"] == []
    assert client.get("/v1/jobs", params={"owner": "me'"}).status_code == 422
    since = {"created_since": oldest["created"].replace("Z", ""), "limit": 1}
    page = client.get("/v1/jobs", params=since).json()
    later = service.make("linear", {}, start=False)
    rest = client.get(
        "/v1/jobs", params={**since, "limit": 99, "page_token": page["next_page_token"]}
    )
    told = [job["id"] for job in page["items"] + rest.json()["items"]]
    assert len(told) == len(set(told)), "a job that was made between two pages repeats no other"
    assert later not in told
    assert oldest["id"] in told, "a time without an offset is UTC"


def test_a_job_knows_no_key_of_the_service(service: Service, jobs) -> None:
    text = service.client().get(f"/v1/jobs/{jobs['stubborn']['id']}/logs").json()["text"]
    said = [line for line in text.splitlines() if line.startswith("carrying, with")]
    assert len(said) == 2, "both attempts"
    assert all("CRISOL_JOB" in line and "KEY" not in line for line in said)
    assert TRAINER not in text


def test_streams_of_events_are_bounded(service: Service) -> None:
    client = service.client()
    job_id = service.make("linear", {}, start=False)
    with client.stream("GET", f"/v1/jobs/{job_id}/events") as first:
        pieces = first.iter_raw()  # kept: with it the connection would go
        next(pieces)
        with client.stream("GET", f"/v1/jobs/{job_id}/events") as refused:
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")

    def freed() -> bool:
        with client.stream("GET", f"/v1/jobs/{job_id}/events") as again:
            return again.status_code == 200

    until(freed, 10)


def test_an_unknown_job_is_404(service: Service) -> None:
    for path in ("", "/progress", "/events", "/logs"):
        answer = service.client().get(f"/v1/jobs/{'0' * 32}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "job_unknown")
