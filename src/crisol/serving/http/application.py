"""The FastAPI application of a family's service, or of the platform."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from crisol.serving.http.bodies import JSON, told
from crisol.serving.http.documentation import document
from crisol.serving.http.errors import CODES, ApiError, from_errors
from crisol.serving.http.exchange import Exchange
from crisol.serving.http.host import Host
from crisol.serving.http.pages import common_pages
from crisol.serving.http.recorder import Recorder

_EXPOSED = [
    "X-Request-Id", "X-Model-Version", "X-Process-Time-Ms", "Location", "Retry-After", "Allow",
    "Upload-Offset", "Upload-Complete", "Upload-Length", "Upload-Limit",
]  # fmt: skip
"""With credentials a browser takes ``*`` for a name."""


class Application(FastAPI):
    """FastAPI with the parts that every application of Crisol has. :func:`create_app` makes one."""

    def build_middleware_stack(self) -> ASGIApp:
        """The layers around the routes: FastAPI's own answer errors and bound bodies otherwise."""
        host: Host = self.state.host
        return Recorder(_Cors(_Failures(AsyncExitStackMiddleware(self.router)), host), host)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        if self.openapi_schema is None:
            self.openapi_schema = document(self, self.state.host)
        return self.openapi_schema


def create_app(
    host: Host, *, title: str, description: str, routes: Iterable[BaseRoute]
) -> Application:
    """The application of a family's service, or of the platform.

    Args:
        host: settings, access, readiness and logs; it is started and stopped with the application.
        title: of the API page.
        description: of the API page (Markdown).
        routes: before the common pages; one at the path of a common page takes its place.
    """
    app = Application(
        title=title,
        description=description,
        lifespan=host.running,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        # The access log and the metrics are Crisol's own.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.host = host
    app.router.routes[:] = [*routes, *common_pages().routes]
    return app


async def _answer_error(request: Request, error: Exception) -> Response:
    """Every error in one shape."""
    host: Host = request.app.state.host
    exchange = Exchange.of(request.scope)
    if isinstance(error, ClientDisconnect):
        exchange.code = "client_disconnected"
        return Response(status_code=499)
    if isinstance(error, RequestValidationError):
        error = _of_query(exchange, error)
    elif isinstance(error, HTTPException) and not isinstance(error, ApiError):
        error = _of_router(request, error)
    refused = host.refusal(exchange, error)
    exchange.code = refused.code
    body = to_json(refused.body(exchange.request_id))
    return Response(body, refused.status, refused.headers, JSON)


def _of_query(exchange: Exchange, error: RequestValidationError) -> ApiError:
    """A refused query; of a place such as ``query.limit`` the client knows the second half."""
    found = [{**e, "loc": tuple(e["loc"])[1:]} for e in error.errors()]
    return told(exchange, from_errors(found))


def _of_router(request: Request, error: HTTPException) -> ApiError:
    if error.status_code == 404:
        return ApiError(404, "There is no such path.")
    if error.status_code == 405:
        methods: set[str] = set()
        for route in request.app.routes:
            if route.matches(request.scope)[0] is not Match.NONE:
                methods |= route.methods
        if "GET" in methods:
            methods.add("HEAD")
        return ApiError(405, headers={"allow": ", ".join(sorted(methods))})
    return ApiError(error.status_code if error.status_code in CODES else 500)


class _Failures:
    """Answers every error in one shape, before the headers of CORS are added."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            if scope["type"] != "http" or Exchange.of(scope).status:
                raise
            response = await _answer_error(Request(scope), error)
            await response(scope, receive, send)


class _Cors:
    """Starlette's CORS middleware with the origins that the settings name, if there are any."""

    def __init__(self, app: ASGIApp, host: Host) -> None:
        self._app, self._host = app, host
        self._inner: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._inner is None and scope["type"] == "http":
            self._inner = self._configured()
        await (self._inner or self._app)(scope, receive, send)

    def _configured(self) -> ASGIApp:
        origins = self._host.settings.origins
        if not origins:
            return self._app
        return CORSMiddleware(
            self._app,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"],
            allow_headers=["*"],
            allow_credentials=True,
            expose_headers=_EXPOSED,
        )
