"""Runs jobs on a Ray cluster, through its job server.

The same worker runs there: it keeps the limits, ends the processes and writes the outcome. The
machines of the cluster must see the project, the state folder and the MLflow store under the same
names (a shared file system, a database server). Needs the extra ``ray``.
"""

import shlex
import sys
from pathlib import Path
from typing import Any

from crisol.core.locks import is_locked
from crisol.platform.jobs.executors import processes
from crisol.platform.jobs.executors.executor import LOCK, ExecutorError, Work
from crisol.serving.http.config import ConfigurationError

_STOP_S = 2.0
"""Ray kills a stopped job after 3 seconds; the worker must be faster."""
_ALIVE = ("PENDING", "RUNNING")


class RayExecutor:
    """Submits workers to Ray's job server; the submission id names the job and the attempt.

    Args:
        address: of the job server, such as ``http://127.0.0.1:8265``.
        project: the directory workers are started in.
        grace_s: how long a job that is asked to stop may take before it is killed.

    Raises:
        ConfigurationError: Ray is not installed.
    """

    name = "ray"

    def __init__(self, address: str, project: Path, grace_s: float) -> None:
        try:
            from ray.job_submission import JobSubmissionClient
        except ImportError:
            raise ConfigurationError(
                "CRISOL_PLATFORM_EXECUTOR=ray needs Ray: pip install 'crisol[ray]'"
            ) from None
        self.grace_s = min(grace_s, _STOP_S)
        self._make_client = JobSubmissionClient
        self._address, self._project = address, project
        self._known: Any = None
        self._asked: set[str] = set()

    @property
    def _client(self) -> Any:
        """A client, once the job server answers.

        Raises:
            ExecutorError: it does not.
        """
        if self._known is None:
            try:
                self._known = self._make_client(self._address)
            except (ConnectionError, RuntimeError) as error:
                said = f"Ray's job server at {self._address} does not answer"
                raise ExecutorError(said) from error
        return self._known

    def submit(self, work: Work) -> None:
        """See :class:`~crisol.platform.jobs.executors.executor.Executor`.

        Ray knows a name only once.
        """
        if self._status(work) is not None:
            return
        command = [sys.executable, "-m", "crisol.platform.jobs.executors.worker", str(work.folder)]
        try:
            self._client.submit_job(
                entrypoint=shlex.join(["cd", str(self._project)])
                + " && exec "
                + shlex.join([*command, str(work.attempt)]),
                submission_id=_name(work),
                runtime_env={"env_vars": {processes.JOB_VARIABLE: work.job_id}},
            )
        except (RuntimeError, ConnectionError) as error:
            raise ExecutorError(f"Ray refuses the job: {str(error).splitlines()[0]}") from error

    def alive(self, work: Work) -> bool:
        """Whether Ray has it, or a worker still holds its lock."""
        return self._status(work) in _ALIVE or is_locked(work.folder / LOCK)

    def stop(self, work: Work) -> None:
        """Ask Ray once; Ray stops the worker, which ends the run."""
        if work.job_id not in self._asked and self._status(work) in _ALIVE:
            self._asked.add(work.job_id)
            self._client.stop_job(_name(work))

    def kill(self, work: Work) -> bool:
        """See :class:`~crisol.platform.jobs.executors.executor.Executor`.

        Ray kills the worker, and the run dies with it; processes of the job on this machine are
        killed here.
        """
        self._asked.discard(work.job_id)
        self.stop(work)
        return processes.kill_job(work.job_id) and not self.alive(work)

    def problems(self) -> list[str]:
        """See :class:`~crisol.platform.jobs.executors.executor.Executor`."""
        try:
            self._client.get_version()
        except (ExecutorError, RuntimeError, ConnectionError):
            self._known = None
            return [f"Ray's job server at {self._address} does not answer"]
        return []

    def close(self) -> None:
        """See :class:`~crisol.platform.jobs.executors.executor.Executor`."""
        self._known = None

    def _status(self, work: Work) -> str | None:
        """Ray's status of the submission; ``None``: Ray does not know it."""
        try:
            return str(self._client.get_job_status(_name(work)).value)
        except RuntimeError as error:
            if "404" in str(error) or "does not exist" in str(error):
                return None
            raise


def _name(work: Work) -> str:
    return f"crisol-{work.job_id}-{work.attempt}"
