"""How much a request may carry, and how long it may take to arrive."""

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from crisol.serving.http.errors import ApiError

DISCARD = 16
"""How many times the largest body is read and thrown away before the connection is cut."""


async def read_body(
    receive: Receive, content_length: bytes | None, max_bytes: int, timeout_s: float
) -> bytes:
    """The whole body, refused as soon as it is known to be too large (chunked bodies too).

    Raises:
        ApiError: 400 for a senseless ``Content-Length``, 408 when the bytes take longer than
            ``timeout_s``, 413 above ``max_bytes``.
        ClientDisconnect: the client went away.
    """
    too_large = _told_too_large(content_length, max_bytes)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            while not too_large:
                chunk, more = await _receive(receive)
                size += len(chunk)
                chunks.append(chunk)
                too_large = size > max_bytes
                if not (more or too_large):
                    return b"".join(chunks) if len(chunks) > 1 else chunk
            chunks.clear()
            await _discard(receive, DISCARD * max_bytes)
    except TimeoutError:
        if not too_large:
            raise ApiError(408, headers={"connection": "close"}) from None
    raise _too_large(max_bytes)


async def stream_body(
    receive: Receive, content_length: bytes | None, max_bytes: int, idle_s: float
) -> AsyncIterator[bytes]:
    """The body piece by piece, for what is too large to be held whole.

    Raises:
        ApiError: 400 for a senseless ``Content-Length``, 408 when nothing arrives for ``idle_s``,
            413 as soon as it is known to be larger than ``max_bytes``; no piece that would go
            beyond is yielded.
        ClientDisconnect: the client went away.
    """
    if _told_too_large(content_length, max_bytes):
        raise _too_large(max_bytes)
    more, size = True, 0
    while more:
        try:
            async with asyncio.timeout(idle_s):
                chunk, more = await _receive(receive)
        except TimeoutError:
            raise ApiError(
                408,
                f"No byte of the body arrived for {idle_s:g} s.",
                headers={"connection": "close"},
            ) from None
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes)
        if chunk:
            yield chunk


def _told_too_large(content_length: bytes | None, max_bytes: int) -> bool:
    if content_length is None:
        return False
    if not content_length.isdigit():
        raise ApiError(400, "The Content-Length header is not a number.")
    # 18 digits are an exabyte; longer ones are not worth turning into an integer.
    return len(content_length) > 18 or int(content_length) > max_bytes


def _too_large(max_bytes: int) -> ApiError:
    message = f"The body is larger than {max_bytes} bytes."
    return ApiError(413, message, headers={"connection": "close"})


async def _receive(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)


async def _discard(receive: Receive, max_bytes: int) -> None:
    """Let a client finish sending, within reason: one that is cut off never sees the 413."""
    more, size = True, 0
    while more and size < max_bytes:
        chunk, more = await _receive(receive)
        size += len(chunk)
