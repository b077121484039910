"""One request on its way through an application, and the facts of its log lines."""

import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated
from uuid import uuid4

from fastapi import Depends, Request
from starlette.types import Scope

from crisol.serving.http.auth import NOBODY, Identity

_KEY = "crisol.exchange"
_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


@dataclass(slots=True)
class Exchange:
    """One request and its answer, for the logs, the metrics and the headers of the answer."""

    headers: Mapping[bytes, bytes]
    """The headers of the request, by lower-case name; the last one of a repeated header."""
    repeated: frozenset[bytes]
    """The headers that are there more than once."""
    request_id: str
    started: float
    identity: Identity = NOBODY
    audit: str = ""
    """The action for the audit log, such as ``job.start``; empty: the request changes nothing."""
    about: str = ""
    """The object of the request, for the audit log; set by the service, not by the client."""
    status: int = 0
    """The status of the answer; 0 before the answer has begun."""
    code: str = ""
    """The machine-readable code of an error."""
    bytes_in: int = 0
    rows: int = 0
    inference_ms: float = 0.0
    problems: dict[str, int] = field(default_factory=dict)
    """Kinds of validation problems and how often: no field names, which clients can invent."""

    @classmethod
    def begin(cls, scope: Scope) -> "Exchange":
        """Start the clock and settle the request id: the client's if it is sane, else a new one."""
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode() if _SANE_ID.fullmatch(given) else uuid4().hex
        repeated: frozenset[bytes] = frozenset()
        if len(headers) < len(scope["headers"]):
            counts = Counter(name for name, _ in scope["headers"])
            repeated = frozenset(name for name, count in counts.items() if count > 1)
        exchange = scope[_KEY] = cls(headers, repeated, request_id, time.perf_counter())
        return exchange

    @classmethod
    def of(cls, scope: Scope) -> "Exchange":
        """The exchange that a request belongs to."""
        exchange: Exchange = scope[_KEY]
        return exchange

    @property
    def milliseconds(self) -> float:
        """Time since the request began."""
        return 1000 * (time.perf_counter() - self.started)


async def _exchange(request: Request) -> Exchange:
    return Exchange.of(request.scope)


async def _caller(request: Request) -> Identity:
    return Exchange.of(request.scope).identity


ExchangeOf = Annotated[Exchange, Depends(_exchange)]
"""A parameter of a route: the exchange."""
Caller = Annotated[Identity, Depends(_caller)]
"""A parameter of a route: who asks."""
