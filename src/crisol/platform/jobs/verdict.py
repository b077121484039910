"""How a job ended, from what its worker, its run and its log say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crisol.platform.jobs import job_tags
from crisol.platform.jobs.executor import Outcome
from crisol.platform.jobs.job import STATUSES, Status

_TAIL_BYTES = 20_000
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_LIMITS = {
    "time_limit": "it ran into its time limit",
    "memory_limit": "its processes used more memory than they may",
}


@dataclass(frozen=True)
class Verdict:
    """How it ended.

    Attributes:
        status: for good.
        reason: for a person; empty: it went well.
        lost: the machine or the worker failed it, not the run: another attempt may do better.
    """

    status: Status
    reason: str = ""
    lost: bool = False


def verdict(status: str, tags: Mapping[str, str], outcome: Outcome | None, said: str) -> Verdict:
    """How it ended.

    A run that has finished has finished, whatever happened to its process after; one that was asked
    to stop was cancelled, whatever the stop did to it.

    Args:
        status: of the MLflow run when no process was left.
        tags: of the MLflow run.
        outcome: what the worker wrote down; ``None``: it ended without a word.
        said: the last thing of note in the log.

    >>> verdict("RUNNING", {}, Outcome(-9, "memory_limit", 3.0, 900.0), "").reason
    'its processes used more memory than they may (most: 900 MB)'
    """
    if status == "FINISHED":
        return Verdict("completed")
    if job_tags.CANCEL in tags:
        return Verdict("cancelled", tags[job_tags.CANCEL])
    if outcome is None:
        return Verdict("failed", "its worker ended without a word (killed, or lost)", lost=True)
    if outcome.ended_by in _LIMITS:
        reason = _LIMITS[outcome.ended_by]
        used = (
            f"most: {outcome.peak_memory_mb:.0f} MB"
            if outcome.ended_by == "memory_limit"
            else f"after {outcome.seconds:.0f} s"
        )
        return Verdict("failed", f"{reason} ({used})")
    if outcome.ended_by == "stop":
        return Verdict("failed", "it was stopped from outside, with its machine or by hand", True)
    error = tags.get("crisol.error") or said
    if STATUSES[status] == "failed" and error:
        return Verdict("failed", error)
    if outcome.exit_code < 0:
        by = f"its process was ended by signal {-outcome.exit_code}"
        return Verdict("failed", by, lost=True)
    how = f"kedro run ended with exit code {outcome.exit_code}"
    return Verdict("failed", f"{how}: {error}" if error else how)


def last_words(log: Path) -> str:
    """The error a log ends with; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = "\n" + _ANSI.sub("", file.read().decode(errors="replace"))
    except FileNotFoundError:
        return ""
    start = text.rfind("\nError: ")
    if start < 0:
        return ""
    return " ".join(text[start:].removeprefix("\nError: ").split())[:2000]
