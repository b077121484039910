"""An application beside its routes: settings, access, readiness, logs."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal, TypeVar

import anyio.to_thread
from fastapi import Depends, Request
from starlette.types import Scope

from crisol import __version__
from crisol.core.errors import FieldError
from crisol.serving.http import logs
from crisol.serving.http.auth import CHALLENGE, Authenticator
from crisol.serving.http.config import ConfigurationError, Settings
from crisol.serving.http.errors import ApiError, ErrorDetail, from_field
from crisol.serving.http.exchange import Exchange
from crisol.serving.http.metrics import Metrics
from crisol.serving.http.rates import RateLimit

_log = logging.getLogger("crisol.serving")
_ResultT = TypeVar("_ResultT")
ANSWER_S = 30.0
_CREDENTIALS = {b"x-api-key", b"authorization"}

BodyKind = Literal["plain", "upload", "bulk"]
"""The limit on a body: ``CRISOL_MAX_BODY_BYTES``, ``_UPLOAD_BYTES`` or ``_BULK_BYTES``."""


class Host:
    """Everything the routes of one application share.

    Built at import; :meth:`open` reads the settings, :meth:`start` and :meth:`stop` begin and end
    what goes on while it answers. A family's service adds its predictor, the platform its stores.

    Args:
        name: of the application, by which the API page groups its routes.
        threads: that the routes share which are plain functions.
    """

    reply_headers: tuple[tuple[bytes, bytes], ...] = ()
    """The headers of every answer beside the request id and its time."""

    def __init__(self, name: str, *, threads: int = 8) -> None:
        self.name = name
        self.began = time.time()
        self.settings = Settings()
        self.reasons: list[str] = ["the service has not started yet"]
        """Why it cannot answer; empty when it is ready."""
        self.metrics = Metrics()
        self.stopping = asyncio.Event()
        """Set it to end the streams that are open, before a server waits for them."""
        self.access = logs.AccessLog()
        self.audit = logs.AuditLog()
        self.auth: Authenticator | None = None
        self._rate = RateLimit(0, 1)
        self._threads = threads
        self._running = 0

    # -- life ------------------------------------------------------------------------------------

    def open(self, environment: Mapping[str, str] = os.environ) -> None:
        """Read the settings; what is wrong with them keeps the application from being ready."""
        self.reasons = self.configure(environment)
        self.metrics.ready(self.ready)

    def configure(self, environment: Mapping[str, str]) -> list[str]:
        """Read settings, keys and rates; why they cannot be used."""
        reasons: list[str] = []
        try:
            self.settings = Settings.from_environment(environment)
        except ConfigurationError as error:
            reasons.append(str(error))
        logs.configure(self.settings.log_level)
        self.auth = None
        if not reasons:  # otherwise its reasons would be those of the defaults
            try:
                self.auth = Authenticator(self.settings)
            except ConfigurationError as error:
                reasons.append(str(error))
        settings = self.settings
        self._rate = RateLimit(
            settings.rate_per_s, settings.rate_burst, settings.redis_url, f"crisol:{self.name}"
        )
        if settings.audit_file is not None:
            try:
                self.audit = logs.AuditLog(settings.audit_file)
            except OSError as error:
                reasons.append(f"CRISOL_AUDIT_FILE: cannot be written: {error.strerror}")
        return reasons

    async def start(self) -> None:
        """Begin what goes on while it answers, in the event loop that will answer."""
        self.stopping = asyncio.Event()
        anyio.to_thread.current_default_thread_limiter().total_tokens = self._threads

    async def stop(self) -> None:
        """Finish what has begun and write the last log lines."""
        self.reasons = ["the service is stopping"]
        self.stopping.set()
        self.access.flush()
        self.audit.close()

    @asynccontextmanager
    async def running(self, _: Any = None) -> AsyncIterator[None]:
        """The lifespan of the application: started within the block."""
        await self.start()
        try:
            yield
        finally:
            await self.stop()

    @property
    def ready(self) -> bool:
        """Whether nothing stands against answering."""
        return not self.reasons

    @property
    def pending(self) -> int:
        """How much is waiting or being worked on now."""
        return self._running

    # -- answering -------------------------------------------------------------------------------

    async def admit(self, exchange: Exchange, scopes: Iterable[str] = ()) -> None:
        """Name the caller, count the request for its rate, check its scopes.

        Raises:
            ApiError: 401, 403, 429, or 503 when it cannot answer.
        """
        headers = exchange.headers
        if self.auth is None:
            raise self.not_ready()
        if exchange.repeated & _CREDENTIALS:
            message = "Send one X-API-Key or one Authorization header, not two."
            raise ApiError(401, message, headers=CHALLENGE)
        exchange.identity = self.auth.identify(
            headers.get(b"x-api-key"), headers.get(b"authorization")
        )
        await self._rate.take(exchange.identity.name)
        for scope in scopes:
            exchange.identity.need(scope)

    def answer_timeout_s(self, kind: BodyKind) -> float:  # noqa: ARG002 - for subclasses
        """How long a function may take to answer a body of this kind, in seconds."""
        return ANSWER_S

    async def within(self, work: Coroutine[Any, Any, _ResultT], timeout_s: float) -> _ResultT:
        """The result of a call that may wait for a thread, a database or a disk.

        Raises:
            ApiError: 503 when too much is waiting already, 504 after ``timeout_s``; the call goes
                on, and what it does is done.
            Exception: what the call raised.
        """
        if self._running >= self.settings.max_queue:
            work.close()
            raise ApiError(
                503,
                "The service has too much to do; try again later.",
                code="overloaded",
                headers={"retry-after": "1"},
            )
        self._running += 1
        task = asyncio.ensure_future(work)
        task.add_done_callback(self._settle)
        done, _ = await asyncio.wait([task], timeout=timeout_s)
        if not done:
            raise ApiError(504, headers={"retry-after": "1"})
        return task.result()

    def observe(self, route: Any, exchange: Exchange, seconds: float) -> None:
        """Count one call of a plain function; a service's metrics have them."""

    def _settle(self, task: "asyncio.Future[Any]") -> None:
        self._running -= 1
        if not task.cancelled():
            task.exception()  # it may be of a call that nobody waits for any more

    def refusal(self, exchange: Exchange, error: Exception) -> ApiError:
        """An error as an answer; one that is nobody's but ours is logged, and is 500."""
        if isinstance(error, ApiError):
            return error
        if isinstance(error, FieldError):
            exchange.problems[error.kind] = 1
            return from_field(error)
        known = self.translate(error)
        if known is not None:
            return known
        fields = {"fields": {"request_id": exchange.request_id}}
        _log.error("request failed", exc_info=error, extra=fields)
        return ApiError(500)

    def translate(self, error: Exception) -> ApiError | None:  # noqa: ARG002 - for subclasses
        """An error of the application's own as an answer; ``None``: it is a failure."""
        return None

    def not_ready(self) -> ApiError:
        """503, with every reason."""
        details = [ErrorDetail(field="", message=r, type="not_ready") for r in self.reasons]
        return ApiError(
            503,
            "The service is not ready; see details.",
            details=details,
            code="not_ready",
            headers={"retry-after": "5"},
        )

    # -- telling ---------------------------------------------------------------------------------

    def ready_facts(self) -> dict[str, Any]:
        """The answer of ``/readyz``."""
        return {"status": "ready"}

    def health_facts(self) -> dict[str, Any]:
        """The answer of ``/health``."""
        uptime_s = round(time.time() - self.began, 1)
        return {"status": "ready", "uptime_s": uptime_s, "pending": self.pending}

    def log_fields(self) -> dict[str, Any]:
        """Further fields of each line of the access log."""
        return {}

    @property
    def version(self) -> str:
        """The version that the API page names."""
        return __version__


def host_of(scope: Scope) -> Any:
    """The host of the application that answers; its own type is the application's."""
    return scope["app"].state.host


async def _host(request: Request) -> Any:
    return host_of(request.scope)


HostOf = Annotated[Any, Depends(_host)]
"""A parameter of a route: the host."""
