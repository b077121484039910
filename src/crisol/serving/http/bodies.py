"""JSON bodies: bounded while they arrive, then validated from their bytes by the contract."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from starlette.types import Receive

from crisol.serving.http import validation
from crisol.serving.http.config import Settings
from crisol.serving.http.errors import ApiError
from crisol.serving.http.exchange import Exchange
from crisol.serving.http.host import BodyKind
from crisol.serving.http.limits import read_body, stream_body

JSON = "application/json"
_TYPES = (b"application/json", b"application/json;charset=utf-8")
_LARGE = 1 << 20
"""Bodies from this size on are validated in a thread; pydantic itself holds Python's lock."""


def max_body_bytes(kind: BodyKind, settings: Settings) -> int:
    """The size of a body of this kind at most."""
    limits = {
        "plain": settings.max_body_bytes,
        "upload": settings.max_upload_bytes,
        "bulk": settings.max_bulk_bytes,
    }
    return limits[kind]


async def read_bytes(
    exchange: Exchange, receive: Receive, kind: BodyKind, settings: Settings
) -> bytes:
    """The bytes of a body.

    Raises:
        ApiError: 400, 408 or 413.
        ClientDisconnect: the client went away.
    """
    body = await read_body(
        receive,
        exchange.headers.get(b"content-length"),
        max_body_bytes(kind, settings),
        settings.timeout_s if kind == "plain" else settings.upload_timeout_s,
    )
    exchange.bytes_in = len(body)
    return body


@dataclass(slots=True)
class Incoming:
    """A body that is too large to be held whole.

    Attributes:
        exchange: told how much has arrived.
        receive: of the request.
        whole: whether all of it has arrived.
    """

    exchange: Exchange
    receive: Receive
    whole: bool = False

    async def stream(self, max_bytes: int, idle_s: float) -> AsyncIterator[bytes]:
        """The body piece by piece, as it arrives.

        Raises:
            ApiError: 400, 408 after ``idle_s`` without a byte, 413 above ``max_bytes``.
            ClientDisconnect: the client went away; what was yielded did arrive.
        """
        length = self.exchange.headers.get(b"content-length")
        async for chunk in stream_body(self.receive, length, max_bytes, idle_s):
            self.exchange.bytes_in += len(chunk)
            yield chunk
        self.whole = True


def need_json(headers: Mapping[bytes, bytes], *, form: bool = False) -> bool:
    """Refuse a body that is not JSON; whether it is a form, where forms are taken.

    Raises:
        ApiError: 415, it is neither, or compressed.
    """
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise ApiError(415, "Send the body without Content-Encoding.")
    given = headers.get(b"content-type", b"")
    content_type = given if given in _TYPES else given.lower().replace(b" ", b"")
    if content_type.replace(b'"', b"") in _TYPES:
        return False
    if form and content_type.startswith(b"multipart/form-data;"):
        return True
    also = " or multipart/form-data" if form else ""
    raise ApiError(415, f"Send the body with Content-Type: application/json{also}.")


async def validate(
    exchange: Exchange, adapter: TypeAdapter[Any], body: bytes, *, strict: bool = True
) -> Any:
    """The content of a body, checked by its contract.

    Args:
        exchange: told the kinds of problems.
        adapter: of the contract.
        body: JSON.
        strict: JSON has numbers and booleans of its own, so "3" is not a number. In a form it is.

    Raises:
        ApiError: 400 or 422; see :mod:`crisol.serving.http.validation`.
    """
    try:
        if len(body) < _LARGE:
            return validation.validate(adapter, body, strict=strict)
        return await asyncio.to_thread(validation.validate, adapter, body, strict=strict)
    except ApiError as refused:
        raise told(exchange, refused) from None


def told(exchange: Exchange, refused: ApiError) -> ApiError:
    """The answer to a body or a query that breaks its contract, for the log as well."""
    for detail in refused.details:
        exchange.problems[detail.type] = exchange.problems.get(detail.type, 0) + 1
    return refused
