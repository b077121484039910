"""Bounds on what a connection may cost before the application sees a request.

uvicorn with httptools, its fast parser, bounds neither the size of a header nor the time it takes.
An application cannot do it either: it is called when the header is whole.
"""

import asyncio
import logging
import math
import resource
from collections import deque
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Self, cast
from uuid import uuid4

import httptools
from uvicorn.protocols.http import auto
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from crisol.serving.http.config import Settings
from crisol.serving.http.errors import Error

_log = logging.getLogger("crisol.serving")
_LINGER_S = 1.0
_SMALL = 4096
_FILES_KEPT = 256
"""Open files that the process keeps for other things than connections."""
_TRAILERS: Any = deque(maxlen=0)
"""Forgets what the parser appends after the headers: an application reads no trailers, and in the
list of the headers one could replace a header that a proxy has set."""


@dataclass(frozen=True)
class ConnectionLimits:
    """The bounds on a connection: bytes, numbers and times."""

    max_header_bytes: int = 32 * 1024
    """Bytes of request line and headers. Also how far the framing of a chunked body and its
    trailers may exceed the body itself."""
    max_headers: int = 100
    max_target_bytes: int = 8 * 1024
    """Bytes of the path with its query."""
    max_pipelined: int = 32
    """Requests of one connection that wait for the answer of an earlier one."""
    max_connections: int = 900
    """Connections of one worker. Beyond it the longest idle ones are closed; when none is idle, a
    new one gets 503."""
    header_timeout_s: float = 10.0
    """From the opening of a connection, or the first byte of a further request, to the end of its
    header. Also how long the rest of a body is discarded that was answered before its end."""
    keep_alive_s: float = 75.0
    """How long a connection may stay open between two requests."""
    write_timeout_s: float = 30.0
    """How long a client may take no byte of its answer."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The limits that the operator has set."""
        return cls(
            max_header_bytes=settings.max_header_bytes,
            max_connections=settings.max_connections,
            header_timeout_s=settings.header_timeout_s,
            keep_alive_s=settings.keep_alive_s,
        )

    @property
    def interval_s(self) -> float:
        """Time between two looks at a connection."""
        return min(1.0, min(self.header_timeout_s, self.write_timeout_s) / 4)


class _RefusedError(Exception):
    """Raised in the parser's callbacks; httptools reports it as the context of its own error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class _Joined:
    """A transport that hands the head and the body of an answer to the system in one call.

    uvicorn writes them one after the other, and each call costs as much as parsing a request.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._held = b""

    def write(self, data: bytes) -> None:
        """Hold a small piece until the next one comes, or the event loop's next turn."""
        if self._held:
            data, self._held = self._held + data, b""
        elif len(data) < _SMALL:
            self._held = data
            self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def _flush(self) -> None:
        held, self._held = self._held, b""
        if held and not self._transport.is_closing():
            self._transport.write(held)

    def write_eof(self) -> None:
        """Write what is held, then end."""
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        """Write what is held, then close."""
        self._flush()
        self._transport.close()

    def get_write_buffer_size(self) -> int:
        """Bytes that wait."""
        return len(self._held) + self._transport.get_write_buffer_size()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol within :class:`ConnectionLimits`, without upgrades to other protocols.

    Time is measured by looking at each connection every ``interval_s``, so that a request costs no
    timer: a connection that waits for the same thing as at the last look has made no progress.
    """

    limits = ConnectionLimits()

    @classmethod
    def with_limits(cls, limits: ConnectionLimits) -> type[Self]:
        """The protocol with other limits; there are never more connections than files to open."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if files != resource.RLIM_INFINITY:
            most = min(limits.max_connections, max(1, files - _FILES_KEPT))
            limits = replace(limits, max_connections=most)
        return type(cls.__name__, (cls,), {"limits": limits})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timeout_keep_alive = self.limits.keep_alive_s  # type: ignore[assignment]
        self.ws_protocol_class = None
        self._most = self._room = self.limits.max_header_bytes
        """Bytes that may still come before the parser finishes a header; in a body: by which
        framing may still exceed the content."""
        self._refused = False
        self._pauses = 0
        self._seen: tuple[Any, ...] = ("header", None, 0, 0)
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Admit the connection, or answer 503 when there are too many."""
        joined: Any = _Joined(transport, self.loop)
        super().connection_made(joined)
        self._since = self.loop.time()
        if len(self.connections) > self.limits.max_connections and not self._make_room():
            message = "The service has too many connections."
            self._refuse(_RefusedError(503, "overloaded", message))
            self.transport.close()
            return
        self._timer = self.loop.call_later(self.limits.interval_s, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop looking."""
        super().connection_lost(exc)
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Feed the parser no more than it may leave unfinished."""
        self._unset_keepalive_if_required()
        left: bytes | memoryview = data
        after: bytes | memoryview
        while left and not self._refused:
            piece, after = left, b""
            if len(left) > self._room:
                left = memoryview(left)  # sliced without copying
                piece, after = left[: self._room], left[self._room :]
            self._room -= len(piece)
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade as upgrade:
                after = left[upgrade.args[0] :]  # go on as if it had not been asked for
            except httptools.HttpParserError as error:
                told = error.__context__
                if not isinstance(told, _RefusedError):
                    told = _RefusedError(400, "bad_request", "The request is not valid HTTP/1.1.")
                self._refuse(told)
                return
            if self._room <= 0:
                self._refuse(self._too_long())
            left = after

    def _too_long(self) -> _RefusedError:
        if self._in_body:
            return _RefusedError(400, "bad_request", "The body has more framing than content.")
        most = self.limits.max_header_bytes
        return _RefusedError(431, "header_too_large", f"The header is over {most} bytes.")

    def on_headers_complete(self) -> None:
        """Call the application, unless the header breaks a limit."""
        limits = self.limits
        if (
            len(self.headers) > limits.max_headers
            or len(self.url) > limits.max_target_bytes
            or self.pipeline
            or self.parser.should_upgrade()
        ):
            self._check_header()
        self._room = self._most
        super().on_headers_complete()
        self.headers = _TRAILERS

    def _check_header(self) -> None:
        limits = self.limits
        if len(self.url) > limits.max_target_bytes:
            most = limits.max_target_bytes
            raise _RefusedError(414, "target_too_long", f"Path and query are over {most} bytes.")
        if len(self.headers) > limits.max_headers:
            most = limits.max_headers
            raise _RefusedError(431, "header_too_large", f"There are more than {most} headers.")
        if len(self.pipeline) >= limits.max_pipelined:
            most = limits.max_pipelined
            raise _RefusedError(400, "bad_request", f"More than {most} requests wait for answers.")
        given = dict(self.headers)
        has_body = b"transfer-encoding" in given or given.get(b"content-length", b"0") != b"0"
        if self.parser.should_upgrade() and has_body:
            # The parser would take the body for the next request.
            message = "A body was sent with the Upgrade header; send it without, as HTTP/1.1."
            raise _RefusedError(400, "bad_request", message)

    def on_body(self, body: bytes) -> None:
        """Pass the body on, as uvicorn does where nothing is upgraded."""
        room = self._room + 2 * len(body)
        self._room = room if room < self._most else self._most
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.body += body
            if len(cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            cycle.message_event.set()

    def on_message_complete(self) -> None:
        """End the body, as uvicorn does where nothing is upgraded, also of an answered request."""
        self._room = self._most
        cycle = self.cycle
        cycle.more_body = False
        cycle.message_event.set()

    def pause_writing(self) -> None:
        """The client takes its answer more slowly than it is made."""
        self._pauses += 1
        super().pause_writing()

    def _look(self) -> None:
        """End the connection when what it waits for has taken too long."""
        waits_for, timeout_s = self._waits_for()
        seen = (waits_for, self.cycle, self._pauses, self.transport.get_write_buffer_size())
        now = self.loop.time()
        if seen != self._seen:
            self._seen, self._since = seen, now
        if now - self._since > timeout_s:
            if waits_for == "header" and self._in_header:
                message = f"The header took over {timeout_s:g} s."
                self._refuse(_RefusedError(408, "header_timeout", message))
            else:
                self.transport.abort()
        self._timer = self.loop.call_later(self.limits.interval_s, self._look)

    def _waits_for(self) -> tuple[str, float]:
        """The next thing that the client must do, and the seconds it may take."""
        ending = self._refused and not self._sent
        if ending or self.transport.is_closing() or self.flow.write_paused:
            return "reading", self.limits.write_timeout_s
        if self._refused:
            return "closing", _LINGER_S
        if not self._idle:
            return "", math.inf  # the application's turn, which bounds the time of a body
        if self.timeout_keep_alive_task is None:
            return "header", self.limits.header_timeout_s  # or the rest of an answered body
        return "", math.inf  # that timer of uvicorn's runs until the next byte

    @property
    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    @property
    def _sent(self) -> bool:
        return not self.transport.get_write_buffer_size()

    @property
    def _in_body(self) -> bool:
        return self.cycle is not None and self.cycle.more_body

    @property
    def _in_header(self) -> bool:
        begun = self.scope is not None
        return begun and (self.cycle is None or self.cycle.scope is not self.scope)

    def _worth(self) -> tuple[bool, bool, float]:
        return not self._refused, self.cycle is not None, self._since

    def _make_room(self) -> bool:
        """Close some of the longest idle connections, those that never had an answer first."""
        others = cast("set[BoundedProtocol]", self.connections - {self})
        idle = sorted((c for c in others if c._idle and c._sent), key=BoundedProtocol._worth)
        for connection in idle[: 1 + len(idle) // 16]:
            connection.transport.abort()
            self.connections.discard(connection)
        return bool(idle)

    def _refuse(self, refused: _RefusedError) -> None:
        """Answer in the error shape unless it would be taken for another answer, and end."""
        self._refused = True
        request_id = uuid4().hex
        fields = {"request_id": request_id, "status": refused.status, "code": refused.code}
        _log.info("connection refused", extra={"fields": fields})
        answered = self._in_body and (self.cycle.response_started or self.pipeline)
        if answered or self._in_body == self._idle:
            self.transport.close()
            return
        if self._in_body:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        error = Error(error=str(refused), code=refused.code, details=[], request_id=request_id)
        body = error.model_dump_json().encode()
        head = (
            f"HTTP/1.1 {refused.status} {HTTPStatus(refused.status).phrase}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"x-request-id: {request_id}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        # Closed at once, with bytes unread, it would be reset before the client reads the answer.
        if self.transport.can_write_eof():
            self.transport.write_eof()


def bound_uvicorn(limits: ConnectionLimits) -> None:
    """Bound every server of this process that leaves the choice of the protocol to uvicorn.

    BentoML's workers do, and offer no way to choose another one.
    """
    auto.AutoHTTPProtocol = BoundedProtocol.with_limits(limits)
