"""The routes of a family's service that its predictor answers, without FastAPI in their way."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from inspect import Parameter, Signature
from typing import Annotated, Any

from fastapi import Body
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_json
from starlette.types import Receive, Scope, Send

from crisol.core.contract import ModelContract
from crisol.core.errors import FieldError
from crisol.core.predictor import Call
from crisol.serving.http.bodies import JSON, need_json, read_bytes, validate
from crisol.serving.http.config import Settings
from crisol.serving.http.errors import ApiError, ErrorDetail
from crisol.serving.http.exchange import Exchange
from crisol.serving.http.forms import Upload
from crisol.serving.http.host import BodyKind, host_of
from crisol.serving.http.routes import BODY_ERRORS, Route, errors, needs
from crisol.serving.service.model_service import ModelService

MAX_COMPARED_BYTES = 1 << 16
"""Larger bodies are not compared with other routes' contracts."""
MAX_QUICK_BYTES = 1 << 17
"""Larger bodies are left to the contract, which leaves the event loop for the largest."""
_SHAPE = frozenset({"missing", "extra_forbidden"})

AnswerAll = Callable[[ModelService, Sequence[Any]], Sequence[Any]]
"""Answers the questions of several requests, in order."""


class ContractRoute(Route):
    """A route that FastAPI documents by its contract and that answers from the raw body.

    Args:
        path: where.
        request: the contract of the body.
        response: the contract of the answer.
        example: makes a valid body for the API page.
        summary: one line for the API page.
        body: what kind of body it is, which decides how large it may be and how long it may take.
        upload: the form that is taken beside JSON.
        unpack: the questions in a body; by default the body is one.
        listed: the field of a body that holds a list of questions, for the field of an error.
        pack: the answer that holds the responses; by default the only one is it.
        contract_of: the contract of a predictor that has one of its own; ``request``, ``response``
            and ``example`` stand in its place until it is loaded.
        example_of: a valid body for a predictor that does not answer every body of its contract.
        quick: reads an ordinary JSON body in less time than the contract, into what ``unpack`` and
            the predictor also take; ``None``: the contract reads it. It must accept nothing that
            the contract refuses.
    """

    def __init__(
        self,
        path: str,
        *,
        request: type[BaseModel],
        response: type[BaseModel],
        example: Callable[[], BaseModel],
        summary: str,
        body: BodyKind = "plain",
        upload: Upload | None = None,
        unpack: Callable[[Any], Sequence[Any]] = lambda body: (body,),
        listed: str = "",
        pack: Callable[[list[Any]], BaseModel] = lambda responses: responses[0],
        contract_of: Callable[[Any], ModelContract] | None = None,
        example_of: Callable[[Any], BaseModel] | None = None,
        quick: Callable[[bytes], Any] = lambda body: None,  # noqa: ARG005
    ) -> None:
        self.upload, self._unpack, self._pack, self._quick = upload, unpack, pack, quick
        self._contract_of, self._example_of, self._listed = contract_of, example_of, listed
        self._named: dict[str, Any] = {"summary": summary, "openapi_extra": {"x-body": body}}
        if upload is not None:
            self._named["openapi_extra"]["requestBody"] = upload.request_body()
        self._describe(path, request, response, example)

    def _describe(
        self,
        path: str,
        request: type[BaseModel],
        response: type[BaseModel],
        example: Callable[[], BaseModel],
        answer: Any = None,
    ) -> None:
        shown = example().model_dump(mode="json", by_alias=True)
        body = Annotated[request, Body(openapi_examples={"example": {"value": shown}})]  # type: ignore[valid-type]

        async def documented() -> None:
            """Never called: :meth:`handle` answers."""

        parameter = Parameter("body", Parameter.POSITIONAL_OR_KEYWORD, annotation=body)
        documented.__signature__ = Signature([parameter])  # type: ignore[attr-defined]
        success: dict[str, Any] = {}
        if answer is not None:
            success["content"] = {JSON: {"example": answer}}
        self.request, self._response = request, response
        self._adapter: TypeAdapter[Any] = TypeAdapter(request)
        super().__init__(
            path,
            documented,
            methods=["POST"],
            response_model=response,
            responses={200: success, **errors(*BODY_ERRORS)},
            dependencies=[needs()],
            **self._named,
        )

    @property
    def takes_contract(self) -> bool:
        """Whether its contract is that of the predictor."""
        return self._contract_of is not None

    def serve(self, predictor: Any, answer: Any) -> None:
        """Document the contract of a predictor, where it has its own, and one of its answers."""
        if self._contract_of is not None:
            contract = self._contract_of(predictor)
            self._describe(self.path, contract.request, contract.response, contract.example, answer)
        elif self._example_of is not None:
            shown = self._example_of(predictor)
            self._describe(self.path, self.request, self._response, lambda: shown, answer)
        elif answer is not None:
            self.responses[200]["content"] = {JSON: {"example": answer}}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; FastAPI's own handling would cost as much as the network."""
        if scope["method"] != "POST":
            await super().handle(scope, receive, send)  # 405
            return
        exchange = Exchange.of(scope)
        service: ModelService = host_of(scope)
        await self.admit(service, exchange)
        body = await self.read(service, exchange, receive)
        content = to_json(await self.answer(service, exchange, body))
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    @abstractmethod
    async def answer(self, service: ModelService, exchange: Exchange, body: Any) -> BaseModel:
        """The answer to one body that keeps the contract."""

    async def read(self, service: ModelService, exchange: Exchange, receive: Receive) -> Any:
        """The body, checked in this order: media type, size, JSON or form, contract.

        Raises:
            ApiError: 400, 408, 413, 415 or 422.
            FieldError: a part of a form that cannot be read.
        """
        is_form = need_json(exchange.headers, form=self.upload is not None)
        body = await read_bytes(exchange, receive, self.kind, service.settings)
        if not is_form and len(body) <= MAX_QUICK_BYTES:
            found = self._quick(body)
            if found is not None:
                return found
        strict = True
        if is_form and self.upload is not None:
            body, strict = await self.upload.as_json(exchange.headers[b"content-type"], body)
        try:
            return await validate(exchange, self._adapter, body, strict=strict)
        except ApiError as refused:
            meant = self._meant(service, body, refused.details)
            if meant:
                refused.details.insert(0, ErrorDetail(field="", message=meant, type="other_route"))
            raise

    def _meant(self, service: ModelService, body: bytes, details: Sequence[ErrorDetail]) -> str:
        """A hint at the route that a body belongs to; empty when it fits none."""
        if len(body) > MAX_COMPARED_BYTES:
            return ""
        if any("." in d.field or d.type not in _SHAPE for d in details):
            return ""
        for other in service.routes:
            if other is not self and isinstance(other, ContractRoute) and other.fits(body):
                needed = ", ".join(repr(d.field) for d in details if d.type == "missing")
                return f"this is a body of {other.path}" + (
                    f"; {self.path} takes an object with {needed}" if needed else ""
                )
        return ""

    def fits(self, body: bytes) -> bool:
        """Whether a body keeps this route's contract."""
        try:
            self._adapter.validate_json(body, strict=True)
        except ValidationError:
            return False
        return True


class Predict(ContractRoute):
    """Answers one request body with the predictor: encode, micro-batch, decode."""

    async def answer(self, service: ModelService, exchange: Exchange, body: Any) -> BaseModel:
        """One response per request in the body, in order."""
        return await self.predict(service, exchange, self._unpack(body))

    async def predict(
        self, service: ModelService, exchange: Exchange, requests: Sequence[Any]
    ) -> BaseModel:
        """The answer to a body that holds these requests."""
        predictor, batcher = service.predictor, service.batcher
        exchange.rows = len(requests)
        rows = [self._encoded(predictor, request, at) for at, request in enumerate(requests)]
        outputs, exchange.inference_ms = await batcher.submit(rows)
        circumstances = Call(predictor.model_version, exchange.inference_ms, datetime.now(tz=UTC))
        responses = [
            predictor.decode(request, output, circumstances)
            for request, output in zip(requests, outputs, strict=True)
        ]
        return self._pack(responses)

    def _encoded(self, predictor: Any, request: Any, at: int) -> Any:
        """One encoded request; an error names its place in the body."""
        try:
            return predictor.encode(request)
        except FieldError as error:
            if not self._listed:
                raise
            field = f"{self._listed}.{at}.{error.field}"
            raise FieldError(field, str(error), error.kind) from error


class QueuedRoute(ContractRoute):
    """A route with a thread of its own and a batching queue in front of it."""

    at_once: int | None = None
    """Questions that the thread is given at a time; ``None``: as many as one forward pass takes."""

    @abstractmethod
    def answer_all(self, service: ModelService, questions: Sequence[Any]) -> Sequence[Any]:
        """One response per question, in order; called in the route's thread."""

    def queue_timeout_s(self, settings: Settings) -> float:
        """Seconds that the thread may take."""
        return settings.timeout_s


class Ask(QueuedRoute):
    """Answers with a function of the service, in a thread of this route's own.

    For work that would block the event loop, or that is no forward pass: the event loop reads,
    checks and writes, the thread does the rest. Questions that queue during one call go into the
    next, so a cost that many can share (a commit, a matrix product) is paid once; and a long
    question of one route does not delay the short ones of another.

    Args:
        path: where.
        answer_all: one response per question, in order. When it raises for several questions, it is
            called again for each alone, so a second call must have no further effect.
        named: see :class:`ContractRoute`.
    """

    def __init__(self, path: str, *, answer_all: AnswerAll, **named: Any) -> None:
        super().__init__(path, **named)
        self._answer_all = answer_all

    def answer_all(self, service: ModelService, questions: Sequence[Any]) -> Sequence[Any]:
        """The responses of the function."""
        return self._answer_all(service, questions)

    async def answer(self, service: ModelService, exchange: Exchange, body: Any) -> BaseModel:
        """One response per question, in order."""
        questions = self._unpack(body)
        exchange.rows = len(questions)
        responses, exchange.inference_ms = await service.queue_of(self).submit(questions)
        return self._pack(responses)
