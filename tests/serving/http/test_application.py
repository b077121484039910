"""An application without a predictor, behind a real server and in process."""

import asyncio
import hashlib
import io
import json
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, Field
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from crisol.core.errors import MendableError
from crisol.serving.http import logs
from crisol.serving.http.application import create_app
from crisol.serving.http.bodies import Incoming
from crisol.serving.http.errors import ApiError
from crisol.serving.http.exchange import ExchangeOf
from crisol.serving.http.host import Host, HostOf
from crisol.serving.http.routes import BODY_ERRORS, AuditedRoute, errors, needs

KEYS = {
    "viewer": "key-of-a-viewer-aaaa",
    "trainer": "key-of-a-trainer-aaa",
    "promoter": "key-of-a-promoter-aa",
    "all": "key-of-everything-aa",
}
WRITTEN = ",".join(f"{key}={who}" for who, key in KEYS.items() if who != "all")


class Wish(BaseModel):
    """What is wished for."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1)
    seconds: float = Field(default=0.0, ge=0)


class Told(BaseModel):
    """What is told."""

    name: str


router = APIRouter(route_class=AuditedRoute)


@router.post(
    "/wishes", name="wish.make", status_code=201, response_model=Told, summary="Make.",
    dependencies=[needs("trainer")], openapi_extra={"x-timeout-s": 0.5},
    responses={
        201: {"headers": {"Location": {"description": "Where.", "schema": {"type": "string"}}}},
        **errors(*BODY_ERRORS, 409),
    },
)  # fmt: skip
def make(wish: Wish, exchange: ExchangeOf, response: Response) -> Any:
    time.sleep(wish.seconds)
    if wish.name == "taken":
        raise ApiError(409, "It is there already.")
    if wish.name == "unmendable":
        raise MendableError("nothing is called so")
    if wish.name == "broken":
        raise RuntimeError("the secret cause")
    exchange.about = f"wish:{wish.name}"
    response.headers["location"] = f"/wishes/{wish.name}"
    return Told(name=wish.name)


@router.get("/wishes/{name}", summary="Tell.", dependencies=[needs("viewer")])
def tell(name: str) -> Told:
    return Told(name=name)


@router.delete(
    "/wishes/{name}", name="wish.forget", status_code=204, summary="Forget.",
    dependencies=[needs("promoter")],
)  # fmt: skip
def forget(name: str) -> None:
    assert name


@router.put(
    "/files", name="file.take", summary="Take.", dependencies=[needs("trainer")],
    openapi_extra={"requestBody": {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)  # fmt: skip
async def take(request: Request, exchange: ExchangeOf) -> Told:
    digest = hashlib.sha256()
    async for chunk in Incoming(exchange, request.receive).stream(1_000_000, 0.3):
        await run_in_threadpool(digest.update, chunk)
    return Told(name=digest.hexdigest())


@router.get(
    "/numbers", summary="Count.", dependencies=[needs("viewer")],
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)  # fmt: skip
async def count(host: HostOf) -> EventSourceResponse:
    async def numbers() -> AsyncIterator[ServerSentEvent]:
        try:
            for number in range(3):
                data = json.dumps({"n": number}, separators=(",", ":"))
                yield ServerSentEvent(data, event="count", id=str(number), sep="\n")
            await host.stopping.wait()
        finally:
            host.left.set()

    def comment() -> ServerSentEvent:
        return ServerSentEvent(comment="", sep="\n")

    return EventSourceResponse(numbers(), ping=0.05, ping_message_factory=comment, sep="\n")


@router.get("/large", summary="Send.", response_class=FileResponse)
async def send(host: HostOf) -> FileResponse:
    return FileResponse(host.folder / "large", media_type="text/plain")


class Wishes(Host):
    """An application without a predictor."""

    def __init__(self, folder: Path) -> None:
        super().__init__("wishes", threads=4)
        self.folder, self.left = folder, threading.Event()
        self.app = create_app(self, title="Wishes", description="Test.", routes=router.routes)

    def translate(self, error: Exception) -> ApiError | None:
        return ApiError(422, str(error)) if isinstance(error, MendableError) else None


@pytest.fixture
def app(tmp_path: Path) -> Wishes:
    (tmp_path / "large").write_bytes(b"0123456789" * 30_000)
    return Wishes(tmp_path)


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    file = tmp_path / "keys"
    file.write_text(KEYS["all"])
    return {
        "CRISOL_API_KEYS": WRITTEN,
        "CRISOL_API_KEYS_FILE": str(file),
        "CRISOL_AUDIT_FILE": str(tmp_path / "log" / "audit"),
        **more,
    }


def ask(app: Wishes, tmp_path: Path, body: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    """Open, start, ask in process, stop."""

    async def run() -> None:
        app.open(environment(tmp_path))
        async with app.app.router.lifespan_context(app.app):
            transport = httpx.ASGITransport(app=app.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://wishes") as client:
                await body(client)

    asyncio.run(run())


def key(who: str) -> dict[str, str]:
    return {"x-api-key": KEYS[who]}


@contextmanager
def served(app: Wishes, tmp_path: Path) -> Iterator[httpx.Client]:
    """Behind a real server, in a thread."""
    app.open(environment(tmp_path))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app.app, log_config=None, timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx.Client(base_url=url, timeout=10) as client:
            while not server.started:
                time.sleep(0.01)
            yield client
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    ("who", "statuses"),
    [
        ("viewer", (200, 403, 403)),
        ("trainer", (200, 201, 403)),
        ("promoter", (200, 403, 204)),
        ("all", (200, 201, 204)),
    ],
)
def test_each_scope_opens_its_endpoints(
    app: Wishes, tmp_path: Path, who: str, statuses: tuple[int, ...]
) -> None:
    async def body(client: httpx.AsyncClient) -> None:
        answers = [
            await client.get("/wishes/peace", headers=key(who)),
            await client.post("/wishes", json={"name": "peace"}, headers=key(who)),
            await client.delete("/wishes/peace", headers=key(who)),
        ]
        assert tuple(a.status_code for a in answers) == statuses
        for answer in answers:
            if answer.status_code == 403:
                needed = "promoter" if answer.request.method == "DELETE" else "trainer"
                assert f"'{needed}'" in answer.json()["error"]
                assert answer.json()["code"] == "forbidden"
        stranger = await client.get("/wishes/peace", headers={"x-api-key": WRITTEN.split(",")[0]})
        assert stranger.status_code == 401

    ask(app, tmp_path, body)


def test_an_answer_has_its_own_status_headers_and_body(app: Wishes, tmp_path: Path) -> None:
    async def body(client: httpx.AsyncClient) -> None:
        made = await client.post("/wishes", json={"name": "peace"}, headers=key("all"))
        gone = await client.delete("/wishes/peace", headers=key("all"))
        taken = await client.post("/wishes", json={"name": "taken"}, headers=key("all"))
        known = await client.post("/wishes", json={"name": "unmendable"}, headers=key("all"))
        broken = await client.post("/wishes", json={"name": "broken"}, headers=key("all"))
        assert (made.status_code, made.headers["location"]) == (201, "/wishes/peace")
        assert made.json() == {"name": "peace"}
        assert "x-model-version" not in made.headers
        assert (gone.status_code, gone.content) == (204, b"")
        assert "content-length" not in gone.headers
        assert (taken.status_code, taken.json()["code"]) == (409, "conflict")
        assert (known.status_code, known.json()["error"]) == (422, "nothing is called so")
        assert (broken.status_code, "secret" in broken.text) == (500, False)

    ask(app, tmp_path, body)


def test_what_waits_in_threads_holds_nobody_up(app: Wishes, tmp_path: Path) -> None:
    async def body(client: httpx.AsyncClient) -> None:
        slow = [
            asyncio.create_task(
                client.post("/wishes", json={"name": "x", "seconds": 0.3}, headers=key("all"))
            )
            for _ in range(4)
        ]
        await asyncio.sleep(0.05)
        started = time.perf_counter()
        assert (await client.get("/livez")).status_code == 200
        assert time.perf_counter() - started < 0.1
        began = time.perf_counter()
        assert {a.status_code for a in await asyncio.gather(*slow)} == {201}
        assert time.perf_counter() - began < 0.6, "they wait side by side"
        late = await client.post("/wishes", json={"name": "x", "seconds": 0.8}, headers=key("all"))
        assert late.status_code == 504

    ask(app, tmp_path, body)


def test_every_change_is_told_in_the_audit_log(app: Wishes, tmp_path: Path) -> None:
    async def body(client: httpx.AsyncClient) -> None:
        identified = {**key("trainer"), "x-request-id": "mine"}
        await client.post("/wishes", json={"name": "peace"}, headers=identified)
        await client.delete("/wishes/peace", headers=key("trainer"))
        await client.post("/wishes", json={"name": "taken"}, headers=key("trainer"))
        await client.delete("/wishes/tabular.adult", headers=key("promoter"))
        await client.delete("/wishes/my secret", headers=key("promoter"))
        await client.get("/wishes/peace", headers=key("trainer"))
        await client.post("/wishes", json={"name": "peace"}, headers={"x-api-key": "stranger"})

    ask(app, tmp_path, body)
    text = (tmp_path / "log" / "audit").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(e["action"], e["object"], e["outcome"], e["status"]) for e in lines] == [
        ("wish.make", "wish:peace", "done", 201),
        ("wish.forget", "peace", "refused", 403),
        ("wish.make", "", "refused", 409),
        ("wish.forget", "tabular.adult", "done", 204),
        ("wish.forget", "?", "done", 204),
    ]
    assert lines[0]["request_id"] == "mine"
    assert lines[0]["caller"].startswith("key:")
    assert not any(secret in text for secret in KEYS.values())


def test_a_body_is_taken_piece_by_piece(app: Wishes, tmp_path: Path) -> None:
    content = os.urandom(700_000)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 100_000):
            yield content[start : start + 100_000]

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100_000

    async def body(client: httpx.AsyncClient) -> None:
        for sent in (content, pieces()):
            taken = await client.put("/files", content=sent, headers=key("all"))
            assert taken.json() == {"name": hashlib.sha256(content).hexdigest()}
        large = await client.put("/files", content=endless(), headers=key("all"))
        assert large.status_code == 413

    ask(app, tmp_path, body)


def test_streams_behind_a_real_server(app: Any, tmp_path: Path) -> None:
    with served(app, tmp_path) as client:
        with client.stream("GET", "/numbers", headers=key("viewer")) as reply:
            assert reply.headers["content-type"].startswith("text/event-stream")
            read = b""
            for chunk in reply.iter_raw():
                read += chunk
                if read.count(b"data") == 3 and read.endswith(b": \n\n"):
                    break
        assert b'id: 2\nevent: count\ndata: {"n":2}\n\n' in read
        assert app.left.wait(3), "the stream ends with its client"
        whole = client.get("/large")
        assert whole.content == b"0123456789" * 30_000
        assert whole.headers["content-length"] == "300000"
        endless = client.head("/numbers", headers=key("viewer"))
        assert (endless.status_code, endless.content) == (200, b"")
        head = client.head("/large")
        assert (head.headers["content-length"], head.content) == ("300000", b"")
        started = time.perf_counter()
        with socket.create_connection((client.base_url.host, client.base_url.port)) as idle:
            secret = KEYS["all"]
            idle.sendall(
                f"PUT /files HTTP/1.1\r\nHost: x\r\nX-API-Key: {secret}\r\n"
                "Content-Length: 9\r\n\r\nabc".encode()
            )
            assert b"408" in idle.recv(4096)
        assert 0.2 < time.perf_counter() - started < 2


def test_open_streams_end_with_the_service(app: Any, tmp_path: Path) -> None:
    with served(app, tmp_path) as client:
        with client.stream("GET", "/numbers", headers=key("viewer")) as reply:
            pieces = reply.iter_raw()
            next(pieces)
            app.stopping.set()
            started = time.perf_counter()
            for _ in pieces:
                pass
            assert time.perf_counter() - started < 2
        assert app.left.wait(3)


def test_the_api_page_tells_scopes_streams_and_statuses(app: Wishes, tmp_path: Path) -> None:
    app.open(environment(tmp_path))
    page = app.app.openapi()
    make, get = page["paths"]["/wishes"]["post"], page["paths"]["/wishes/{name}"]["get"]
    assert "`trainer`" in make["description"]
    assert {"201", "401", "403", "409", "422", "429"} <= set(make["responses"])
    assert "Location" in make["responses"]["201"]["headers"]
    assert "404" in get["responses"]
    assert set(page["paths"]["/files"]["put"]["requestBody"]["content"]) == {"text/csv"}
    numbers = page["paths"]["/numbers"]["get"]["responses"]["200"]
    assert set(numbers["content"]) == {"text/event-stream"}
    assert page["paths"]["/large"]["get"]["security"] == []
    assert "/model" not in page["paths"]
    assert "X-Model-Version" not in page["components"]["headers"]
    request = make["requestBody"]["content"]["application/json"]["schema"]
    schema = {**request, "components": page["components"]}
    Draft202012Validator(schema).validate({"name": "peace"})


def test_without_keys_it_is_not_ready_and_public_pages_answer(app: Wishes, tmp_path: Path) -> None:
    async def body(client: httpx.AsyncClient) -> None:
        app.open({})
        assert (await client.get("/large")).status_code == 200
        for path in ("/readyz", "/health", "/wishes/peace"):
            answer = await client.get(path, headers=key("all"))
            assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        app.open(environment(tmp_path))
        assert (await client.get("/health")).json()["status"] == "ready"

    ask(app, tmp_path, body)


def test_a_scope_that_nobody_can_carry_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="owner"):
        needs("owner")


def preflight(origin: str) -> dict[str, str]:
    return {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-api-key, content-type",
    }


def test_pages_of_the_named_origins_may_call_it_from_a_browser(app: Wishes, tmp_path: Path) -> None:
    mine, foreign = "https://shop.example.com", "https://evil.example.com"

    async def body(client: httpx.AsyncClient) -> None:
        app.open(environment(tmp_path, CRISOL_CORS_ORIGINS=f"{mine},https://other.example.com"))
        asked = await client.options("/wishes", headers=preflight(mine))
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-origin"] == mine
        assert asked.headers["access-control-allow-credentials"] == "true"
        assert "x-api-key" in asked.headers["access-control-allow-headers"]
        assert "POST" in asked.headers["access-control-allow-methods"]
        refused = await client.options("/wishes", headers=preflight(foreign))
        assert refused.status_code == 400
        assert "access-control-allow-origin" not in refused.headers
        for name, status in (("peace", 201), ("taken", 409), ("broken", 500)):
            for origin, allowed in ((mine, mine), (foreign, None)):
                answer = await client.post(
                    "/wishes", json={"name": name}, headers={**key("all"), "origin": origin}
                )
                assert answer.status_code == status
                assert answer.headers.get("access-control-allow-origin") == allowed
                assert "x-request-id" in answer.headers["access-control-expose-headers"].lower()

    ask(app, tmp_path, body)


def test_without_the_setting_no_origin_is_allowed(app: Wishes, tmp_path: Path) -> None:
    async def body(client: httpx.AsyncClient) -> None:
        origin = {"origin": "https://shop.example.com"}
        assert (await client.options("/wishes", headers=preflight(**origin))).status_code == 405
        answer = await client.get("/livez", headers=origin)
        assert not any(name.startswith("access-control") for name in answer.headers)

    ask(app, tmp_path, body)


def test_an_audit_log_that_fails_alarms_and_then_refuses(app: Wishes, tmp_path: Path) -> None:
    alarms = io.StringIO()

    async def body(client: httpx.AsyncClient) -> None:
        app.open(environment(tmp_path, CRISOL_AUDIT_FILE="/dev/full"))
        logs.configure("INFO", alarms)
        first = await client.post("/wishes", json={"name": "peace"}, headers=key("all"))
        assert first.status_code == 201
        second = await client.post("/wishes", json={"name": "more"}, headers=key("all"))
        assert (second.status_code, second.json()["code"]) == (503, "audit_unavailable")
        assert (await client.get("/wishes/peace", headers=key("all"))).status_code == 200
        app.audit._file = (tmp_path / "mended").open("ab", buffering=0)
        third = await client.post("/wishes", json={"name": "third"}, headers=key("all"))
        assert third.status_code == 201

    ask(app, tmp_path, body)
    alarm = json.loads(alarms.getvalue().splitlines()[0])
    assert (alarm["level"], alarm["audit"]["object"]) == ("critical", "wish:peace")
    lines = [json.loads(line) for line in (tmp_path / "mended").read_text().splitlines()]
    told = [(line["object"], line["status"]) for line in lines]
    assert told == [("wish:peace", 201), ("wish:third", 201)], "what was refused changed nothing"
