"""Endpoints of a family's service: its predictor, or functions that have a thread each."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from crisol.core.predictor import Call
from crisol.serving.http.asgi import Reply, Request
from crisol.serving.http.config import Settings
from crisol.serving.http.endpoints import Endpoint, Question, ask
from crisol.serving.service.protocols import ModelService

AnswerAll = Callable[[ModelService, Sequence[Any]], Sequence[Any]]
"""Answers the questions of several requests, in order."""


class Predict(Endpoint):
    """Answers one request body with the predictor: encode, micro-batch, decode."""

    async def answer(self, app: ModelService, call: Request) -> Reply:
        """One response per request, in order."""
        return await self.respond(app, call, self._unpack(await self.read(app, call)))

    async def respond(self, app: ModelService, call: Request, requests: Sequence[Any]) -> Reply:
        """The answer to a body that holds these requests."""
        predictor, batcher = app.predictor, app.batcher
        call.rows = len(requests)
        outputs, call.inference_ms = await batcher.submit([predictor.encode(r) for r in requests])
        circumstances = Call(predictor.model_version, call.inference_ms, datetime.now(tz=UTC))
        responses = [
            predictor.decode(request, output, circumstances)
            for request, output in zip(requests, outputs, strict=True)
        ]
        return Reply(self.status, to_json(self._pack(responses)))


class QueuedEndpoint(Endpoint):
    """An endpoint with a thread of its own and a batching queue in front of it."""

    at_once: int | None = None
    """Questions that the thread is given at a time; ``None``: as many as one forward pass takes."""

    @abstractmethod
    def answer_all(self, app: ModelService, questions: Sequence[Any]) -> Sequence[Any]:
        """One response per question, in order; called in the endpoint's thread."""

    def answer_timeout_s(self, settings: Settings) -> float:
        """Seconds that the thread may take."""
        return settings.upload_timeout_s if self.body == "bulk" else settings.timeout_s


class Ask(QueuedEndpoint):
    """Answers with a function of the service, in a thread of this endpoint's own.

    For work that would block the event loop, or that is no forward pass: the event loop reads,
    checks and writes, the thread does the rest. Questions that queue during one call go into the
    next, so a cost that many can share (a commit, a matrix product) is paid once; and a long
    question of one endpoint does not delay the short ones of another.

    Args:
        path: path of the endpoint.
        answer_all: one response per question, in order. When it raises for several questions, it is
            called again for each alone, so a second call must have no further effect.
        named: see :class:`Endpoint`.
    """

    def __init__(self, path: str, *, answer_all: AnswerAll, **named: Any) -> None:
        super().__init__(path, **named)
        self._answer_all = answer_all

    def answer_all(self, app: ModelService, questions: Sequence[Any]) -> Sequence[Any]:
        """The responses of the function."""
        return self._answer_all(app, questions)

    async def answer(self, app: ModelService, call: Request) -> Reply:
        """One response per question, in order."""
        questions = self._unpack(await self.read(app, call))
        call.rows = len(questions)
        responses, call.inference_ms = await app.batcher_of(self).submit(questions)
        return Reply(self.status, to_json(self._pack(responses)))


class Act(QueuedEndpoint):
    """Does what one request asks, exactly once, in a thread of this endpoint's own.

    For requests that change something, or whose answer depends on the caller.

    Args:
        path: path of the endpoint.
        act: does it and returns the result.
        named: see :class:`Endpoint`.
    """

    def __init__(
        self, path: str, *, act: Callable[[ModelService, Question], BaseModel], **named: Any
    ) -> None:
        super().__init__(path, **named)
        self._act = act

    def answer_all(self, app: ModelService, questions: Sequence[Question]) -> list[Any]:
        """The result or the exception of each: no error lets another question be acted on twice."""
        outcomes: list[Any] = []
        for question in questions:
            try:
                outcomes.append(self._act(app, question))
            except Exception as error:  # noqa: BLE001 - handed to the request that waits
                outcomes.append(error)
        return outcomes

    async def answer(self, app: ModelService, call: Request) -> Reply:
        """The result of the function for one request."""
        query = self.read_query(call)
        body = await self.read(app, call)
        call.rows = 1
        question = ask(call, query, body)
        [outcome], call.inference_ms = await app.batcher_of(self).submit([question])
        if isinstance(outcome, Exception):
            raise outcome
        return Reply(self.status, to_json(outcome))
