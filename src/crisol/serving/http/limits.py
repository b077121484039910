"""How much a request may carry and how often a caller may ask."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from crisol.serving.http.errors import ApiError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

MAX_CALLERS = 10_000
DISCARD = 16
"""How many times the largest body is read and thrown away before the connection is cut."""


class ClientDisconnected(Exception):  # noqa: N818 - not an error of ours
    """The client went away before its request was whole: there is nobody to answer."""


class RateLimit:
    """A token bucket per caller.

    A bucket holds ``burst`` tokens, a request takes one, and ``rate_per_s`` tokens a second come
    back. Callers not seen for longest are forgotten beyond ``MAX_CALLERS``; a forgotten caller
    starts again with a full bucket.
    """

    def __init__(
        self, rate_per_s: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate_per_s
        self._burst = float(burst)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> None:
        """Take one token.

        Raises:
            ApiError: 429 with ``Retry-After`` when the bucket is empty.
        """
        if not self._rate:
            return
        now = self._clock()
        tokens, seen = self._buckets.get(caller, (self._burst, now))
        tokens = min(self._burst, tokens + (now - seen) * self._rate)
        self._buckets[caller] = (tokens - 1 if tokens >= 1 else tokens, now)
        self._buckets.move_to_end(caller)
        if len(self._buckets) > MAX_CALLERS:
            self._buckets.popitem(last=False)
        if tokens < 1:
            wait_s = max(1, -int(-(1 - tokens) / self._rate // 1))
            raise ApiError(429, headers={"retry-after": str(wait_s)})


async def read_body(
    receive: Receive, content_length: bytes | None, max_bytes: int, timeout_s: float
) -> bytes:
    """The whole body, refused as soon as it is known to be too large (chunked bodies too).

    Raises:
        ApiError: 400 for a senseless ``Content-Length``, 408 when the bytes take longer than
            ``timeout_s``, 413 above ``max_bytes``.
        ClientDisconnected: the client went away.
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
        ClientDisconnected: the client went away.
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
        raise ClientDisconnected
    return message.get("body", b""), message.get("more_body", False)


async def _discard(receive: Receive, max_bytes: int) -> None:
    """Let a client finish sending, within reason: one that is cut off never sees the 413."""
    more, size = True, 0
    while more and size < max_bytes:
        chunk, more = await _receive(receive)
        size += len(chunk)
