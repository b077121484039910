"""The output of a job: from its folder while it runs, afterwards from the artefacts of its run."""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

from crisol.platform.jobs import job_tags
from crisol.platform.jobs.executors.executor import LOG
from crisol.platform.jobs.job import Job
from crisol.platform.jobs.job_runs import JobRuns
from crisol.registry.store import StoreError

_KEPT = 8
"""Logs of ended jobs that are kept in memory for whoever reads on."""


class LogPart(NamedTuple):
    """Some bytes of a log.

    Attributes:
        offset: of the first.
        text: whole characters.
        next_offset: where to read on.
        size: of the whole log by now, bytes.
    """

    offset: int
    text: str
    next_offset: int
    size: int


class Logs:
    """Reads the logs of jobs. Safe to use from several threads.

    Args:
        jobs: where the logs of ended jobs are.
        folder: with a folder for each job that goes on.
    """

    def __init__(self, jobs: JobRuns, folder: Path) -> None:
        self._jobs, self._folder = jobs, folder
        self._ended: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, job: Job, offset: int, limit: int) -> LogPart:
        """At most ``limit`` bytes from ``offset``; a negative offset counts from the end."""
        try:
            with (self._folder / job.id / LOG).open("rb") as file:
                size = file.seek(0, 2)
                offset = _absolute(offset, size)
                file.seek(offset)
                found = file.read(limit)
        except FileNotFoundError:
            if not job.over:  # not begun; or just over, and the caller does not know it yet
                offset = max(0, offset)
                return LogPart(offset, "", offset, offset)
            whole = self._of_ended(job)
            size = len(whole)
            offset = _absolute(offset, size)
            found = whole[offset : offset + limit]
        skipped, text = _whole_characters(found)
        used = skipped + len(text)
        return LogPart(offset + skipped, text.decode(errors="replace"), offset + used, size)

    def _of_ended(self, job: Job) -> bytes:
        with self._lock:
            if job.id in self._ended:
                self._ended.move_to_end(job.id)
                return self._ended[job.id]
        try:
            whole = self._jobs.artefact(job.id, job_tags.LOG_FILE)
        except StoreError:  # it never began
            whole = b""
        with self._lock:
            self._ended[job.id] = whole
            while len(self._ended) > _KEPT:
                self._ended.popitem(last=False)
        return whole


def _absolute(offset: int, size: int) -> int:
    return min(offset, size) if offset >= 0 else max(0, size + offset)


def _whole_characters(found: bytes) -> tuple[int, bytes]:
    """The bytes without the pieces of UTF-8 characters at their ends, and how many were skipped.

    >>> _whole_characters("añb".encode()[2:]), _whole_characters("añ".encode()[:2])
    ((1, b'b'), (0, b'a'))
    """
    start = 0
    while start < min(3, len(found)) and found[start] & 0xC0 == 0x80:
        start += 1
    end = len(found)
    for back in range(1, min(4, len(found) - start) + 1):
        byte = found[-back]
        if byte & 0xC0 == 0x80:
            continue
        length = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
        end = len(found) - back if length > back else end
        break
    return start, found[start:end]
