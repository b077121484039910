"""What can be asked of a service over HTTP."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_json

from crisol.core import predictor as core
from crisol.serving.asgi import Call, Reply
from crisol.serving.errors import ApiError, ErrorDetail, from_validation
from crisol.serving.limits import read_body

if TYPE_CHECKING:
    from crisol.serving.common import ServiceApp

MAX_DETAILS = 50
_TYPES = (b"application/json", b"application/json;charset=utf-8")
_SHAPE = frozenset({"missing", "extra_forbidden"})

AnswerAll = Callable[["ServiceApp", Sequence[Any]], Sequence[BaseModel]]


class Endpoint(ABC):
    """One path and method of a family's service, with what the API page needs to tell about it."""

    method = "POST"
    answer_all: AnswerAll | None = None
    """What a thread of its own does for this endpoint, reached by ``app.lane``; none: no thread."""

    def __init__(
        self,
        path: str,
        *,
        request: type[BaseModel],
        response: type[BaseModel],
        example: Callable[[], BaseModel],
        summary: str,
        unpack: Callable[[Any], Sequence[Any]] = lambda body: (body,),
        pack: Callable[[list[Any]], BaseModel] = lambda responses: responses[0],
    ) -> None:
        self.path = path
        self.request = request
        self.response = response
        self.example = example
        self.summary = summary
        self._unpack = unpack
        self._pack = pack
        self._adapter: TypeAdapter[Any] = TypeAdapter(request)

    @abstractmethod
    async def answer(self, app: "ServiceApp", call: Call) -> Reply:
        """Answer one request; an :class:`ApiError` becomes the error shape."""

    async def read(self, app: "ServiceApp", call: Call) -> Any:
        """The request, checked in this order: media type, size, JSON, contract.

        Raises:
            ApiError: 400, 408, 413, 415 or 422.
        """
        content_type = call.headers.get(b"content-type", b"").lower().replace(b" ", b"")
        if content_type.replace(b'"', b"") not in _TYPES:
            raise ApiError(415, "Send the body with Content-Type: application/json.")
        if call.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise ApiError(415, "Send the body without Content-Encoding.")
        body = await read_body(
            call.receive,
            call.headers.get(b"content-length"),
            app.settings.max_body_bytes,
            app.settings.timeout_s,
        )
        call.bytes_in = len(body)
        try:
            # Strict: JSON has numbers and booleans of its own, so "3" is not a number.
            return self._adapter.validate_json(body, strict=True)
        except ValidationError as error:
            refusal = from_validation(error)
            for detail in refusal.details:
                call.problems[detail.type] = call.problems.get(detail.type, 0) + 1
            del refusal.details[MAX_DETAILS:]
            meant = self._meant(app, body, refusal.details)
            if meant:
                refusal.details.insert(0, ErrorDetail(field="", message=meant, type="other_route"))
            raise refusal from None

    def _meant(self, app: "ServiceApp", body: bytes, details: Sequence[ErrorDetail]) -> str:
        """Where a body of another route belongs; empty when it is of none."""
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
        try:
            self._adapter.validate_json(body, strict=True)
        except ValidationError:
            return False
        return True


class Predict(Endpoint):
    """Answers one request body with the predictor: encode, micro-batch, decode.

    Args:
        path: where.
        request: the body.
        response: the answer.
        example: makes a valid body for the API page.
        summary: one line for the API page.
        unpack: the predictor's requests in a body; by default the body is one.
        pack: the answer that holds the predictor's responses; by default the only one is it.
    """

    async def answer(self, app: "ServiceApp", call: Call) -> Reply:
        """One response per request, in order."""
        requests = self._unpack(await self.read(app, call))
        predictor, batcher = app.predictor, app.batcher
        call.rows = len(requests)
        outputs, call.inference_ms = await batcher.submit([predictor.encode(r) for r in requests])
        circumstances = core.Call(predictor.model_version, call.inference_ms, datetime.now(tz=UTC))
        responses = [
            predictor.decode(request, output, circumstances)
            for request, output in zip(requests, outputs, strict=True)
        ]
        return Reply(200, to_json(self._pack(responses)))


class Ask(Endpoint):
    """Answers with a function of the service, in a thread of this endpoint's own.

    For what would hold up the event loop, or is no forward pass: the event loop reads, checks and
    writes, the thread does the rest. What queued up during one call goes into the next, so what
    costs once for many (a commit, a matrix product) is paid once for many; and a long question of
    one endpoint does not stand before the short ones of another.

    Args:
        path: where.
        request: the body.
        response: the answer.
        example: makes a valid body for the API page.
        summary: one line for the API page.
        answer_all: one response per question, in order.
        unpack: the questions in a body; by default the body is one.
        pack: the answer that holds the responses; by default the only one is it.
    """

    def __init__(self, path: str, *, answer_all: AnswerAll, **named: Any) -> None:
        super().__init__(path, **named)
        self.answer_all = answer_all

    async def answer(self, app: "ServiceApp", call: Call) -> Reply:
        """One response per question, in order."""
        questions = self._unpack(await self.read(app, call))
        call.rows = len(questions)
        responses, call.inference_ms = await app.lane(self).submit(questions)
        return Reply(200, to_json(self._pack(responses)))
