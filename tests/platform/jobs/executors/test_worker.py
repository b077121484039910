"""The parts between the service and a run: ends of jobs, logs, marks of processes, locks."""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.platform.conftest import until

from crisol.core.locks import is_locked
from crisol.platform.jobs.executors import processes, worker
from crisol.platform.jobs.executors.executor import LOCK, Outcome, Work
from crisol.platform.jobs.job_end import job_end, last_error
from crisol.platform.jobs.job_tags import CANCEL
from crisol.platform.jobs.logs import Logs

SLEEPER = [sys.executable, "-c", "import os, time\nif os.fork() == 0: os.setsid()\ntime.sleep(600)"]


def outcome(code: int = 1, by: str | None = None) -> Outcome:
    return Outcome(code, by, 5.0, 100.0)


@pytest.mark.parametrize(
    ("status", "tags", "found", "expected"),
    [
        ("FINISHED", {CANCEL: "by me"}, outcome(-15, "stop"), ("completed", "", False)),
        ("KILLED", {CANCEL: "by me"}, outcome(-15, "stop"), ("cancelled", "by me", False)),
        ("RUNNING", {CANCEL: "by me"}, None, ("cancelled", "by me", False)),
        ("RUNNING", {}, None, ("failed", "its worker ended without a word", True)),
        ("KILLED", {}, outcome(-15, "stop"), ("failed", "it was stopped from outside", True)),
        ("KILLED", {}, outcome(-15, "time_limit"), ("failed", "it ran into its time", False)),
        (
            "FAILED",
            {"crisol.error": "ValueError: x"},
            outcome(),
            ("failed", "ValueError: x", False),
        ),
        ("RUNNING", {}, outcome(-9), ("failed", "its process was ended by signal 9", True)),
        ("SCHEDULED", {}, outcome(1), ("failed", "said", False)),
    ],
)
def test_how_a_job_ended(status, tags, found, expected) -> None:
    came = job_end(status, tags, found, "said")
    assert (came.status, came.lost) == (expected[0], expected[2])
    assert came.reason.startswith(expected[1])


def test_the_error_a_log_ends_with(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_error(log) == ""
    log.write_text("Error: no pipeline\n")
    assert last_error(log) == "no pipeline"
    log.write_text(
        "one\nError: first\na second Error: x\n\x1b[31mError: data.x is\n  wrong\x1b[0m\n"
    )
    assert last_error(log) == "data.x is wrong"
    log.write_text('Traceback:\n  File "x.py"\nKeyError: 1\n\nkedro.io.core.DatasetError: no x\n')
    assert last_error(log) == "DatasetError: no x"


@pytest.fixture
def ids() -> Iterator[tuple[str, str]]:
    """Two jobs, of which nothing is left afterwards."""
    made = (uuid4().hex, uuid4().hex)
    yield made
    for job_id in made:
        processes.kill_job(job_id)


def test_every_process_of_a_job_is_found_and_ended(ids) -> None:
    mine, others = ids
    environment = processes.job_environment(os.environ, mine)
    child = subprocess.Popen(SLEEPER, env=environment, start_new_session=True)
    other = subprocess.Popen(SLEEPER, env=processes.job_environment(os.environ, others))
    until(lambda: len(processes.of_job(mine)) == 2 == len(processes.of_job(others)))
    assert processes.memory_mb(processes.of_job(mine)) > 5
    assert processes.kill_job(mine)
    child.wait(5)
    assert other.poll() is None, "another job's are left alone"
    assert processes.kill_job(others)
    other.wait(5)


def test_secrets_of_the_service_are_not_handed_on() -> None:
    given = {"CRISOL_API_KEYS": "a", "CRISOL_JWT_SECRET": "b", "KEDRO_ENV": "ci", "HOME": "/"}
    made = processes.job_environment({**given, "CRISOL_STUDIES": "s"}, "7", {"X": "y"})
    assert made == {"HOME": "/", "CRISOL_STUDIES": "s", "X": "y", "CRISOL_JOB": "7"}


def test_an_attempt_is_begun_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_LOCK_PATIENCE_S", 0.1)
    work = Work(tmp_path.name, 1, tmp_path)
    assert not is_locked(tmp_path / LOCK)
    held = os.open(tmp_path / LOCK, os.O_CREAT | os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    assert is_locked(tmp_path / LOCK)
    assert worker.main(tmp_path, 1) == worker.ALREADY, "somebody is at work"
    os.close(held)
    work.started_file.touch()
    assert worker.main(tmp_path, 1) == worker.ALREADY, "somebody was"
    assert work.outcome() is None


def test_a_log_is_cut_off_and_read_in_whole_characters(tmp_path: Path) -> None:
    folder = tmp_path / "7"
    folder.mkdir()
    keep = worker._keeper(folder / "log.txt", 12)
    for part in ("añb\n", "çdé\n", "more"):
        keep(part.encode())
    job = type("Running", (), {"id": "7", "over": False})()
    logs = Logs(None, tmp_path)  # type: ignore[arg-type]
    text, offset = "", 0
    for _ in range(30):
        part = logs.read(job, offset, 4)
        text, offset = text + part.text, part.next_offset
    assert text == "añb\nçdé\nm\n[the log is cut off at 12 bytes]\n"
    assert logs.read(job, -5, 100).text == "tes]\n"
    shutil.rmtree(folder)
    assert logs.read(job, offset, 100) == (offset, "", offset, offset), "over, and not known yet"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_a_worker_that_is_killed_takes_its_run_along(ids) -> None:
    job_id, _ = ids
    code = (
        "import subprocess, sys, time\n"
        "from crisol.platform.jobs.executors import processes\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
        " preexec_fn=processes.die_with_parent, start_new_session=True)\n"
        "time.sleep(600)"
    )
    environment = processes.job_environment(os.environ, job_id)
    parent = subprocess.Popen([sys.executable, "-c", code], env=environment)
    until(lambda: len(processes.of_job(job_id)) == 2)
    time.sleep(0.1)
    parent.kill()
    parent.wait()
    until(lambda: processes.of_job(job_id) == [], 5)
