"""The endpoints of a service."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self
from urllib.parse import parse_qsl

from pydantic import BaseModel, TypeAdapter, ValidationError

from crisol.core.contract import ModelContract
from crisol.core.errors import FieldError
from crisol.serving.http.asgi import JSON, Reply, Request, StreamReply
from crisol.serving.http.auth import NOBODY, SCOPES, Identity
from crisol.serving.http.config import Settings
from crisol.serving.http.errors import ApiError, ErrorDetail, from_validation
from crisol.serving.http.forms import Upload
from crisol.serving.http.limits import read_body

MAX_DETAILS = 50
MAX_COMPARED_BYTES = 1 << 20
"""Larger bodies are not compared with other routes' contracts."""
_TYPES = (b"application/json", b"application/json;charset=utf-8")
_SHAPE = frozenset({"missing", "extra_forbidden"})

BodyKind = Literal["plain", "upload", "bulk"]
"""The limit on a body: ``CRISOL_MAX_BODY_BYTES``, ``_UPLOAD_BYTES`` or ``_BULK_BYTES``."""


@dataclass(frozen=True)
class Notes:
    """Facts about an endpoint for the API page, beyond its contract.

    Attributes:
        errors: statuses it may answer with beside those that any endpoint may.
        request_headers: those it looks at, by name.
        response_headers: those of a success, by name.
        takes: media types of a body that is streamed rather than JSON.
        answers: media type of a success.
    """

    errors: tuple[int, ...] = ()
    request_headers: Mapping[str, str] = field(default_factory=dict)
    response_headers: Mapping[str, str] = field(default_factory=dict)
    takes: tuple[str, ...] = ()
    answers: str = JSON


class EndpointHost(Protocol):
    """The parts of an application that its endpoints use."""

    @property
    def settings(self) -> Settings:
        """The operator's settings."""

    @property
    def endpoints(self) -> "Sequence[Endpoint]":
        """Every endpoint of the application."""


class Endpoint(ABC):
    """One path and method of a service, with what the API page needs to tell about it.

    Args:
        path: where; ``{name}`` in it stands for one piece between slashes.
        summary: one line for the API page.
        response: the answer; none: it has no body, or one that is no JSON.
        method: ``GET`` and ``DELETE`` have no body.
        request: the body.
        example: makes a valid body for the API page.
        query: what may stand behind the ``?``; none: nothing there is looked at.
        status: of a success.
        body: what kind of body it is, which decides how large it may be and how long it may take.
        upload: the form that is taken beside JSON.
        unpack: the questions in a body; by default the body is one.
        pack: the answer that holds the responses; by default the only one is it.
        contract_of: the contract of a predictor that has one of its own; ``request``, ``response``
            and ``example`` stand in its place until it is loaded.
        scope: what the caller must carry, one of :data:`crisol.serving.http.auth.SCOPES`; none:
            nothing beyond a valid key or token.
        public: whether everybody is answered, without a key and before the service is ready.
        audit: what it changes, such as ``job.start``: each request gets a line in the audit log.
        notes: what else the API page tells.
    """

    def __init__(
        self,
        path: str,
        *,
        summary: str,
        response: type[BaseModel] | None = None,
        method: str = "POST",
        request: type[BaseModel] | None = None,
        example: Callable[[], BaseModel] | None = None,
        query: type[BaseModel] | None = None,
        status: int = 200,
        body: BodyKind = "plain",
        upload: Upload | None = None,
        unpack: Callable[[Any], Sequence[Any]] = lambda body: (body,),
        pack: Callable[[list[Any]], BaseModel] = lambda responses: responses[0],
        contract_of: Callable[[Any], ModelContract] | None = None,
        scope: str | None = None,
        public: bool = False,
        audit: str = "",
        notes: Notes | None = None,
    ) -> None:
        if scope is not None and (scope not in SCOPES or public):
            there = ", ".join(SCOPES)
            raise ValueError(f"{path}: no scope {scope!r} for it; there are, for keys: {there}")
        self.path, self.method, self.status = path, method, status
        self.request, self.response, self.query = request, response, query
        self.example = example
        self.summary = summary
        self.upload = upload
        self.body = body
        self._unpack = unpack
        self._pack = pack
        self._contract_of = contract_of
        self.scope, self.public, self.audit = scope, public, audit
        self.notes = notes or Notes()
        self._adapter: TypeAdapter[Any] = TypeAdapter[Any](request or type(None))

    @property
    def takes_contract(self) -> bool:
        """Whether its contract is that of the predictor."""
        return self._contract_of is not None

    def serving(self, predictor: Any) -> Self:
        """This endpoint with the contract of a predictor."""
        if self._contract_of is None:
            return self
        contract = self._contract_of(predictor)
        bound = copy.copy(self)
        bound.request, bound.response = contract.request, contract.response
        bound.example, bound._adapter = contract.example, TypeAdapter(contract.request)
        return bound

    @property
    def name(self) -> str:
        """Its path, and its method where that is not ``POST``."""
        return self.path if self.method == "POST" else f"{self.method} {self.path}"

    def max_body_bytes(self, settings: Settings) -> int:
        """How large a body may be."""
        limits = {"upload": settings.max_upload_bytes, "bulk": settings.max_bulk_bytes}
        return limits.get(self.body, settings.max_body_bytes)

    def body_timeout_s(self, settings: Settings) -> float:
        """How long a body may take to arrive."""
        return settings.timeout_s if self.body == "plain" else settings.upload_timeout_s

    @abstractmethod
    async def answer(self, app: Any, call: Request) -> Reply | StreamReply:
        """Answer one request; an :class:`ApiError` becomes the error shape."""

    def read_query(self, call: Request) -> Any:
        """The checked query string.

        Raises:
            ApiError: 422.
        """
        if self.query is None:
            return None
        try:
            text = call.scope.get("query_string", b"").decode("ascii")
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=100)
        except ValueError:
            raise FieldError("", "the query string is not readable", "query_invalid") from None
        values = dict(pairs)
        if len(values) < len(pairs):
            twice = next(name for name, _ in pairs if [n for n, _ in pairs].count(name) > 1)
            raise FieldError(twice, "is there twice", "twice")
        try:
            return self.query.model_validate(values)
        except ValidationError as error:
            raise _refusal(call, error) from None

    async def read(self, app: EndpointHost, call: Request) -> Any:
        """The body, checked in this order: media type, size, JSON or form, contract.

        Raises:
            ApiError: 400, 408, 413, 415 or 422.
            FieldError: a part of a form that cannot be read.
        """
        if self.request is None:
            return None
        is_form = self._is_form(call)
        body = await read_body(
            call.receive,
            call.headers.get(b"content-length"),
            self.max_body_bytes(app.settings),
            self.body_timeout_s(app.settings),
        )
        call.bytes_in = len(body)
        # Strict: JSON has numbers and booleans of its own, so "3" is not a number. In a form it is.
        strict = True
        if is_form and self.upload is not None:
            body, strict = self.upload.as_json(call.headers[b"content-type"], body)
        try:
            return self._adapter.validate_json(body, strict=strict)
        except ValidationError as error:
            refusal = _refusal(call, error)
            meant = self._meant(app, body, refusal.details)
            if meant:
                refusal.details.insert(0, ErrorDetail(field="", message=meant, type="other_route"))
            raise refusal from None

    def _is_form(self, call: Request) -> bool:
        """Whether the body is a form; else it is JSON.

        Raises:
            ApiError: 415, it is neither, or compressed.
        """
        if call.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise ApiError(415, "Send the body without Content-Encoding.")
        content_type = call.headers.get(b"content-type", b"").lower().replace(b" ", b"")
        if content_type.replace(b'"', b"") in _TYPES:
            return False
        if self.upload is not None and content_type.startswith(b"multipart/form-data;"):
            return True
        also = " or multipart/form-data" if self.upload is not None else ""
        raise ApiError(415, f"Send the body with Content-Type: application/json{also}.")

    def _meant(self, app: EndpointHost, body: bytes, details: Sequence[ErrorDetail]) -> str:
        """A hint at the route that a body belongs to; empty when it fits none."""
        if len(body) > MAX_COMPARED_BYTES:
            return ""
        if any("." in d.field or d.type not in _SHAPE for d in details):
            return ""
        for other in app.endpoints:
            if other is not self and other.fits(body):
                needed = ", ".join(repr(d.field) for d in details if d.type == "missing")
                return f"this is a body of {other.path}" + (
                    f"; {self.path} takes an object with {needed}" if needed else ""
                )
        return ""

    def fits(self, body: bytes) -> bool:
        """Whether a body keeps this endpoint's contract."""
        if self.request is None:
            return False
        try:
            self._adapter.validate_json(body, strict=True)
        except ValidationError:
            return False
        return True


def _refusal(call: Request, error: ValidationError) -> ApiError:
    refusal = from_validation(error)
    for detail in refusal.details:
        call.problems[detail.type] = call.problems.get(detail.type, 0) + 1
    del refusal.details[MAX_DETAILS:]
    return refusal


@dataclass(frozen=True, slots=True)
class Question:
    """Everything one request says.

    Attributes:
        caller: who asks.
        parameters: what stands in the place of each ``{name}`` of the path.
        query: what stands behind the ``?``.
        body: the body.
        identity: who asks, with their scopes.
        headers: by lower-case name.
        request_id: of the request.
    """

    caller: str
    parameters: Mapping[str, str]
    query: Any
    body: Any
    identity: Identity = NOBODY
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    request_id: str = ""


def ask(call: Request, query: Any, body: Any) -> Question:
    """The question of one request."""
    return Question(
        call.caller, call.parameters, query, body, call.identity, call.headers, call.request_id
    )
