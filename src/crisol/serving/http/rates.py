"""How often a caller may ask: two counters a caller, in memory or in Redis."""

import logging
import math
import time

from limits import RateLimitItemPerSecond, strategies
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError
from limits.storage import MemoryStorage

from crisol.serving.http.errors import ApiError

_log = logging.getLogger("crisol.serving")
UNSHARED = "CRISOL_REDIS_URL: Redis does not answer; this process counts rates alone"
_REDIS_S = 0.25
_AGAIN_S = 5.0
"""For so long after a failure Redis is not asked again."""


class RateLimit:
    """At most ``burst`` requests of a caller in ``burst / rate_per_s`` seconds, as they slide.

    A window counts with the share of the one before that the last such seconds still cover. It has
    whole seconds: where they do not come out even, it is the next longer one, and
    holds as many requests as ``rate_per_s`` allows in it, if that is more than ``burst``.

    Args:
        rate_per_s: that a caller may keep up; 0: no limit.
        burst: requests that may come at once.
        redis_url: of the Redis that every worker and replica shares; empty: each process counts
            alone. While Redis does not answer each process counts alone too, and the log says so.
        prefix: of the keys in Redis: each application has a limit of its own.
    """

    def __init__(
        self, rate_per_s: float, burst: int, redis_url: str = "", prefix: str = "crisol"
    ) -> None:
        self._window: RateLimitItemPerSecond | None = None
        if rate_per_s:
            seconds = max(1, math.ceil(burst / rate_per_s))
            amount = max(burst, math.floor(rate_per_s * seconds))
            self._window = RateLimitItemPerSecond(amount, seconds)
        # Not the asynchronous storage: it starts a task for every request, to clear up.
        self._alone = strategies.SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared: SlidingWindowCounterRateLimiter | None = None
        self._shared_again = 0.0
        if redis_url:
            scheme = "async+redis+unix" if redis_url.startswith("unix:") else None
            address = redis_url.replace("unix", scheme, 1) if scheme else f"async+{redis_url}"
            storage = RedisStorage(
                address,
                wrap_exceptions=True,
                implementation="redispy",
                key_prefix=prefix,
                socket_timeout=_REDIS_S,
                socket_connect_timeout=_REDIS_S,
            )
            self._shared = SlidingWindowCounterRateLimiter(storage)

    async def take(self, caller: str) -> None:
        """Count one request.

        Raises:
            ApiError: 429 with ``Retry-After``: the window is full.
        """
        window = self._window
        if window is None:
            return
        shared = self._shared
        if shared is None or time.monotonic() < self._shared_again:
            if self._alone.hit(window, caller):
                return
            raise _refusal(self._alone.get_window_stats(window, caller).reset_time)
        try:
            if await shared.hit(window, caller):
                return
            reset_s = (await shared.get_window_stats(window, caller)).reset_time
        except StorageError as error:
            if time.monotonic() >= self._shared_again:  # once, whatever was on its way
                cause = type(error.storage_error).__name__
                _log.warning(UNSHARED, extra={"fields": {"cause": cause}})
                self._shared_again = time.monotonic() + _AGAIN_S
            await self.take(caller)
            return
        raise _refusal(reset_s)


def _refusal(reset_s: float) -> ApiError:
    wait_s = max(1, math.ceil(reset_s - time.time()))
    return ApiError(429, headers={"retry-after": str(wait_s)})
