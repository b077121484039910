"""The interface of the executors: the scheduler starts, watches and ends attempts through it.

An attempt is identified by its job and its number, so there is no handle that could be lost: after
a restart of the service the same attempt is found again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from crisol.core.files import replacing_file

WORKER, RUN, LOCK, LOG = "worker.json", "run.yml", "lock", "log.txt"
"""Files of a job's folder: the worker's settings, the configuration of ``kedro run``, the lock of
the worker, the output."""


@dataclass(frozen=True)
class Work:
    """One attempt at a job.

    Attributes:
        job_id: the MLflow run.
        attempt: from 1.
        folder: of the job, with everything the worker needs.
    """

    job_id: str
    attempt: int
    folder: Path

    @property
    def outcome_file(self) -> Path:
        """The file of its outcome; an attempt that has one is not started again."""
        return self.folder / f"outcome-{self.attempt}.json"

    @property
    def started_file(self) -> Path:
        """A file that exists once a worker has started."""
        return self.folder / f"started-{self.attempt}"

    def outcome(self) -> "Outcome | None":
        """Its outcome; ``None``: it still runs, or its worker ended without writing one."""
        try:
            return Outcome(**json.loads(self.outcome_file.read_text()))
        except FileNotFoundError:
            return None


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        exit_code: of ``kedro run``; negative: the signal that ended it.
        ended_by: ``time_limit``, ``memory_limit`` or ``stop`` when the worker ended it, else
            ``None``.
        seconds: how long it took.
        peak_memory_mb: most resident memory of all its processes together.
    """

    exit_code: int
    ended_by: str | None
    seconds: float
    peak_memory_mb: float


class Executor(Protocol):
    """Runs attempts somewhere. Called by one thread."""

    name: str
    grace_s: float
    """How long a job that is asked to stop may take before it is killed."""

    def submit(self, work: Work) -> None:
        """Start an attempt; for one that was started already it does nothing.

        Raises:
            ExecutorError: it cannot be started; the message says why.
        """

    def alive(self, work: Work) -> bool:
        """Whether a worker runs it, or is about to."""

    def stop(self, work: Work) -> None:
        """Ask it to end; its worker kills the processes that do not end within the grace."""

    def kill(self, work: Work) -> bool:
        """Kill all of its processes; whether none is left."""

    def problems(self) -> list[str]:
        """The reasons why nothing can be started now; empty: there are none."""

    def close(self) -> None:
        """Release resources; running attempts continue."""


class ExecutorError(RuntimeError):
    """Work could not be started."""


def write_whole(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON atomically, readable by this user alone."""
    with replacing_file(path, fsync=True) as scratch:
        scratch.touch(mode=0o600)
        scratch.write_text(json.dumps(value, ensure_ascii=False))
