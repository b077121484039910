"""The pages beside the endpoints: health, metrics, documentation."""

import time
from collections.abc import Callable
from typing import Any, Protocol

from crisol.serving.http import openapi
from crisol.serving.http.asgi import Reply, Request
from crisol.serving.http.errors import ApiError
from crisol.serving.http.metrics import CONTENT_TYPE, Metrics

Page = Callable[[Request], Reply]


class PageHost(Protocol):
    """The parts of an application that its pages show."""

    @property
    def title(self) -> str:
        """Title of the API page."""

    @property
    def document(self) -> dict[str, Any]:
        """The OpenAPI document."""

    @property
    def metrics(self) -> Metrics:
        """The counters for Prometheus."""

    @property
    def began(self) -> float:
        """When the process began, in seconds since 1970."""

    @property
    def pending(self) -> int:
        """How much is waiting or being worked on now."""

    @property
    def ready(self) -> bool:
        """Whether it can answer."""

    def not_ready(self) -> ApiError:
        """503, with every reason."""


def common_pages(app: PageHost) -> dict[str, Page]:
    """Path to what ``GET`` answers there, in every application."""
    script = Reply(200, openapi.START_SCRIPT.encode(), "text/javascript; charset=utf-8")
    pages: dict[str, Page] = {
        "/livez": lambda _: Reply.json({"status": "alive"}),
        "/healthz": lambda _: Reply.json({"status": "alive"}),
        "/readyz": lambda _: _readyz(app),
        "/health": lambda _: _health(app),
        "/metrics": lambda _: Reply(200, app.metrics.render(app.pending), CONTENT_TYPE),
        "/openapi.json": lambda _: Reply.json(app.document),
        "/docs.json": lambda _: Reply.json(app.document),
        "/docs": lambda _: _docs(app),
        "/docs/start.js": lambda _: script,
        "/": lambda _: Reply(307, b"", "text/plain", {"location": "/docs"}),
    }
    for name, kind in openapi.ASSETS.items():
        pages[f"/docs/{name}"] = _asset(name, kind)
    return pages


def _readyz(app: PageHost) -> Reply:
    if not app.ready:
        raise app.not_ready()
    return Reply.json({"status": "ready"})


def _health(app: PageHost) -> Reply:
    if not app.ready:
        raise app.not_ready()
    uptime_s = round(time.time() - app.began, 1)
    return Reply.json({"status": "ready", "uptime_s": uptime_s, "pending": app.pending})


def _docs(app: PageHost) -> Reply:
    headers = {"content-security-policy": openapi.CONTENT_SECURITY_POLICY}
    return Reply(200, openapi.docs_page(app.title), "text/html; charset=utf-8", headers)


def _asset(name: str, kind: str) -> Page:
    def page(_: Request) -> Reply:
        headers = {"cache-control": "public, max-age=86400"}
        return Reply(200, openapi.asset(name), f"{kind}; charset=utf-8", headers)

    return page
