"""How much a request may carry and how often a caller may ask."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from crisol.serving.errors import ApiError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

MAX_CALLERS = 10_000


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
    if content_length is not None:
        if not content_length.isdigit():
            raise ApiError(400, "The Content-Length header is not a number.")
        if len(content_length) > 18 or int(content_length) > max_bytes:
            raise too_large(max_bytes)
    try:
        async with asyncio.timeout(timeout_s):
            return await _read(receive, max_bytes)
    except TimeoutError:
        raise ApiError(408, headers={"connection": "close"}) from None


async def _read(receive: Receive, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > max_bytes:
            raise too_large(max_bytes)
        if not message.get("more_body", False):
            return b"".join((*chunks, chunk)) if chunks else chunk
        chunks.append(chunk)


def too_large(max_bytes: int) -> ApiError:
    """413. The connection is closed, so that the rest of the body is not read."""
    return ApiError(
        413, f"The body is larger than {max_bytes} bytes.", headers={"connection": "close"}
    )
