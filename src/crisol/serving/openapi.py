"""The API page: an OpenAPI 3.1 document and Swagger UI, both served by the service itself."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from pydantic.json_schema import models_json_schema

from crisol import __version__
from crisol.serving.auth import Authenticator
from crisol.serving.endpoints import Endpoint
from crisol.serving.errors import CODES, Error, ErrorDetail
from crisol.serving.routing import parameter_names

_ERRORS = (401, 403, 405, 429, 500, 503, 504)
_BODY_ERRORS = (400, 408, 413, 415, 422)
ASSETS = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"
)
START_SCRIPT = """\
SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#page", deepLinking: true, tryItOutEnabled: true,
  persistAuthorization: false, defaultModelsExpandDepth: 0, validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout"
});
"""


def build_document(
    family: str,
    title: str,
    description: str,
    endpoints: Sequence[Endpoint],
    model_version: str,
    authenticator: Authenticator | None,
    answer: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The OpenAPI document: the contract's schemas, examples, every status, how to sign in.

    ``answer`` is what the predictor answers to the first golden request, the example of the first
    endpoint.
    """
    models = [(e.request, "validation") for e in endpoints if e.request is not None]
    models += [(m, "serialization") for e in endpoints for m in (e.response,)]
    models += [(Error, "serialization"), (ErrorDetail, "serialization")]
    names, schemas = models_json_schema(
        models,  # type: ignore[arg-type]
        ref_template="#/components/schemas/{model}",
    )
    paths: dict[str, Any] = {}
    for index, endpoint in enumerate(endpoints):
        example = answer if index == 0 else None
        operation = _operation(family, endpoint, names, example, authenticator)
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    paths |= _service_paths(authenticator)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": model_version,
            "summary": f"Crisol {__version__}, model version {model_version}",
            "description": description,
        },
        "tags": [
            {"name": family, "description": "Ask the model."},
            {"name": "service", "description": "How the service is and what it serves."},
        ],
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "Bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
            "headers": _HEADERS,
            "responses": {CODES[status][0]: _error_response(status) for status in CODES},
        },
    }


def _operation(
    family: str,
    endpoint: Endpoint,
    names: Mapping[Any, Any],
    answer: Mapping[str, Any] | None,
    authenticator: Authenticator | None,
) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": names[(endpoint.response, "serialization")]}
    if answer is not None:
        content["example"] = answer
    parameters, errors = _parameters(endpoint), set(_ERRORS)
    if parameter_names(endpoint.path):
        errors.add(404)
    if endpoint.query is not None:
        errors.add(422)
    operation: dict[str, Any] = {
        "operationId": _operation_id(endpoint),
        "summary": endpoint.summary,
        "tags": [family],
        "security": _security(authenticator),
        "parameters": [_REQUEST_ID, *parameters],
    }
    if endpoint.request is not None and endpoint.example is not None:
        errors.update(_BODY_ERRORS)
        schema = names[(endpoint.request, "validation")]
        operation["description"] = (endpoint.request.__doc__ or "").strip()
        operation["requestBody"] = {
            "required": True,
            "content": {
                "application/json": {
                    "schema": schema,
                    "example": endpoint.example().model_dump(mode="json"),
                },
                **_form(endpoint, schema),
            },
        }
    operation["responses"] = {
        str(endpoint.status): {
            "description": (endpoint.response.__doc__ or "The answer.").strip(),
            "headers": _header_references(),
            "content": {"application/json": content},
        },
        **_errors(sorted(errors)),
    }
    return operation


def _operation_id(endpoint: Endpoint) -> str:
    path = endpoint.path.strip("/").replace("{", "").replace("}", "").replace("/", "_")
    return path if endpoint.method == "POST" else f"{endpoint.method.lower()}_{path}"


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    """What stands in the path and behind the ``?``."""
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in parameter_names(endpoint.path)
    ]
    if endpoint.query is not None:
        schema = endpoint.query.model_json_schema()
        parameters += [
            {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", ()),
                "schema": field,
            }
            for name, field in schema["properties"].items()
        ]
    return parameters


def _form(endpoint: Endpoint, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The form that a route takes beside JSON."""
    upload = endpoint.upload
    if upload is None:
        return {}
    file = {"type": "string", "format": "binary", "contentMediaType": "image/*"}
    return {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "description": (
                    f"The JSON object in the part {upload.part!r} (or its fields as parts of their "
                    f"own) and {upload.file!r} as a file."
                ),
                "properties": {upload.part: schema, upload.file: file},
            },
            "encoding": {upload.part: {"contentType": "application/json"}},
        }
    }


def _service_paths(authenticator: Authenticator | None) -> dict[str, Any]:
    json_types = {"application/json": {"schema": {"type": "object"}}}
    pages: list[tuple[str, str, dict[str, Any], tuple[int, ...]]] = [
        ("/livez", "Is the process alive?", json_types, (405, 500)),
        ("/readyz", "Were the golden examples answered as recorded?", json_types, (405, 500, 503)),
        ("/health", "State, model version and uptime in one look.", json_types, (405, 500, 503)),
        ("/metrics", "Counters for Prometheus.", {"text/plain": {"schema": {"type": "string"}}},
         (405, 500)),
        ("/openapi.json", "This document.", json_types, (405, 500)),
    ]  # fmt: skip
    paths: dict[str, Any] = {
        path: {
            "get": {
                "operationId": path.strip("/").replace(".", "_"),
                "summary": summary,
                "tags": ["service"],
                "security": [],
                "responses": {
                    "200": {
                        "description": "OK",
                        "headers": _header_references(),
                        "content": content,
                    },
                    **_errors(errors),
                },
            }
        }
        for path, summary, content, errors in pages
    }
    paths["/model"] = {
        "get": {
            "operationId": "model",
            "summary": "Where the served model comes from: run, commit, data digests, gate.",
            "tags": ["service"],
            "security": _security(authenticator),
            "responses": {
                "200": {
                    "description": "OK",
                    "headers": _header_references(),
                    "content": json_types,
                },
                **_errors((401, 403, 405, 429, 500, 503)),
            },
        }
    }
    return paths


def _security(authenticator: Authenticator | None) -> list[dict[str, list[str]]]:
    if authenticator is not None and authenticator.disabled:
        return []
    return [{"ApiKey": []}, {"Bearer": []}]


def _errors(statuses: Sequence[int]) -> dict[str, Any]:
    return {
        str(status): {"$ref": f"#/components/responses/{CODES[status][0]}"} for status in statuses
    }


def _error_response(status: int) -> dict[str, Any]:
    code, meaning = CODES[status]
    details: list[dict[str, str]] = []
    if status == 422:
        details = [
            {
                "field": "sequence.12.close",
                "message": "Input should be greater than 0",
                "type": "greater_than",
            }
        ]
    example = {"error": meaning, "code": code, "details": details, "request_id": "5f0c1d7ab2"}
    schema = {"$ref": "#/components/schemas/Error"}
    return {
        "description": meaning,
        "headers": _header_references(),
        "content": {"application/json": {"schema": schema, "example": example}},
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


def _header_references() -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS}


def docs_page(title: str) -> bytes:
    """The page around Swagger UI. Nothing on it comes from another host."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<style>body {{ margin: 0; background: #fff }}
.swagger-ui .info {{ margin: 28px 0 20px }} .swagger-ui .scheme-container {{ padding: 16px 0 }}
</style></head>
<body><div id="page"></div>
<script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script>
</body></html>
""".encode()


def asset(name: str) -> bytes:
    """A file of Swagger UI, as BentoML ships it."""
    return files("bentoml").joinpath("_internal", "server", "static_content", name).read_bytes()
