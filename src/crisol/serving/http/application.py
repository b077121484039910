"""The HTTP application of a service or the platform: access, rates, one shape of answers.

A family's service (:class:`crisol.serving.service.app.ServiceApp`) puts a predictor behind it, the
platform its datasets and jobs. It is plain ASGI: any server runs it, life cycle included.
"""

import asyncio
import logging
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from crisol.core.errors import FieldError
from crisol.serving.http import logs, openapi
from crisol.serving.http.asgi import (
    Headers,
    Reply,
    Request,
    Scope,
    Send,
    StreamReply,
    send_reply,
    send_stream,
)
from crisol.serving.http.auth import Authenticator
from crisol.serving.http.config import ConfigurationError, Settings
from crisol.serving.http.endpoints import Endpoint
from crisol.serving.http.errors import ApiError, ErrorDetail, from_field
from crisol.serving.http.limits import ClientDisconnected, RateLimit, Receive
from crisol.serving.http.metrics import Metrics
from crisol.serving.http.pages import Page, common_pages
from crisol.serving.http.routing import Routes

_log = logging.getLogger("crisol.serving")
_ResultT = TypeVar("_ResultT")
Translate = Callable[[Exception], ApiError | None]
_SANE_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")


class Application:
    """An ASGI application of endpoints and pages.

    Built at import; :meth:`open` reads the settings, :meth:`start` and :meth:`stop` (also called by
    a server's lifespan messages) begin and end what goes on while it answers.

    Args:
        name: of the application, by which the API page groups its endpoints.
        title: of the API page.
        description: of the API page (Markdown).
        endpoints: what clients may ask; one at a path of a common page takes its place.
        pages: what ``GET`` answers at further paths, to everybody and outside the API page.
        threads: of those that the endpoints share (:meth:`in_thread`).
        translate: what an error of the application's own is as an answer; ``None``: a failure.
    """

    def __init__(
        self,
        name: str,
        *,
        title: str,
        description: str,
        endpoints: Sequence[Endpoint],
        pages: Mapping[str, Page] | None = None,
        threads: int = 8,
        translate: Translate | None = None,
    ) -> None:
        self.name, self.title, self.description = name, title, description
        self.endpoints = tuple(endpoints)
        self.began = time.time()
        self.settings = Settings()
        self.reasons: list[str] = ["the service has not started yet"]
        """Why it cannot answer; empty when it is ready."""
        self.metrics = Metrics()
        self.stopping = asyncio.Event()
        """Set it to end the streams that are open, before a server waits for them."""
        self._pages = {**self._common_pages(), **(pages or {})}
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._in_threads = 0
        self._translate = translate
        self._auth: Authenticator | None = None
        self._rate = RateLimit(0, 1)
        self._access = logs.AccessLog()
        self._audit = logs.AuditLog()
        self._document: dict[str, Any] | None = None
        self._routes = self._build_routes()

    def _common_pages(self) -> dict[str, Page]:
        return common_pages(self)

    def _build_routes(self) -> Routes[Any]:
        return Routes(
            [("GET", path, page) for path, page in self._pages.items()]
            + [(e.method, e.path, e) for e in self.endpoints]
        )

    # -- life ------------------------------------------------------------------------------------

    def open(self, environment: Mapping[str, str] = os.environ) -> None:
        """Read the settings; what is wrong with them keeps the application from being ready."""
        self.reasons = self._configure(environment)
        self.metrics.ready(self.ready)

    def _configure(self, environment: Mapping[str, str]) -> list[str]:
        """Read settings, keys and rates; why they cannot be used."""
        reasons: list[str] = []
        try:
            self.settings = Settings.from_environment(environment)
        except ConfigurationError as error:
            reasons.append(str(error))
        logs.configure(self.settings.log_level)
        try:
            self._auth = Authenticator(self.settings)
        except ConfigurationError as error:
            reasons.append(str(error))
        self._rate = RateLimit(self.settings.rate_per_s, self.settings.rate_burst)
        if self.settings.audit_file is not None:
            try:
                self._audit = logs.AuditLog(self.settings.audit_file)
            except OSError as error:
                reasons.append(f"CRISOL_AUDIT_FILE: cannot be written: {error.strerror}")
        return reasons

    async def start(self) -> None:
        """Begin what goes on while it answers, in the event loop that will answer."""
        self.stopping = asyncio.Event()
        self._pool = ThreadPoolExecutor(self._threads, f"crisol-{self.name}")

    async def stop(self) -> None:
        """Finish what has begun and write the last log lines."""
        self.reasons = ["the service is stopping"]
        self.stopping.set()
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.to_thread(pool.shutdown)
        self._access.flush()
        self._audit.close()

    @property
    def ready(self) -> bool:
        """Whether nothing stands against answering."""
        return not self.reasons

    @property
    def pending(self) -> int:
        """How much is waiting or being worked on now."""
        return self._in_threads

    async def in_thread(
        self,
        function: Callable[..., _ResultT],
        *arguments: Any,
        timeout_s: float | None = None,
    ) -> _ResultT:
        """Call a function that may wait in one of the shared threads.

        Raises:
            ApiError: 503 when too much is waiting already, 504 after ``timeout_s``; a call that has
                begun goes on, one that has not never does.
            Exception: what the function raised.
        """
        if self._pool is None:
            raise ApiError(503, "The service is stopping.", headers={"retry-after": "1"})
        if self._in_threads >= self.settings.max_queue:
            raise ApiError(
                503,
                "The service has too much to do; try again later.",
                code="overloaded",
                headers={"retry-after": "1"},
            )
        work = self._pool.submit(function, *arguments)
        self._in_threads += 1
        loop = asyncio.get_running_loop()
        work.add_done_callback(lambda done: loop.call_soon_threadsafe(self._settle, done))
        waiting = asyncio.wrap_future(work)
        done, _ = await asyncio.wait([waiting], timeout=timeout_s)
        if not done:
            waiting.cancel()
            raise ApiError(504, headers={"retry-after": "1"})
        return waiting.result()

    def _settle(self, work: "Future[Any]") -> None:
        self._in_threads -= 1
        if not work.cancelled():
            work.exception()  # it may be of a call that nobody waits for any more

    # -- answering -------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request, or one message of the server's life cycle."""
        if scope["type"] != "http":
            await self._live(scope, receive, send)
            return
        call = Request.begin(scope, receive)
        endpoint: Endpoint | None = None
        code = ""
        reply: Reply | StreamReply
        try:
            page = self._find(call)
            if isinstance(page, Endpoint):
                endpoint = page
                reply = await self._ask(page, call)
            else:
                reply = page(call)
        except ClientDisconnected:
            self._tell(endpoint, call, 499, "client_disconnected")
            self._record(call, 499, "client_disconnected", 0)
            return
        except Exception as error:  # noqa: BLE001 - the boundary: every error has one shape
            refusal = self._refusal(call, error)
            code = refusal.code
            reply = Reply.json(refusal.body(call.request_id), refusal.status, refusal.headers)
        if endpoint is not None and endpoint.audit:
            self._tell(endpoint, call, reply.status, code)
        if isinstance(reply, Reply):
            sent = await send_reply(call, reply, self.reply_headers, send)
        else:
            sent, code = await self._send_stream(call, reply, send)
        self._record(call, reply.status, code, sent)

    reply_headers: Headers = ()
    """The headers of every answer beside the request id and its time."""

    def _find(self, call: Request) -> Any:
        route = self._routes.find(call.scope["path"])
        if route is None:
            raise ApiError(404, "There is no such path.")
        call.route, call.parameters = route.path, route.parameters
        page = route.page(call.scope["method"])
        if page is None:
            raise ApiError(405, headers={"allow": route.allow})
        return page

    async def _ask(self, endpoint: Endpoint, call: Request) -> Reply | StreamReply:
        if not endpoint.public:
            self.admit(call)
            if endpoint.scope is not None:
                call.identity.need(endpoint.scope)
            if self.reasons:
                raise self.not_ready()
        return await endpoint.answer(self, call)

    def _refusal(self, call: Request, error: Exception) -> ApiError:
        """An error as an answer; one that is nobody's but ours is logged, and is 500."""
        if isinstance(error, ApiError):
            return error
        if isinstance(error, FieldError):
            call.problems[error.kind] = 1
            return from_field(error)
        known = self._translate(error) if self._translate is not None else None
        if known is not None:
            return known
        fields = {"fields": {"request_id": call.request_id}}
        _log.error("request failed", exc_info=error, extra=fields)
        return ApiError(500)

    async def _send_stream(self, call: Request, reply: StreamReply, send: Send) -> tuple[int, str]:
        try:
            return await send_stream(call, reply, self.reply_headers, send, self.stopping), ""
        except ClientDisconnected:
            return 0, "client_disconnected"
        except Exception:  # noqa: BLE001 - the boundary
            # Too late for another status: the server cuts the connection, and the client knows.
            fields = {"fields": {"request_id": call.request_id}}
            _log.exception("request failed while it was answered", extra=fields)
            return 0, "internal"

    def admit(self, call: Request) -> None:
        """Name the caller and take one token of its rate.

        Raises:
            ApiError: 401, 403, 429, or 503 when nobody has configured who may ask.
        """
        if self._auth is None:
            raise self.not_ready()
        headers = call.headers
        call.identity = self._auth.identify(
            headers.get(b"x-api-key"), headers.get(b"authorization")
        )
        self._rate.take(call.identity.name)

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

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the server's lifespan messages; refuse other protocols."""
        if scope["type"] != "lifespan":
            await send({"type": "websocket.close", "code": 1000})
            return
        await receive()
        try:
            await self.start()
        except Exception as error:  # noqa: BLE001 - told to the server, which ends
            _log.exception("cannot start")
            await send({"type": "lifespan.startup.failed", "message": type(error).__name__})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    # -- telling ---------------------------------------------------------------------------------

    def _tell(self, endpoint: Endpoint | None, call: Request, status: int, code: str) -> None:
        """A line of the audit log, for what changes something and whose caller is known."""
        if endpoint is None or not endpoint.audit or not call.caller:
            return
        named = (v if _SANE_NAME.fullmatch(v) else "?" for v in call.parameters.values())
        about = call.about or "/".join(named)
        self._audit.write(
            request_id=call.request_id,
            action=endpoint.audit,
            object=about,
            caller=call.caller,
            subject=call.identity.subject,
            outcome="done" if status < 400 else "refused" if status < 500 else "failed",
            status=status,
            code=code,
        )

    def _record(self, call: Request, status: int, code: str, bytes_out: int) -> None:
        method = call.scope["method"] if call.route != "unmatched" else "any"
        self.metrics.request(call.route, method, status, call.milliseconds / 1000)
        if self.settings.log_level not in ("DEBUG", "INFO") and status < 500:
            return
        self._access.write(
            request_id=call.request_id,
            route=call.route,
            method=method,
            status=status,
            code=code,
            caller=call.caller,
            **self._log_fields(),
            milliseconds=round(call.milliseconds, 3),
            inference_ms=round(call.inference_ms, 3),
            rows=call.rows,
            bytes_in=call.bytes_in,
            bytes_out=bytes_out,
            problems=call.problems,
        )

    def _log_fields(self) -> dict[str, Any]:
        """Further fields of each line of the access log."""
        return {}

    @property
    def document(self) -> dict[str, Any]:
        """The OpenAPI document."""
        if self._document is None:
            self._document = self._build_document()
        return self._document

    def _build_document(self) -> dict[str, Any]:
        about = openapi.About(self.name, self.title, self.description)
        return openapi.build_document(about, self.endpoints, self._auth)
