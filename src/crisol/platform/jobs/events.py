"""A job as a stream of server-sent events: its state, progress, trials and output.

Nothing is kept for a client: an event's id says how much of the trials and of the log the client
has, so that it can go on after a cut connection or a restart of the service (``Last-Event-ID``).
"""

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import Any, Protocol
from weakref import WeakSet

import orjson
from sse_starlette import ServerSentEvent

from crisol.platform.jobs.job import Job
from crisol.platform.jobs.logs import LogPart
from crisol.platform.jobs.progress import FRESH_S, Snapshot
from crisol.serving.http.errors import ApiError

_CURSOR = re.compile(r"t(\d{1,9})-l(\d{1,15})")
_LOG_BYTES = 64 * 1024


class Source(Protocol):
    """Reads a job for its events; both methods may be called in the event loop."""

    async def snapshot(self, job_id: str) -> Snapshot:
        """The job now, or a moment ago."""

    async def log(self, job: Job, offset: int, limit: int) -> LogPart:
        """A part of its log."""


class Streams:
    """The streams that are open, as many as the operator allows. For one event loop.

    Args:
        most: at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        # A stream whose client goes before its first event is dropped without being run to an end.
        self._streams: WeakSet[AsyncGenerator[ServerSentEvent, None]] = WeakSet()

    def add(self, stream: AsyncGenerator[ServerSentEvent, None]) -> None:
        """Count a stream until it ends or its client is gone.

        Raises:
            ApiError: 503, there are too many.
        """
        if sum(not _is_over(there) for there in self._streams) >= self._most:
            again = {"retry-after": "10"}
            said = f"{self._most} streams of events are open; ask for the progress instead."
            raise ApiError(503, said, code="too_many_streams", headers=again)
        self._streams.add(stream)


def cursor(last_event_id: str) -> tuple[int, int | None]:
    """How many trials a client has, and up to where the log; ``None``: nothing yet.

    >>> cursor("t3-l1024"), cursor("")
    ((3, 1024), (0, None))
    """
    found = _CURSOR.fullmatch(last_event_id)
    return (int(found[1]), int(found[2])) if found else (0, None)


async def follow(
    source: Source, job_id: str, last_event_id: str, stopping: asyncio.Event
) -> AsyncGenerator[ServerSentEvent, None]:
    """The events of a job until it is over, or until the service stops.

    The first of each kind says how things are; later ones come when something has changed. A client
    that begins anew gets the end of a long log only.
    """
    trials, offset = cursor(last_event_id)
    told: dict[str, Any] = {}
    while True:
        now = await source.snapshot(job_id)
        part = await source.log(now.job, -_LOG_BYTES if offset is None else offset, _LOG_BYTES)
        offset = part.offset
        state = now.job.model_dump(mode="json", exclude={"seconds"})
        if told.get("state") != state:
            told["state"] = state
            yield _event("state", state, trials, offset)
        for trial in now.trials[trials:]:
            trials += 1
            yield _event("trial", trial.model_dump(mode="json"), trials, offset)
        progress = now.progress.model_dump(mode="json")
        moving = {name: value for name, value in progress.items() if name != "seconds"}
        if told.get("progress") != moving:
            step = told.get("step", -1)
            told |= {"progress": moving, "step": now.progress.step}
            news = now.progress.since(step).model_dump(mode="json")
            yield _event("progress", news, trials, offset)
        offset = part.next_offset
        if part.text:
            said = {"offset": part.offset, "next_offset": part.next_offset, "text": part.text}
            yield _event("log", said, trials, offset)
        elif now.job.over:
            yield _event("end", state, trials, offset)
            return
        if stopping.is_set():
            return
        if part.next_offset >= part.size:
            await _pause(stopping)


def _event(kind: str, data: Any, trials: int, offset: int) -> ServerSentEvent:
    text = orjson.dumps(data).decode()
    return ServerSentEvent(text, event=kind, id=f"t{trials}-l{offset}", sep="\n")


def _is_over(stream: AsyncGenerator[ServerSentEvent, None]) -> bool:
    """Whether a stream has ended or was closed; a generator without a frame has."""
    return getattr(stream, "ag_frame", None) is None


async def _pause(stopping: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), FRESH_S)
    except TimeoutError:
        return
