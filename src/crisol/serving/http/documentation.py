"""The API page: FastAPI's OpenAPI document and Swagger UI, both served by the service itself."""

import base64
import hashlib
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi

from crisol import __version__
from crisol.serving.http.host import Host

_STATIC = files("fastapi_offline") / "static"
ASSETS = {name: Path(str(_STATIC / name)) for name in ("swagger-ui.css", "swagger-ui-bundle.js")}
_PARAMETERS = {
    "tryItOutEnabled": True,
    "persistAuthorization": False,
    "defaultModelsExpandDepth": 0,
    "validatorUrl": None,
}
_REQUEST_ID = {
    "name": "X-Request-Id",
    "in": "header",
    "required": False,
    "description": "Your own id for this request: 1-64 of A-Z a-z 0-9 . _ -; others are replaced.",
    "schema": {"type": "string"},
}
_HEADERS = {
    "X-Request-Id": {"description": "Find this request in the log.", "schema": {"type": "string"}},
    "X-Model-Version": {"description": "Version in the registry.", "schema": {"type": "string"}},
    "X-Process-Time-Ms": {
        "description": "Milliseconds in the service.",
        "schema": {"type": "string", "pattern": r"^[0-9]+\.[0-9]+$"},
    },
}


def document(app: FastAPI, host: Host) -> dict[str, Any]:
    """The OpenAPI document: FastAPI's, with the headers that every request and answer has."""
    headers = dict(_HEADERS)
    if not host.reply_headers:
        del headers["X-Model-Version"]
    summary = f"Crisol {__version__}"
    if host.reply_headers:
        summary += f", model version {host.version}"
    found = get_openapi(
        title=app.title,
        version=host.version,
        summary=summary,
        description=app.description,
        routes=app.routes,
        tags=[
            {"name": host.name, "description": "Ask it."},
            {"name": "service", "description": "How the service is and what it serves."},
        ],
    )
    found["components"]["headers"] = headers
    references = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
    open_to_all = host.auth is not None and host.auth.disabled
    for path in found["paths"].values():
        for operation in path.values():
            operation.setdefault("tags", [host.name])
            for inner in ("x-body", "x-timeout-s"):  # of Route
                operation.pop(inner, None)
            operation.setdefault("parameters", []).insert(0, _REQUEST_ID)
            if open_to_all or "security" not in operation:
                operation["security"] = []
            for response in operation["responses"].values():
                response["headers"] = {**references, **response.get("headers", {})}
    return found


def docs_page(title: str) -> bytes:
    """The page of Swagger UI. Nothing on it comes from another host."""
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=title,
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url="data:,",
        swagger_ui_parameters=_PARAMETERS,
    )
    return bytes(page.body).replace(b"</head>", b"<style>body { margin: 0 }</style></head>")


def content_security_policy(page: bytes) -> str:
    """A policy under which the script on the page runs and no other."""
    [script] = re.findall(rb"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    return (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
        "frame-ancestors 'none'"
    )
