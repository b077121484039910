"""The API page: an OpenAPI 3.1 document and Swagger UI, both served by the service itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from pydantic.json_schema import models_json_schema

from crisol import __version__
from crisol.serving.http.asgi import JSON
from crisol.serving.http.auth import SCOPES, Authenticator
from crisol.serving.http.endpoints import Endpoint
from crisol.serving.http.errors import CODES, Error, ErrorDetail
from crisol.serving.http.routing import parameter_names

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


@dataclass(frozen=True)
class About:
    """The head of the API page.

    Attributes:
        name: groups the endpoints.
        title: of the page.
        description: Markdown.
        model_version: of what answers; ``None``: no one model does.
    """

    name: str
    title: str
    description: str
    model_version: str | None = None


def build_document(
    about: About,
    endpoints: Sequence[Endpoint],
    authenticator: Authenticator | None,
    answer: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The OpenAPI document: the contract's schemas, examples, every status, how to sign in.

    ``answer`` is what the predictor answers to the first golden request, the example of the first
    endpoint.
    """
    models = [(e.request, "validation") for e in endpoints if e.request is not None]
    models += [(e.response, "serialization") for e in endpoints if e.response is not None]
    models += [(Error, "serialization"), (ErrorDetail, "serialization")]
    names, schemas = models_json_schema(
        models,  # type: ignore[arg-type]
        ref_template="#/components/schemas/{model}",
    )
    headers = dict(_HEADERS)
    summary = f"Crisol {__version__}"
    if about.model_version is None:
        del headers["X-Model-Version"]
    else:
        summary += f", model version {about.model_version}"
    described = _Describer(names, headers, _security(authenticator))
    paths: dict[str, Any] = {}
    for index, endpoint in enumerate(endpoints):
        example = answer if index == 0 else None
        operation = described.operation(about.name, endpoint, example)
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    for path, page in described.service_paths(with_model=about.model_version is not None).items():
        paths.setdefault(path, page)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": about.title,
            "version": about.model_version or __version__,
            "summary": summary,
            "description": about.description,
        },
        "tags": [
            {"name": about.name, "description": "Ask it."},
            {"name": "service", "description": "How the service is and what it serves."},
        ],
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "Bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
            "headers": headers,
            "responses": {CODES[status][0]: described.error(status) for status in CODES},
        },
    }


@dataclass(frozen=True)
class _Describer:
    """Describes operations with what they share.

    Attributes:
        names: schema of a model, by the model and its mode.
        headers: that every answer carries.
        security: how to sign in.
    """

    names: Mapping[Any, Any]
    headers: Mapping[str, Any]
    security: list[dict[str, list[str]]]

    def operation(
        self, tag: str, endpoint: Endpoint, answer: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """One endpoint."""
        operation: dict[str, Any] = {
            "operationId": _operation_id(endpoint),
            "summary": endpoint.summary,
            "tags": [tag],
            "security": [] if endpoint.public else self.security,
            "parameters": [_REQUEST_ID, *_parameters(endpoint)],
        }
        if endpoint.scope is not None:
            allows = SCOPES[endpoint.scope]
            operation["description"] = f"Needs the scope `{endpoint.scope}` ({allows})."
        if endpoint.request is not None:
            told = (endpoint.request.__doc__ or "").strip()
            operation["description"] = "\n\n".join(
                part for part in (told, operation.get("description", "")) if part
            )
        body = self._body(endpoint)
        if body is not None:
            operation["requestBody"] = body
        operation["responses"] = {
            str(endpoint.status): self._success(endpoint, answer),
            **_errors(sorted(_statuses(endpoint))),
        }
        return operation

    def _body(self, endpoint: Endpoint) -> dict[str, Any] | None:
        if endpoint.notes.takes:
            binary = {"schema": {"type": "string", "format": "binary"}}
            return {"required": True, "content": dict.fromkeys(endpoint.notes.takes, binary)}
        if endpoint.request is None:
            return None
        schema = self.names[(endpoint.request, "validation")]
        content = {"schema": schema}
        if endpoint.example is not None:
            content["example"] = endpoint.example().model_dump(mode="json", by_alias=True)
        return {"required": True, "content": {JSON: content, **_form(endpoint, schema)}}

    def _success(self, endpoint: Endpoint, answer: Mapping[str, Any] | None) -> dict[str, Any]:
        success: dict[str, Any] = {"description": "The answer.", "headers": self.references()}
        for name, meaning in endpoint.notes.response_headers.items():
            success["headers"][name] = {"description": meaning, "schema": {"type": "string"}}
        if endpoint.response is not None:
            success["description"] = (endpoint.response.__doc__ or "The answer.").strip()
            content: dict[str, Any] = {"schema": self.names[(endpoint.response, "serialization")]}
            if answer is not None:
                content["example"] = answer
            success["content"] = {endpoint.notes.answers: content}
        elif endpoint.notes.answers != JSON:
            success["content"] = {endpoint.notes.answers: {"schema": {"type": "string"}}}
        return success

    def service_paths(self, *, with_model: bool) -> dict[str, Any]:
        """The pages beside the endpoints."""
        json_types = {JSON: {"schema": {"type": "object"}}}
        text_types = {"text/plain": {"schema": {"type": "string"}}}
        state = "State, model version and uptime in one look."
        ready = "Were the golden examples answered as recorded?"
        if not with_model:
            state, ready = "State and uptime in one look.", "Does nothing stand against answering?"
        pages: list[tuple[str, str, dict[str, Any], tuple[int, ...], list[Any]]] = [
            ("/livez", "Is the process alive?", json_types, (405, 500), []),
            ("/readyz", ready, json_types, (405, 500, 503), []),
            ("/health", state, json_types, (405, 500, 503), []),
            ("/metrics", "Counters for Prometheus.", text_types, (405, 500), []),
            ("/openapi.json", "This document.", json_types, (405, 500), []),
        ]
        if with_model:
            lineage = "Where the served model comes from: run, commit, data digests, gate."
            statuses = (401, 403, 405, 429, 500, 503)
            pages.append(("/model", lineage, json_types, statuses, self.security))
        return {
            path: {
                "get": {
                    "operationId": path.strip("/").replace(".", "_"),
                    "summary": summary,
                    "tags": ["service"],
                    "security": security,
                    "responses": {
                        "200": {
                            "description": "OK",
                            "headers": self.references(),
                            "content": content,
                        },
                        **_errors(statuses),
                    },
                }
            }
            for path, summary, content, statuses, security in pages
        }

    def error(self, status: int) -> dict[str, Any]:
        """The answer of a status that is no success."""
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
            "headers": self.references(),
            "content": {JSON: {"schema": schema, "example": example}},
        }

    def references(self) -> dict[str, Any]:
        """The headers that every answer carries."""
        return {name: {"$ref": f"#/components/headers/{name}"} for name in self.headers}


def _statuses(endpoint: Endpoint) -> set[int]:
    """Every status of an endpoint that is no success."""
    statuses = {405, 500, *endpoint.notes.errors}
    if not endpoint.public:
        statuses.update(_ERRORS)
    if parameter_names(endpoint.path):
        statuses.add(404)
    if endpoint.query is not None:
        statuses.add(422)
    if endpoint.request is not None:
        statuses.update(_BODY_ERRORS)
    if endpoint.notes.takes:
        statuses.update((400, 408, 413))
    return statuses


def _operation_id(endpoint: Endpoint) -> str:
    path = endpoint.path.strip("/").replace("{", "").replace("}", "").replace("/", "_")
    return path if endpoint.method == "POST" else f"{endpoint.method.lower()}_{path}"


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    """The parameters in the path, the query string and the headers."""
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
    parameters += [
        {
            "name": name,
            "in": "header",
            "required": False,
            "description": meaning,
            "schema": {"type": "string"},
        }
        for name, meaning in endpoint.notes.request_headers.items()
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


def _security(authenticator: Authenticator | None) -> list[dict[str, list[str]]]:
    if authenticator is not None and authenticator.disabled:
        return []
    return [{"ApiKey": []}, {"Bearer": []}]


def _errors(statuses: Sequence[int]) -> dict[str, Any]:
    return {
        str(status): {"$ref": f"#/components/responses/{CODES[status][0]}"} for status in statuses
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
