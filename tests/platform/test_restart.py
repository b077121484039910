"""Jobs outlive the service, and are neither lost nor begun twice, whatever is killed."""

import json
import os
import signal
from collections.abc import Iterator

import psutil
import pytest
from tests.platform.conftest import job_project, until
from tests.platform.service import Service

from crisol.platform import processes


@pytest.fixture
def service(families, tmp_path, template_database) -> Iterator[Service]:
    project = job_project(tmp_path / "project", template_database)
    made = Service(project.folder, CRISOL_PLATFORM_WORKERS="1").wait()
    yield made
    made.stop()


def test_kill_9_of_the_service_then_of_the_worker(service: Service) -> None:
    running = service.make("burdens", {"pause_s": 600, "child": True, "once": True}, retries=1)
    until(lambda: service.is_at_work(running))
    late = service.make("burdens", {}, limits={"time_s": 0.5})
    urgent = service.make("burdens", {}, limits={"time_s": 0.5}, priority=5)
    before = {p.pid for p in processes.of_job(running)}

    service.kill()
    assert {p.pid for p in processes.of_job(running)} == before
    service.begin_again()
    until(lambda: service.client().get("/v1/health").json()["jobs"]["running"] == 1)
    job = service.job(running)
    assert (job["status"], job["attempts"]) == ("running", 1)
    assert {p.pid for p in processes.of_job(running)} == before, "not begun twice"
    assert service.job(late)["detail"] == "queued"

    worker = int((service.folder(running) / "lock").read_text())
    assert worker in before
    os.kill(worker, signal.SIGKILL)
    until(lambda: service.job(running)["status"] == "completed")
    assert not any(psutil.pid_exists(pid) for pid in before), "nothing of the lost attempt is left"
    job = service.job(running)
    assert job["attempts"] == 2
    assert job["reason"].startswith("attempt 1 was lost: its worker ended without a word")

    until(lambda: service.job(late)["status"] == "failed")
    log = [json.loads(line) for line in service.log.read_text().splitlines() if line[:1] == "{"]
    begun = [(line["job"], line["attempt"]) for line in log if line["event"] == "job begun"]
    assert begun == [(running, 1), (urgent, 1), (running, 2), (late, 1)]
