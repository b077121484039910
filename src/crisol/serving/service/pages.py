"""The pages of a family's service: those of every application, and the origin of its predictor."""

import time

from crisol import __version__
from crisol.core.predictor import predictor_digest
from crisol.serving.http.asgi import Reply, Request
from crisol.serving.http.pages import Page, common_pages
from crisol.serving.service.protocols import ModelPageHost


def model_pages(app: ModelPageHost) -> dict[str, Page]:
    """The pages of a family's service."""
    return {
        **common_pages(app),
        "/readyz": lambda _: _replayed(app),
        "/health": lambda _: _model_health(app),
        "/model": lambda call: _model(app, call),
    }


def _replayed(app: ModelPageHost) -> Reply:
    if not app.ready:
        raise app.not_ready()
    return Reply.json({"status": "ready", "golden_examples": len(app.predictor.golden)})


def _model_health(app: ModelPageHost) -> Reply:
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


def _model(app: ModelPageHost, call: Request) -> Reply:
    """The origin of the predictor, for callers with a key."""
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
