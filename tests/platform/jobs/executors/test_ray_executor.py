"""Jobs on a real Ray, started for this module on this machine."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.platform.conftest import job_process_environment, job_project, until
from tests.platform.service import free_port

from crisol.platform.jobs.executors import processes
from crisol.platform.jobs.executors.ray_executor import RayExecutor
from crisol.platform.jobs.job import Job, JobRequest
from crisol.platform.jobs.job_runs import JobRuns
from crisol.platform.jobs.run_configuration import RunConfigurator
from crisol.platform.jobs.scheduler import Bounds, Scheduler

pytest.importorskip("ray", reason="the extra `ray` is not installed")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(families) -> Iterator[str]:
    """The job server of a Ray of one processor."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # its sockets need a short path
    port, dashboard = free_port(), free_port()
    ports = ["--port", str(port), "--dashboard-port", str(dashboard)]
    small = ["--num-cpus", "1", "--object-store-memory", "80000000"]
    command = ["start", "--head", "--include-dashboard", "true", *ports, *small]
    quiet = ["--min-worker-port", "0", "--max-worker-port", "0", "--disable-usage-stats"]
    subprocess.run(
        [sys.executable, "-m", "ray.scripts.scripts", *command, *quiet, "--temp-dir", str(folder)],
        env=job_process_environment(RAY_USAGE_STATS_ENABLED="0"),
        check=True,
        capture_output=True,
        timeout=120,
    )
    url = f"http://127.0.0.1:{dashboard}"
    yield url
    for process in psutil.process_iter():
        try:
            if str(folder) in " ".join(process.cmdline()):
                process.kill()
        except psutil.Error:
            continue
    shutil.rmtree(folder, ignore_errors=True)


def test_a_job_is_carried_out(address: str, tmp_path: Path, template_database: Path) -> None:
    project = job_project(tmp_path / "project", template_database)
    project.store.activate()
    executor = RayExecutor(address, project.folder, grace_s=10.0)
    until(lambda: executor.problems() == [])
    jobs, configurator = JobRuns(project.store), RunConfigurator(project.folder, None)
    scheduler = Scheduler(jobs, executor, configurator, tmp_path / "state", Bounds(workers=1))
    scheduler.start()
    request = JobRequest(family="burdens", parameters={"burdens": {"train": {"child": True}}})
    made = jobs.create(request, configurator.configure(request, None), "me")
    scheduler.wake(made.id)
    ended: Job = until(lambda: job if (job := jobs.get(made.id)).over else None, 120)
    assert (ended.status, ended.executor) == ("completed", "ray")
    assert processes.of_job(made.id) == [], "the orphan it left behind too"
    scheduler.close()


def test_without_a_cluster_it_says_so(tmp_path: Path) -> None:
    executor = RayExecutor(f"http://127.0.0.1:{free_port()}", tmp_path, 1.0)
    [problem] = executor.problems()
    assert problem.startswith("Ray's job server at http://127.0.0.1:")
