"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson

from crisol.serving.http.asgi import StreamReply

MEDIA_TYPE = "text/event-stream"
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
"""An event is of use now: nobody between is to keep it or hold it back."""
HEARTBEAT = b":\n\n"


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        data: JSON.
        kind: what listeners register for.
        id: what a client that connects again sends as ``Last-Event-ID``; empty: none.
    """

    data: Any
    kind: str = "message"
    id: str = ""

    def encode(self) -> bytes:
        r"""As it is sent.

        >>> Event({"n": 1}, "progress", "7").encode()
        b'id: 7\nevent: progress\ndata: {"n":1}\n\n'
        """
        head = f"id: {self.id}\n" if self.id else ""
        return (
            f"{head}event: {self.kind}\n".encode() + b"data: " + orjson.dumps(self.data) + b"\n\n"
        )


def events_reply(events: AsyncIterator[Event], heartbeat_s: float = 15.0) -> StreamReply:
    """Events as they come; a comment after each ``heartbeat_s`` without one.

    The comment keeps proxies from closing the connection, and tells when nobody listens any more.
    """
    return StreamReply(200, _chunks(events, heartbeat_s), f"{MEDIA_TYPE}; charset=utf-8", HEADERS)


async def _chunks(events: AsyncIterator[Event], heartbeat_s: float) -> AsyncGenerator[bytes, None]:
    yield HEARTBEAT  # tells the client at once that it is connected
    step: asyncio.Future[Event | None] | None = None
    try:
        while True:
            step = step or asyncio.ensure_future(anext(events, None))
            await asyncio.wait([step], timeout=heartbeat_s)
            if not step.done():
                yield HEARTBEAT
                continue
            event, step = step.result(), None
            if event is None:
                return
            yield event.encode()
    finally:
        if step is not None:
            step.cancel()
            await asyncio.wait([step])
        if isinstance(events, AsyncGenerator):
            await events.aclose()
