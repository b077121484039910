"""The pages beside the endpoints: health, metrics, lineage, documentation."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from crisol import __version__
from crisol.core.predictor import predictor_digest
from crisol.serving.http import openapi
from crisol.serving.http.asgi import Call, Reply
from crisol.serving.http.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from crisol.serving.http.application import Application
    from crisol.serving.service.app import ServiceApp

Page = Callable[[Call], Reply]


def common_pages(app: "Application") -> dict[str, Page]:
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


def model_pages(app: "ServiceApp") -> dict[str, Page]:
    """The pages of a family's service."""
    return {
        **common_pages(app),
        "/readyz": lambda _: _replayed(app),
        "/health": lambda _: _model_health(app),
        "/model": lambda call: _model(app, call),
    }


def _readyz(app: "Application") -> Reply:
    if not app.ready:
        raise app.not_ready()
    return Reply.json({"status": "ready"})


def _health(app: "Application") -> Reply:
    if not app.ready:
        raise app.not_ready()
    uptime_s = round(time.time() - app.began, 1)
    return Reply.json({"status": "ready", "uptime_s": uptime_s, "pending": app.pending})


def _replayed(app: "ServiceApp") -> Reply:
    if not app.ready:
        raise app.not_ready()
    return Reply.json({"status": "ready", "golden_examples": len(app.predictor.golden)})


def _model_health(app: "ServiceApp") -> Reply:
    if not app.ready:
        raise app.not_ready()
    return Reply.json(
        {
            "status": "ready",
            "family": app.family,
            "model_version": app.model_version,
            "uptime_s": round(time.time() - app.began, 1),
            "pending_rows": app.pending_rows,
        }
    )


def _model(app: "ServiceApp", call: Call) -> Reply:
    """Where the predictor comes from, for callers with a key."""
    app.admit(call)
    if app.directory is None:
        raise app.not_ready()
    manifest = app.manifest
    contract = {
        e.name: {
            "method": e.method,
            "request": e.request.__name__ if e.request is not None else "",
            "response": e.response.__name__ if e.response is not None else "",
        }
        for e in app.endpoints
    }
    return Reply.json(
        {
            "family": app.family,
            "model_version": app.model_version,
            "lineage": app.stamp,
            "predictor": {
                "digest": predictor_digest(app.directory),
                "crisol": manifest["crisol"],
                "runtime": app.settings.runtime or manifest.get("runtime", ""),
                "files": manifest["files"],
            },
            "golden": {
                "examples": len(app.predictor.golden),
                "differences": app.differences,
            },
            "contract": contract,
            "service": {"crisol": __version__},
        }
    )


def _docs(app: "Application") -> Reply:
    headers = {"content-security-policy": openapi.CONTENT_SECURITY_POLICY}
    return Reply(200, openapi.docs_page(app.title), "text/html; charset=utf-8", headers)


def _asset(name: str, kind: str) -> Page:
    def page(_: Call) -> Reply:
        headers = {"cache-control": "public, max-age=86400"}
        return Reply(200, openapi.asset(name), f"{kind}; charset=utf-8", headers)

    return page
