"""Runs jobs as processes of this machine."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from crisol.core.locks import is_locked
from crisol.platform.jobs.executors import processes
from crisol.platform.jobs.executors.executor import LOCK, ExecutorError, Work

_WORKER_LOG = "worker.log"


class LocalExecutor:
    """Starts workers in sessions of their own, so that they outlive the service.

    Args:
        project: the directory they are started in.
        grace_s: how long a job that is asked to stop may take before it is killed.
    """

    name = "local"

    def __init__(self, project: Path, grace_s: float) -> None:
        self.grace_s = grace_s
        self._project = project
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def submit(self, work: Work) -> None:
        """See :class:`~crisol.platform.jobs.executors.executor.Executor`."""
        command = [sys.executable, "-m", "crisol.platform.jobs.executors.worker", str(work.folder)]
        with (work.folder / _WORKER_LOG).open("ab") as log:
            try:
                self._children[work.job_id] = subprocess.Popen(
                    [*command, str(work.attempt)],
                    cwd=self._project,
                    env=processes.job_environment(os.environ, work.job_id),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as error:
                raise ExecutorError(f"no process could be started: {error.strerror}") from error

    def alive(self, work: Work) -> bool:
        """Whether its worker lives: a child of this process, or another that holds the lock."""
        child = self._children.get(work.job_id)
        if child is not None and child.poll() is None:
            return True
        self._children.pop(work.job_id, None)
        return is_locked(work.folder / LOCK)

    def stop(self, work: Work) -> None:
        """Send SIGTERM to the worker, which ends the run."""
        with suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
            process = psutil.Process(int((work.folder / LOCK).read_text()))
            if process.environ().get(processes.JOB_VARIABLE) == work.job_id:
                process.send_signal(signal.SIGTERM)

    def kill(self, work: Work) -> bool:
        """Kill every process that is marked with the job, in any session."""
        child = self._children.get(work.job_id)
        gone = processes.kill_job(work.job_id)
        if child is not None:
            child.poll()
        return gone

    def problems(self) -> list[str]:
        """See :class:`~crisol.platform.jobs.executors.executor.Executor`."""
        return []

    def close(self) -> None:
        """See :class:`~crisol.platform.jobs.executors.executor.Executor`."""
        self._children.clear()
