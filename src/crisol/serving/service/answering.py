"""Endpoints of a family's service: its predictor, or functions that have a thread each."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic_core import to_json

from crisol.core import predictor as core
from crisol.serving.http.asgi import Call, Reply
from crisol.serving.http.endpoints import AnswerAll, Endpoint, Question, ask

if TYPE_CHECKING:
    from crisol.serving.service.app import ServiceApp


class Predict(Endpoint):
    """Answers one request body with the predictor: encode, micro-batch, decode."""

    async def answer(self, app: "ServiceApp", call: Call) -> Reply:
        """One response per request, in order."""
        return await self.respond(app, call, self._unpack(await self.read(app, call)))

    async def respond(self, app: "ServiceApp", call: Call, requests: Sequence[Any]) -> Reply:
        """The answer to a body that holds these requests."""
        predictor, batcher = app.predictor, app.batcher
        call.rows = len(requests)
        outputs, call.inference_ms = await batcher.submit([predictor.encode(r) for r in requests])
        circumstances = core.Call(predictor.model_version, call.inference_ms, datetime.now(tz=UTC))
        responses = [
            predictor.decode(request, output, circumstances)
            for request, output in zip(requests, outputs, strict=True)
        ]
        return Reply(self.status, to_json(self._pack(responses)))


class Ask(Endpoint):
    """Answers with a function of the service, in a thread of this endpoint's own.

    For what would hold up the event loop, or is no forward pass: the event loop reads, checks and
    writes, the thread does the rest. What queued up during one call goes into the next, so what
    costs once for many (a commit, a matrix product) is paid once for many; and a long question of
    one endpoint does not stand before the short ones of another.

    Args:
        path: where.
        answer_all: one response per question, in order. What it raises for several is found out by
            asking for each again, so it must not matter when it is called twice.
        named: see :class:`Endpoint`.
    """

    def __init__(self, path: str, *, answer_all: AnswerAll, **named: Any) -> None:
        super().__init__(path, **named)
        self.answer_all = answer_all

    async def answer(self, app: "ServiceApp", call: Call) -> Reply:
        """One response per question, in order."""
        questions = self._unpack(await self.read(app, call))
        call.rows = len(questions)
        responses, call.inference_ms = await app.lane(self).submit(questions)
        return Reply(self.status, to_json(self._pack(responses)))


class Act(Endpoint):
    """Does what one request asks, exactly once, in a thread of this endpoint's own.

    For what changes something, or depends on who asks.

    Args:
        path: where.
        act: does it and says what came of it.
        named: see :class:`Endpoint`.
    """

    def __init__(
        self, path: str, *, act: Callable[["ServiceApp", Question], BaseModel], **named: Any
    ) -> None:
        super().__init__(path, **named)
        self._act = act
        self.answer_all = self._act_on_each

    def _act_on_each(self, app: "ServiceApp", questions: Sequence[Question]) -> list[Any]:
        """What came of each, or why not: an error of one must not let another be done again."""
        outcomes: list[Any] = []
        for question in questions:
            try:
                outcomes.append(self._act(app, question))
            except Exception as error:  # noqa: BLE001 - handed to the request that waits
                outcomes.append(error)
        return outcomes

    async def answer(self, app: "ServiceApp", call: Call) -> Reply:
        """What came of it."""
        query = self.read_query(call)
        body = await self.read(app, call)
        call.rows = 1
        question = ask(call, query, body)
        [outcome], call.inference_ms = await app.lane(self).submit([question])
        if isinstance(outcome, Exception):
            raise outcome
        return Reply(self.status, to_json(outcome))
