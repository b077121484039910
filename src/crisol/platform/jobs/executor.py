"""Where jobs are carried out: what the scheduler asks of a place.

A piece of work has a name of its own, the job and the attempt, and so has no handle that could be
lost: after a restart of the service the same name finds it again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from crisol.core.files import replacing_file

ORDER, RUN, LOCK, LOG = "order.json", "run.yml", "lock", "log.txt"
"""Files of a job's folder: what the worker is told, what ``kedro run`` is told, who works, what
was printed."""


@dataclass(frozen=True)
class Work:
    """One attempt at a job.

    Attributes:
        job_id: the MLflow run.
        attempt: from 1.
        folder: of the job, with everything the worker needs (:mod:`crisol.platform.jobs.orders`).
    """

    job_id: str
    attempt: int
    folder: Path

    @property
    def outcome_file(self) -> Path:
        """What came of this attempt; it is not begun again once this is there."""
        return self.folder / f"outcome-{self.attempt}.json"

    @property
    def started_file(self) -> Path:
        """Is there when a worker has begun."""
        return self.folder / f"started-{self.attempt}"

    def outcome(self) -> "Outcome | None":
        """What came of it; ``None``: it goes on, or its worker ended without a word."""
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
    """Carries out work somewhere. Called by one thread."""

    name: str
    grace_s: float
    """How long a job that is asked to stop may take before it is killed."""

    def submit(self, work: Work) -> None:
        """Begin; for work that has begun already it does nothing.

        Raises:
            ExecutorError: it cannot be begun; the message says why.
        """

    def alive(self, work: Work) -> bool:
        """Whether somebody is carrying it out, or is about to."""

    def stop(self, work: Work) -> None:
        """Ask it to end; what it does not end itself within the grace, its worker kills."""

    def kill(self, work: Work) -> bool:
        """End what is left of it, without asking; whether nothing is left."""

    def problems(self) -> list[str]:
        """Why nothing could be begun now; empty: all is well."""

    def close(self) -> None:
        """Let go, without ending what goes on."""


class ExecutorError(RuntimeError):
    """Work could not be begun."""


def write_whole(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON that is there as a whole or not at all, for this user's eyes alone."""
    with replacing_file(path, fsync=True) as scratch:
        scratch.touch(mode=0o600)
        scratch.write_text(json.dumps(value, ensure_ascii=False))
