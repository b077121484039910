"""Answers by ``Idempotency-Key``: asking again what was asked before gives the same answer.

After draft-ietf-httpapi-idempotency-key-header. The object that a request made is in MLflow; only
the answer is stored here, for as long as clients may repeat the request.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import psutil
from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel
from pydantic_core import to_json

from crisol.serving.http.bodies import JSON
from crisol.serving.http.errors import ApiError
from crisol.serving.http.exchange import Exchange, ExchangeOf
from crisol.serving.http.host import HostOf
from crisol.serving.state.state_file import StateFile

HEADER = "Idempotency-Key"
_SANE_KEY = re.compile(r"[\x20-\x7e]{1,200}")
_SCHEMA = """
CREATE TABLE answers (
    mark TEXT PRIMARY KEY,
    request TEXT NOT NULL,
    process TEXT NOT NULL,
    status INTEGER,
    body BLOB,
    headers TEXT,
    at REAL NOT NULL
) STRICT
"""


@dataclass(frozen=True)
class KeptAnswer:
    """A stored answer."""

    status: int
    body: bytes
    headers: Mapping[str, str]


def mark_of(caller: str, route: str, key: str) -> str:
    """The identifier under which the answer to a caller's key on a route is stored.

    Raises:
        ApiError: 400, the key is not 1 to 200 printable ASCII characters.
    """
    if _SANE_KEY.fullmatch(key) is None:
        raise ApiError(400, "Idempotency-Key must be 1 to 200 printable ASCII characters.")
    return hashlib.sha256(f"{caller}\n{route}\n{key}".encode()).hexdigest()


class Answers(StateFile):
    """The answers of the last hours. Every process of the service may read and write."""

    file = "answers.sqlite3"
    content = "answers"
    application = 0x4352414E  # "CRAN"
    schema = _SCHEMA

    def begin(self, mark: str, request: str, keep_s: float) -> KeptAnswer | None:
        """Claim a mark, or get what was answered under it.

        A claim whose process has died is taken over: whoever carries it out looks for what the
        first may have made (the mark is on it).

        Args:
            mark: see :func:`mark_of`.
            request: digest of everything else the request says.
            keep_s: how long answers are kept.

        Raises:
            ApiError: 422, the key was used for another request; 409, the first is being worked on.
        """
        now = time.time()
        with self.write() as writer:
            writer.execute("DELETE FROM answers WHERE at < ?", (now - keep_s,))
            found = writer.execute(
                "SELECT request, process, status, body, headers FROM answers WHERE mark = ?",
                (mark,),
            ).fetchone()
            if found is None or (found[2] is None and _gone(found[1])):
                writer.execute(
                    "INSERT OR REPLACE INTO answers (mark, request, process, at) "
                    "VALUES (?, ?, ?, ?)",
                    (mark, request, _this_process(), now),
                )
                found = None
        if found is None:
            return None
        if found[0] != request:
            raise ApiError(
                422,
                "This Idempotency-Key was used for another request: take a new one.",
                code="idempotency_key_reused",
            )
        if found[2] is None:
            raise ApiError(
                409,
                "The first request with this Idempotency-Key is still being worked on.",
                code="request_in_progress",
                headers={"retry-after": "1"},
            )
        return KeptAnswer(found[2], found[3], json.loads(found[4]))

    def end(self, mark: str, answer: KeptAnswer | None) -> None:
        """Keep an answer; ``None``: it failed, and may be tried again."""
        with self.write() as writer:
            if answer is None:
                writer.execute("DELETE FROM answers WHERE mark = ?", (mark,))
            else:
                writer.execute(
                    "UPDATE answers SET status = ?, body = ?, headers = ? WHERE mark = ?",
                    (answer.status, answer.body, json.dumps(dict(answer.headers)), mark),
                )


def _this_process() -> str:
    process = psutil.Process()
    return f"{process.pid} {process.create_time():.2f}"


def _gone(process: str) -> bool:
    pid, started = process.split()
    try:
        found = psutil.Process(int(pid))
        if found.status() == psutil.STATUS_ZOMBIE:  # nobody has taken leave of it
            return True
        return bool(abs(found.create_time() - float(started)) > 1.5)
    except psutil.NoSuchProcess:
        return True


@dataclass(frozen=True)
class Made:
    """An object that a request made.

    Attributes:
        view: the answer.
        location: where the object is.
        about: its id, for the audit log.
    """

    view: BaseModel
    location: str
    about: str


class Once:
    """A ``POST`` that makes something: with an ``Idempotency-Key`` it makes it once.

    A request that was refused or failed made nothing, and may be sent again with its key.
    """

    def __init__(self, route: str, platform: Any, exchange: Exchange, key: str | None) -> None:
        self._route, self._platform, self._exchange, self._key = route, platform, exchange, key

    def answer(self, body: BaseModel, make: Callable[[str | None], Made]) -> Response:
        """The answer to a request.

        Args:
            body: of the request.
            make: takes the mark of the key (``None``: no key) and stores it with what it makes, and
                looks for it before: after a crash between making and answering, the same request
                finds what was made.

        Raises:
            ApiError: 400, 409 or 422: see :func:`mark_of` and :meth:`Answers.begin`.
        """
        if self._key is None:
            return self._tell(make(None))
        mark = mark_of(self._exchange.identity.name, self._route, self._key)
        # The form in which earlier versions stored it: parameters, query, body.
        said = hashlib.sha256(to_json([{}, None, body])).hexdigest()
        answers: Answers = self._platform.answers
        kept = answers.begin(mark, said, self._platform.platform_settings.idempotency_s)
        if kept is not None:
            return Response(kept.body, kept.status, dict(kept.headers), JSON)
        try:
            answer = self._tell(make(mark))
        except BaseException:
            answers.end(mark, None)
            raise
        headers = {"location": answer.headers["location"]}
        answers.end(mark, KeptAnswer(answer.status_code, bytes(answer.body), headers))
        return answer

    def _tell(self, made: Made) -> Response:
        self._exchange.about = made.about
        return Response(to_json(made.view), 201, {"location": made.location}, JSON)


async def _once(
    request: Request,
    platform: HostOf,
    exchange: ExchangeOf,
    key: Annotated[
        str | None,
        Header(alias=HEADER, description="Sent again with it, a request changes nothing."),
    ] = None,
) -> Once:
    return Once(request.scope["route"].path, platform, exchange, key)


OnceOf = Annotated[Once, Depends(_once)]
"""A parameter of a route."""
ONCE_ERRORS = (400, 409, 422)


def made(**links: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """The answer of a route that makes something, for the API page."""
    location = {"description": "Where it is.", "schema": {"type": "string"}}
    return {201: {"headers": {"Location": location}, "links": links}}
