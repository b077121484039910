"""The routes of an application: FastAPI's, admitted and bounded before a byte is read."""

import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from inspect import cleandoc, iscoroutinefunction
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Request, Response, Security, params
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBearer
from pydantic import BaseModel, TypeAdapter

from crisol.core.errors import FieldError
from crisol.serving.http.auth import SCOPES
from crisol.serving.http.bodies import JSON, need_json, read_bytes, validate
from crisol.serving.http.errors import CODES, ApiError, Error
from crisol.serving.http.exchange import Exchange
from crisol.serving.http.host import BodyKind, Host, host_of

_KEY = APIKeyHeader(name="X-API-Key", scheme_name="ApiKey", auto_error=False)
_TOKEN = HTTPBearer(scheme_name="Bearer", bearerFormat="JWT", auto_error=False)


async def _documented(
    _: Annotated[Any, Security(_KEY)] = None, __: Annotated[Any, Security(_TOKEN)] = None
) -> None:
    """For the API page: :meth:`Host.admit` has admitted the caller when this is called."""


def needs(*scopes: str) -> params.Security:
    """A dependency: the caller must have a key or a token, with these scopes.

    Raises:
        ValueError: nobody can carry a scope of this name.
    """
    unknown = set(scopes) - set(SCOPES)
    if unknown:
        raise ValueError(f"no scope {', '.join(unknown)}; there are: {', '.join(SCOPES)}")
    return params.Security(_documented, scopes=list(scopes))


def _operation_id(path: str, method: str) -> str:
    name = path.strip("/").replace("{", "").replace("}", "").replace("/", "_").replace(".", "_")
    return name if method == "POST" else f"{method.lower()}_{name}"


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The answers of a route that are no success, for the API page."""
    told: dict[int | str, dict[str, Any]] = {}
    for status in sorted(statuses):
        code, meaning = CODES[status]
        shown = Error(error=meaning, code=code, details=[], request_id="5f0c1d7ab2").model_dump()
        content = {JSON: {"example": shown}}
        told[status] = {"model": Error, "description": meaning, "content": content}
    return told


class Route(APIRoute):
    """A route of FastAPI that names and counts its caller before it reads the body.

    The dependency :func:`needs` says who may ask; a route without it answers everybody. A JSON body
    is read within the limits of its kind and validated from its bytes, strictly. A plain function
    answers in one of the application's threads, within a time. The keyword ``openapi_extra`` may
    hold ``x-body`` (the kind of the body) and ``x-timeout-s`` (the time, if it is a longer one).
    """

    audited = False
    """Whether requests that change something have a line in the audit log, named as the route."""
    waits_for_ready = True
    """Whether it refuses before the service is ready; one without :func:`needs` never does."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **named: Any) -> None:
        extra: dict[str, Any] = named.get("openapi_extra") or {}
        self.kind: BodyKind = extra.get("x-body", "plain")
        self.timeout_s: float | None = extra.get("x-timeout-s")
        self.needed: Sequence[params.Security] = [
            d for d in named.get("dependencies") or () if isinstance(d, params.Security)
        ]
        self.scopes = [scope for needed in self.needed for scope in needed.scopes or ()]
        [method] = named.get("methods") or ["GET"]
        named["operation_id"] = named.get("operation_id") or _operation_id(path, method)
        usual = {405, 414, 431, 500}
        if self.needed:
            usual.update((401, 403, 422, 429, 503, 504))
        if "{" in path:
            usual.add(404)
        named["responses"] = {**errors(*usual), **(named.get("responses") or {})}
        super().__init__(path, endpoint, **named)
        answer = self.response_model
        known = isinstance(answer, type) and issubclass(answer, BaseModel)
        self.response_description = cleandoc((known and answer.__doc__) or "The answer.")
        if not named.get("description"):
            self.description = "\n\n".join(filter(None, [self._contract(), *self._scopes()]))

    def _contract(self) -> str:
        """The description of the body."""
        contract: Any = None if self.body_field is None else self.body_field.field_info.annotation
        return cleandoc(getattr(contract, "__doc__", None) or "")

    def _scopes(self) -> list[str]:
        return [f"Needs the scope `{scope}` ({SCOPES[scope]})." for scope in self.scopes]

    @property
    def public(self) -> bool:
        """Whether everybody is answered, without a key and before the service is ready."""
        return not self.needed

    async def admit(self, host: Host, exchange: Exchange) -> None:
        """Admit a caller to this route.

        Raises:
            ApiError: 401, 403, 429 or 503.
        """
        if self.audited and self.methods != {"GET"}:
            exchange.audit = self.name
        if self.public:
            return
        await host.admit(exchange, self.scopes)
        if host.reasons and self.waits_for_ready:
            raise host.not_ready()
        if exchange.audit:
            try:
                host.audit.check()
            except ApiError:
                exchange.audit = ""  # nothing is going to be changed
                raise

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of FastAPI, behind admission and limits."""
        handle = super().get_route_handler()
        waits = not iscoroutinefunction(self.endpoint)
        adapter: TypeAdapter[Any] | None = None
        if self.body_field is not None:
            contract: Any = self.body_field.field_info.annotation
            adapter = TypeAdapter(contract)

        async def admitted(request: Request) -> Response:
            host: Host = host_of(request.scope)
            exchange = Exchange.of(request.scope)
            await self.admit(host, exchange)
            if not self.public:
                check_query(request.scope["query_string"])
            if adapter is not None:
                request = _Request(request, self.kind, adapter)
                await request.json()
            work = handle(request)
            if not waits:
                return await work
            began = time.perf_counter()
            timeout_s = self.timeout_s or host.answer_timeout_s(self.kind)
            response = await host.within(work, timeout_s)
            host.observe(self, exchange, time.perf_counter() - began)
            return response

        return admitted


def link(operation: str, **parameters: str) -> dict[str, Any]:
    """A link of an answer to the operation that goes on with it, for the API page.

    Args:
        operation: its id.
        parameters: to the field of the answer's body that each takes.
    """
    taken = {name: f"$response.body#/{field}" for name, field in parameters.items()}
    return {"operationId": operation, "parameters": taken}


BODY_ERRORS = (400, 408, 413, 415)
"""The statuses of a route with a JSON body, for :func:`errors`."""


def check_query(query: bytes) -> None:
    """Refuse a query that names a parameter twice (only one would be looked at) or is no text.

    Raises:
        FieldError: it does, or is.
    """
    try:
        text = query.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise FieldError("", "the query string is not readable", "query_invalid") from None
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise FieldError(name, "is there twice", "twice")


class AuditedRoute(Route):
    """A route of an application that keeps an audit log: see :attr:`Route.audited`."""

    audited = True


class _Request(Request):
    """A request whose body the contract has validated when FastAPI asks for it."""

    def __init__(self, request: Request, kind: BodyKind, adapter: TypeAdapter[Any]) -> None:
        super().__init__(request.scope, request.receive)
        self._kind, self._adapter = kind, adapter

    async def body(self) -> bytes:
        exchange = Exchange.of(self.scope)
        if not hasattr(self, "_body"):
            need_json(exchange.headers)
            settings = host_of(self.scope).settings
            self._body = await read_bytes(exchange, self.receive, self._kind, settings)
        return self._body or b"\n"  # FastAPI takes an empty body for none

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            exchange = Exchange.of(self.scope)
            body = await self.body()
            self._json = await validate(exchange, self._adapter, body)
        return self._json
