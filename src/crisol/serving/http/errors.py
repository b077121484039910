"""The one shape of every error, and how a failed validation becomes it."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException

from crisol.core.errors import FieldError

CODES: Mapping[int, tuple[str, str]] = {
    400: ("bad_request", "The body is not readable JSON."),
    401: ("unauthorized", "No valid API key or bearer token came with the request."),
    403: ("forbidden", "The key or token is valid but does not carry the scope that is needed."),
    404: ("not_found", "There is no such path, or no such object for this caller."),
    405: ("method_not_allowed", "The path does not take this method; see the Allow header."),
    408: ("body_timeout", "The body took too long to arrive."),
    409: ("conflict", "The state of the object does not allow it; see the message."),
    411: ("length_required", "Send the body's Content-Length."),
    413: ("body_too_large", "The body is larger than the service takes."),
    414: ("target_too_long", "Path and query are longer than the service takes."),
    415: ("unsupported_media_type", "The body must be sent as application/json, not compressed."),
    416: ("offset_mismatch", "The body does not begin where the last one ended."),
    422: ("invalid_request", "The JSON is readable, but a field breaks the contract; see details."),
    429: ("rate_limited", "This key sends too many requests; see the Retry-After header."),
    431: ("header_too_large", "The request line and the headers are larger than allowed."),
    500: ("internal", "The service failed; the request id finds the cause in its log."),
    503: ("unavailable", "The service is not ready or has too much to do; try again later."),
    504: ("timeout", "The answer took too long."),
    507: ("insufficient_storage", "There is no room for it on the service's disk."),
}
"""Status to the machine-readable code and what it means (as the API page tells it)."""

MAX_DETAILS = 50
MAX_FIELD = 200
MAX_MESSAGE = 500


class ErrorDetail(BaseModel):
    """One thing that is wrong with a request."""

    model_config = ConfigDict(extra="forbid")

    field: str = Field(description="Path of the field, such as sequence.12.close; empty: the body.")
    message: str
    type: str = Field(description="Machine-readable kind of problem, such as greater_than.")


class Error(BaseModel):
    """Every answer that is not a success looks like this."""

    model_config = ConfigDict(extra="forbid")

    error: str = Field(description="What is wrong, for a person.")
    code: str = Field(description="What is wrong, for a program.")
    details: list[ErrorDetail]
    request_id: str = Field(description="Also in the X-Request-Id header and in the service log.")


class ApiError(HTTPException):
    """Ends a request with ``status`` and the error shape."""

    def __init__(
        self,
        status: int,
        message: str | None = None,
        *,
        details: Sequence[ErrorDetail] = (),
        headers: Mapping[str, str] | None = None,
        code: str | None = None,
    ) -> None:
        default_code, default_message = CODES[status]
        super().__init__(status, message or default_message, headers)
        self.status = status
        self.code = code or default_code
        self.details = list(details)
        self.headers: Mapping[str, str] = dict(headers or {})

    def __str__(self) -> str:
        return self.detail

    def body(self, request_id: str) -> dict[str, Any]:
        """The answer as plain JSON."""
        return Error(
            error=self.detail, code=self.code, details=self.details, request_id=request_id
        ).model_dump()


def from_validation(error: ValidationError) -> ApiError:
    """400 when the body is not JSON at all, 422 when a field breaks the contract.

    Messages may quote what the client sent: they go back to the client and never to the log.
    """
    return from_errors(error.errors(include_url=False, include_input=False, include_context=False))


def from_errors(errors: Sequence[Mapping[str, Any]]) -> ApiError:
    """As :func:`from_validation`, of pydantic's or FastAPI's list of errors."""
    found = _causes(errors)
    details = [
        _detail(".".join(map(str, e["loc"])), e["msg"].removeprefix("Value error, "), e["type"])
        for e in found[:MAX_DETAILS]
    ]
    if any(e["type"] == "json_invalid" for e in found):
        return ApiError(400, "The body is not valid JSON.", details=details, code="malformed_json")
    fields = "1 field breaks" if len(found) == 1 else f"{len(found)} fields break"
    return ApiError(422, f"{fields} the contract; see details.", details=details)


def _detail(field: str, message: str, kind: str) -> ErrorDetail:
    return ErrorDetail(field=field[:MAX_FIELD], message=message[:MAX_MESSAGE], type=kind)


def from_field(error: FieldError) -> ApiError:
    """422 for what only the answering could find out, such as a broken picture."""
    detail = _detail(error.field, str(error), error.kind)
    return ApiError(422, "1 field breaks the contract; see details.", details=[detail])


def _causes(found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Without what only follows: a list whose only element is wrong is also told as too short."""
    inside = {e["loc"][:depth] for e in found for depth in range(len(e["loc"]))}
    return [e for e in found if e["type"] != "too_short" or e["loc"] not in inside]
