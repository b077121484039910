"""The pages beside the routes: health, metrics, documentation."""

import mimetypes
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from crisol.serving.http.documentation import (
    ASSETS,
    content_security_policy,
    docs_page,
)
from crisol.serving.http.errors import ApiError
from crisol.serving.http.host import HostOf
from crisol.serving.http.metrics import CONTENT_TYPE
from crisol.serving.http.routes import Route, errors

_DAY = {"cache-control": "public, max-age=86400"}


def common_pages() -> APIRouter:
    """The pages of every application, for everybody."""
    router = APIRouter(route_class=Route, tags=["service"])
    hidden: dict[str, Any] = {"include_in_schema": False}

    @router.get("/livez", operation_id="livez", summary="Is the process alive?")
    async def livez() -> dict[str, Any]:
        return {"status": "alive"}

    router.add_api_route("/healthz", livez, **hidden)

    @router.get("/readyz", operation_id="readyz", summary="Can it answer?", responses=errors(503))
    async def readyz(host: HostOf) -> dict[str, Any]:
        if not host.ready:
            raise host.not_ready()
        return dict(host.ready_facts())

    @router.get(
        "/health",
        operation_id="health",
        summary="State and uptime in one look.",
        responses=errors(503),
    )
    async def health(host: HostOf) -> dict[str, Any]:
        if not host.ready:
            raise host.not_ready()
        return dict(host.health_facts())

    @router.get(
        "/metrics",
        operation_id="metrics",
        summary="Counters for Prometheus.",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics(host: HostOf) -> Response:
        return Response(host.metrics.render(host.pending), headers={"content-type": CONTENT_TYPE})

    @router.get("/openapi.json", operation_id="openapi_json", summary="This document.")
    async def openapi(request: Request) -> dict[str, Any]:
        return dict(request.app.openapi())

    router.add_api_route("/docs.json", openapi, **hidden)

    @router.get("/docs", **hidden)
    async def docs(request: Request) -> HTMLResponse:
        page = docs_page(request.app.title)
        policy = {"content-security-policy": content_security_policy(page)}
        return HTMLResponse(page, headers=policy)

    @router.get("/docs/{name}", **hidden)
    async def asset(name: str) -> Response:
        if name not in ASSETS:
            raise ApiError(404, "There is no such path.")
        kind = mimetypes.guess_type(name)[0]
        return Response(ASSETS[name].read_bytes(), headers=_DAY, media_type=kind)

    @router.get("/", **hidden)
    async def start() -> RedirectResponse:
        return RedirectResponse("/docs")

    return router
