"""How a job ended, as its worker, its run and its log show it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crisol.platform.jobs import job_tags
from crisol.platform.jobs.executors.executor import Outcome
from crisol.platform.jobs.job import STATUSES, Status

_TAIL_BYTES = 20_000
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_LAST_LINE = re.compile(r"^(?:\w+\.)*(\w+(?:Error|Exception): .{1,2000})", re.MULTILINE)
"""The last line of a traceback."""
_LIMITS = {
    "time_limit": "it ran into its time limit",
    "memory_limit": "its processes used more memory than they may",
}


@dataclass(frozen=True)
class JobEnd:
    """The end of a job.

    Attributes:
        status: the final one.
        reason: for a person; empty: it completed.
        lost: the machine or the worker failed, not the run: another attempt may complete.
    """

    status: Status
    reason: str = ""
    lost: bool = False


def job_end(status: str, tags: Mapping[str, str], outcome: Outcome | None, said: str) -> JobEnd:
    """The end of a job.

    A run that has finished is completed, whatever happened to its process afterwards; one that was
    asked to stop is cancelled, however its process ended.

    Args:
        status: of the MLflow run when no process was left.
        tags: of the MLflow run.
        outcome: written by the worker; ``None``: it ended without writing one.
        said: the error at the end of the log.

    >>> job_end("RUNNING", {}, Outcome(-9, "memory_limit", 3.0, 900.0), "").reason
    'its processes used more memory than they may (most: 900 MB)'
    """
    if status == "FINISHED":
        return JobEnd("completed")
    if job_tags.CANCEL in tags:
        return JobEnd("cancelled", tags[job_tags.CANCEL])
    if outcome is None:
        return JobEnd("failed", "its worker ended without a word (killed, or lost)", lost=True)
    if outcome.ended_by in _LIMITS:
        reason = _LIMITS[outcome.ended_by]
        used = (
            f"most: {outcome.peak_memory_mb:.0f} MB"
            if outcome.ended_by == "memory_limit"
            else f"after {outcome.seconds:.0f} s"
        )
        return JobEnd("failed", f"{reason} ({used})")
    if outcome.ended_by == "stop":
        return JobEnd("failed", "it was stopped from outside, with its machine or by hand", True)
    error = tags.get("crisol.error") or said
    if STATUSES[status] == "failed" and error:
        return JobEnd("failed", error)
    if outcome.exit_code < 0:
        by = f"its process was ended by signal {-outcome.exit_code}"
        return JobEnd("failed", by, lost=True)
    return JobEnd("failed", error or f"kedro run ended with exit code {outcome.exit_code}")


def last_error(log: Path) -> str:
    """The error a log ends with; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = "\n" + _ANSI.sub("", file.read().decode(errors="replace"))
    except FileNotFoundError:
        return ""
    start = text.rfind("\nError: ")
    if start < 0:  # a command that was not written for the error, or a crash of its own
        return next(iter(_LAST_LINE.findall(text)[::-1]), "")
    return " ".join(text[start:].removeprefix("\nError: ").split())[:2000]
