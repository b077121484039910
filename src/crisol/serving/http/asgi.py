"""The few pieces of HTTP a service needs, without a framework between it and the server."""

import asyncio
import re
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
    MutableMapping,
    Sequence,
)
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from crisol.serving.http.auth import NOBODY, Identity
from crisol.serving.http.limits import ClientDisconnected, Receive, stream_body

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]
JSON = "application/json"
CHUNK_BYTES = 1 << 16
_BODILESS = frozenset({204, 304})
_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


@dataclass(slots=True)
class Request:
    """One HTTP request on its way through the service, and what its log line will say."""

    scope: Scope
    receive: Receive
    headers: dict[bytes, bytes]
    request_id: str
    started: float
    route: str = "unmatched"
    parameters: Mapping[str, str] = field(default_factory=dict)
    """The value of each ``{name}`` of the route."""
    identity: Identity = NOBODY
    about: str = ""
    """The object of the request, for the audit log; set by the service, not by the client."""
    bytes_in: int = 0
    rows: int = 0
    inference_ms: float = 0.0
    problems: dict[str, int] = field(default_factory=dict)
    """Kinds of validation problems and how often: no field names, which clients can invent."""

    @classmethod
    def begin(cls, scope: Scope, receive: Receive) -> "Request":
        """Start the clock and settle the request id: the client's if it is sane, else a new one."""
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode() if _SANE_ID.fullmatch(given) else uuid4().hex
        return cls(scope, receive, headers, request_id, time.perf_counter())

    @property
    def caller(self) -> str:
        """The name of who asks; empty before it is known."""
        return self.identity.name

    @property
    def milliseconds(self) -> float:
        """Time since the request began."""
        return 1000 * (time.perf_counter() - self.started)

    async def stream(self, max_bytes: int, idle_s: float) -> AsyncIterator[bytes]:
        """The body piece by piece, as it arrives.

        Raises:
            ApiError: 400, 408 after ``idle_s`` without a byte, 413 above ``max_bytes``.
            ClientDisconnected: the client went away; what was yielded did arrive.
        """
        length = self.headers.get(b"content-length")
        async for chunk in stream_body(self.receive, length, max_bytes, idle_s):
            self.bytes_in += len(chunk)
            yield chunk

    async def disconnected(self) -> None:
        """Wait until the client has gone. Not while its body is being read."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


@dataclass(slots=True)
class Reply:
    """The response to a request."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(
        cls, content: Any, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> "Reply":
        """A JSON answer."""
        return cls(status, orjson.dumps(content), JSON, headers or {})


@dataclass(slots=True)
class StreamReply:
    """A response that is sent piece by piece.

    Attributes:
        chunks: the pieces; closed when the client goes away or the service stops.
        length: of all pieces together, bytes, where it is known.
    """

    status: int
    chunks: AsyncGenerator[bytes, None]
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None


def file_reply(
    path: Path, content_type: str, headers: Mapping[str, str] | None = None
) -> StreamReply:
    """A file as the answer, in constant memory.

    Raises:
        OSError: it is not there.
    """
    return StreamReply(200, _pieces(path), content_type, headers or {}, path.stat().st_size)


async def _pieces(path: Path) -> AsyncGenerator[bytes, None]:
    with await asyncio.to_thread(path.open, "rb") as stream:
        while chunk := await asyncio.to_thread(stream.read, CHUNK_BYTES):
            yield chunk


async def send_reply(call: Request, reply: Reply, common: Headers, send: Send) -> int:
    """Send the answer with the headers every answer carries; how many bytes its body has."""
    headers = [
        (b"content-type", reply.content_type.encode()),
        (b"content-length", str(len(reply.body)).encode()),
    ]
    await _begin(call, reply, [] if reply.status in _BODILESS else headers, common, send)
    body = b"" if call.scope["method"] == "HEAD" else reply.body
    await send({"type": "http.response.body", "body": body})
    return len(body)


async def send_stream(
    call: Request, reply: StreamReply, common: Headers, send: Send, stopping: asyncio.Event
) -> int:
    """Send the pieces as they come, until there are no more or ``stopping`` is set; their bytes.

    Raises:
        ClientDisconnected: the client went away meanwhile.
    """
    headers = [(b"content-type", reply.content_type.encode())]
    if reply.length is not None:
        headers.append((b"content-length", str(reply.length).encode()))
    await _begin(call, reply, headers, common, send)
    sent = 0
    ends = [asyncio.ensure_future(call.disconnected()), asyncio.ensure_future(stopping.wait())]
    try:
        while call.scope["method"] != "HEAD":
            step = asyncio.ensure_future(anext(reply.chunks, None))
            await asyncio.wait([step, *ends], return_when=asyncio.FIRST_COMPLETED)
            if not step.done():
                step.cancel()
                await asyncio.wait([step])
                if ends[0].done():
                    raise ClientDisconnected
                break
            chunk = step.result()
            if chunk is None:
                break
            sent += len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    finally:
        for end in ends:
            end.cancel()
        await reply.chunks.aclose()
    await send({"type": "http.response.body", "body": b""})
    return sent


async def _begin(
    call: Request,
    reply: Reply | StreamReply,
    headers: list[tuple[bytes, bytes]],
    common: Headers,
    send: Send,
) -> None:
    headers += [
        (b"x-request-id", call.request_id.encode()),
        *common,
        (b"x-process-time-ms", f"{call.milliseconds:.3f}".encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    headers += [(name.encode(), value.encode()) for name, value in reply.headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
