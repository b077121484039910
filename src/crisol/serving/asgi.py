"""The few pieces of HTTP a service needs, without a framework between it and the server."""

import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson

from crisol.serving.limits import Receive

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
JSON = "application/json"
_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


@dataclass(slots=True)
class Call:
    """One HTTP request on its way through the service, and what its log line will say."""

    scope: Scope
    receive: Receive
    headers: dict[bytes, bytes]
    request_id: str
    started: float
    route: str = "unmatched"
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What stands in the place of each ``{name}`` of the route."""
    caller: str = ""
    bytes_in: int = 0
    rows: int = 0
    inference_ms: float = 0.0
    problems: dict[str, int] = field(default_factory=dict)
    """Kinds of validation problems and how often: no field names, which clients can invent."""

    @classmethod
    def begin(cls, scope: Scope, receive: Receive) -> "Call":
        """Start the clock and settle the request id: the client's if it is sane, else a new one."""
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode() if _SANE_ID.fullmatch(given) else uuid4().hex
        return cls(scope, receive, headers, request_id, time.perf_counter())

    @property
    def milliseconds(self) -> float:
        """Time since the request began."""
        return 1000 * (time.perf_counter() - self.started)


@dataclass(slots=True)
class Reply:
    """What goes back to the client."""

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


async def send_reply(call: Call, reply: Reply, model_version: bytes, send: Send) -> None:
    """Send the answer with the headers every answer carries."""
    headers = [
        (b"content-type", reply.content_type.encode()),
        (b"content-length", str(len(reply.body)).encode()),
        (b"x-request-id", call.request_id.encode()),
        (b"x-model-version", model_version),
        (b"x-process-time-ms", f"{call.milliseconds:.3f}".encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    headers += [(name.encode(), value.encode()) for name, value in reply.headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    body = b"" if call.scope["method"] == "HEAD" else reply.body
    await send({"type": "http.response.body", "body": body})
