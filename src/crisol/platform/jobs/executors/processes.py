"""The processes of a job: how they are marked, found, measured and ended.

Every process of a job has the job's id in its environment. A process inherits it and keeps it in a
session of its own or as an orphan. The system reuses process ids but not job ids, so no other
process is ever signalled instead.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress

import psutil

JOB_VARIABLE = "CRISOL_JOB"
"""Carries the id of the job to each of its processes."""
_KEPT = ("CRISOL_DATA_MIRROR", "CRISOL_ARTIFACT_ROOT", "CRISOL_STUDIES")
"""The variables that the configuration of ``conf`` and families read."""
_FOREIGN = ("CRISOL_", "KEDRO_")
_DEATH_SIGNAL, _SUBREAPER = 1, 36
_GONE = (psutil.NoSuchProcess, psutil.AccessDenied)


def job_environment(
    environment: Mapping[str, str], job_id: str, extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment of a job's processes: without the keys and secrets of the service.

    >>> job_environment({"PATH": "/bin", "CRISOL_API_KEYS": "secret"}, "7")
    {'PATH': '/bin', 'CRISOL_JOB': '7'}
    """
    kept = {k: v for k, v in environment.items() if k in _KEPT or not k.startswith(_FOREIGN)}
    return {**kept, **(extra or {}), JOB_VARIABLE: job_id}


def of_job(job_id: str) -> list[psutil.Process]:
    """The living processes of a job, without this one."""
    found = []
    for process in psutil.process_iter():
        with suppress(*_GONE, OSError):
            marked = process.pid != os.getpid() and process.environ().get(JOB_VARIABLE) == job_id
            if marked and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def descendants() -> list[psutil.Process]:
    """Every living descendant of this process."""
    found: list[psutil.Process] = psutil.Process().children(recursive=True)
    return found


def memory_mb(processes: Iterable[psutil.Process]) -> float:
    """Resident memory of the processes together; pages they share count for each."""
    total = 0
    for process in processes:
        with suppress(*_GONE):
            total += process.memory_info().rss
    return total / 1024**2


def send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Send a signal to each that still lives (psutil checks that a number is the same process)."""
    for process in processes:
        with suppress(*_GONE):
            process.send_signal(number)


def kill_job(job_id: str, within_s: float = 10.0) -> bool:
    """Kill every process of a job, including those it starts meanwhile.

    Returns:
        Whether none is left.
    """
    deadline = time.monotonic() + within_s
    while found := of_job(job_id):
        if time.monotonic() > deadline:
            return False
        send(found, signal.SIGKILL)
        psutil.wait_procs(found, timeout=1.0)
    return True


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends (Linux)."""
    _prctl(_SUBREAPER, 1)


def die_with_parent() -> None:
    """Be killed when the parent dies, however it dies (Linux); for a child before its program."""
    _prctl(_DEATH_SIGNAL, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
