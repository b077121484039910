"""Endpoints that set any status and header, stream their answer, or send none.

Those of a family's service (:mod:`crisol.serving.service.answering`) have a thread each and answer
with their contract. These share the application's threads, for work that waits for a database or a
disk while others are answered, or run in the event loop itself, for what streams.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from crisol.serving.http.asgi import Reply, Request, StreamReply
from crisol.serving.http.endpoints import Endpoint, Question, ask

ANSWER_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a request, where it is more than the body.

    Attributes:
        body: the answer; ``None``: none.
        status: unset: that of the endpoint.
        headers: beside those that every answer carries.
        about: what was changed, for the audit log, such as an id that was made just now.
    """

    body: BaseModel | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    about: str = ""


Outcome = BaseModel | Answer | Reply | StreamReply


class Handle(Endpoint):
    """Answers with a function that may wait, in one of the threads that the application shares.

    It is called once for each request. When it takes longer than ``timeout_s`` the client gets 504,
    and what had begun goes on: a function that changes something must say so in what it stores, not
    only in its answer.

    Args:
        path: where.
        handle: takes the application and the question.
        timeout_s: how long the client waits for the answer.
        named: see :class:`Endpoint`.
    """

    def __init__(
        self,
        path: str,
        *,
        handle: Callable[[Any, Question], Outcome],
        timeout_s: float = ANSWER_S,
        **named: Any,
    ) -> None:
        super().__init__(path, **named)
        self._handle = handle
        self._timeout_s = timeout_s

    async def answer(self, app: Any, call: Request) -> Reply | StreamReply:
        """The result of the function."""
        query = self.read_query(call)
        question = ask(call, query, await self.read(app, call))
        outcome = await app.in_thread(self._handle, app, question, timeout_s=self._timeout_s)
        return _reply(self, call, outcome)


class Converse(Endpoint):
    """Answers with a coroutine in the event loop, which must not wait for anything but awaitables.

    Without ``request`` the body is left to it: ``async for chunk in call.stream(…)``. What blocks
    goes through ``await app.in_thread(function, …)``.

    Args:
        path: where.
        converse: takes the application, the question and the call.
        named: see :class:`Endpoint`.
    """

    def __init__(
        self,
        path: str,
        *,
        converse: Callable[[Any, Question, Request], Awaitable[Outcome]],
        **named: Any,
    ) -> None:
        super().__init__(path, **named)
        self._converse = converse

    async def answer(self, app: Any, call: Request) -> Reply | StreamReply:
        """The result of the function."""
        query = self.read_query(call)
        question = ask(call, query, await self.read(app, call))
        return _reply(self, call, await self._converse(app, question, call))


def _reply(endpoint: Endpoint, call: Request, outcome: Outcome) -> Reply | StreamReply:
    if isinstance(outcome, Reply | StreamReply):
        return outcome
    if isinstance(outcome, BaseModel):
        return Reply(endpoint.status, to_json(outcome))
    call.about = outcome.about or call.about
    body = b"" if outcome.body is None else to_json(outcome.body)
    status = endpoint.status if outcome.status is None else outcome.status
    return Reply(status, body, headers=outcome.headers)
