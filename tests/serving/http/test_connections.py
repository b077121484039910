"""A real uvicorn server with small limits, and clients that mean it no good."""

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import uvicorn

from crisol.serving.http.connections import BoundedProtocol, ConnectionLimits

LIMITS = ConnectionLimits(
    max_header_bytes=2048,
    max_headers=20,
    max_target_bytes=512,
    max_pipelined=8,
    max_connections=40,
    header_timeout_s=0.3,
    keep_alive_s=0.4,
    write_timeout_s=0.4,
)
LARGE = 30_000_000
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
EARLY = b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n"


class App:
    """Answers with what it got, before the body is there, or with a lot."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.disconnected = 0
        self.release = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        path = scope["path"]
        self.calls.append(path)
        length = 0
        if path in ("/echo", "/slow"):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    self.disconnected += 1
                    return
                length += len(message["body"])
                more = message["more_body"]
        if path == "/slow":
            await asyncio.sleep(0.4)
        names = [name.decode() for name, _ in scope["headers"]]
        body = json.dumps({"bytes": length, "headers": names}).encode()
        if path == "/large":
            body = bytes(LARGE)
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Server:
    """uvicorn in a thread."""

    def __init__(self) -> None:
        self.app = App()
        self.listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(
            self.app, http=BoundedProtocol.with_limits(LIMITS), lifespan="off",
            log_config=None, timeout_graceful_shutdown=2,
        )  # fmt: skip
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(
            target=self.server.run, kwargs={"sockets": [self.listener]}, daemon=True
        )
        self.thread.start()
        while not self.server.started:
            time.sleep(0.005)

    def open(self, timeout_s: float = 3) -> socket.socket:
        return socket.create_connection(self.listener.getsockname(), timeout=timeout_s)

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)

    def livez(self) -> float:
        """Seconds until it answers on a new connection."""
        began = time.perf_counter()
        status, _ = self.ask(LIVEZ)
        assert status == 200
        return time.perf_counter() - began

    def ask(self, request: bytes) -> tuple[int, Any]:
        with self.open() as connection:
            connection.sendall(request)
            return answer(connection)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.server.should_exit = True
    one.thread.join(5)
    assert not one.thread.is_alive()


@pytest.fixture(autouse=True)
def _alone(server: Server) -> Iterator[None]:
    """Every test ends with no connection left and a server that answers."""
    server.app.calls.clear()
    server.app.disconnected = 0
    yield
    until(lambda: not server.connections)
    assert server.livez() < 0.3


def until(condition: Callable[[], bool], timeout_s: float = 3) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def read_all(connection: socket.socket) -> bytes:
    """What comes until the server closes; a reset ends it too."""
    received = b""
    try:
        while data := connection.recv(65_536):
            received += data
    except ConnectionResetError:
        pass
    return received


def answer(connection: socket.socket) -> tuple[int, Any]:
    """Status and JSON of one answer."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = connection.recv(65_536)
        assert data, received
        received += data
    head, _, body = received.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(fields[b"content-length"]):
        body += connection.recv(65_536)
    content = json.loads(body)
    status = int(head.split(b" ")[1])
    if status >= 400:
        assert set(content) == {"error", "code", "details", "request_id"}
        assert fields[b"x-request-id"].decode() == content["request_id"]
        assert fields[b"connection"] == b"close"
        assert fields[b"content-type"] == b"application/json"
    return status, content


def send_endlessly(connection: socket.socket, piece: bytes, most: int = 50_000_000) -> int:
    """Send until the server has closed; the bytes it took."""
    sent = 0
    try:
        while sent < most:
            connection.sendall(piece)
            sent += len(piece)
    except (ConnectionError, TimeoutError):
        pass
    return sent


@pytest.mark.parametrize(
    ("begin", "piece", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\nX-A: ", b"a" * 1000, 431, "header_too_large"),
        (b"GET / HTTP/1.1\r\nX-", b"a" * 1000, 431, "header_too_large"),
        (b"GET / HTTP/1.1\r\n", b"a: b\r\n" * 1000, 431, "header_too_large"),
        (b"GET /", b"a" * 1000, 431, "header_too_large"),
        (b"", b"\r\n" * 1000, 431, "header_too_large"),
        (CHUNKED + b"1;", b"a" * 1000, 400, "bad_request"),
        (CHUNKED + b"1\r\na\r\n0\r\nX-A: ", b"a" * 1000, 400, "bad_request"),
        (CHUNKED + b"1\r\na\r\n0\r\n", b"a: b\r\n" * 1000, 400, "bad_request"),
        (CHUNKED, b"1\r\na\r\n" * 1000, 400, "bad_request"),
        (CHUNKED, b"1;" + b"e" * 500 + b"\r\na\r\n", 400, "bad_request"),
    ],
    ids=["header value", "header name", "headers", "target", "empty lines", "chunk extension",
         "trailer", "trailers", "tiny chunks", "long extensions of tiny chunks"],
)  # fmt: skip
def test_what_has_no_end_is_refused(
    server: Server, begin: bytes, piece: bytes, status: int, code: str
) -> None:
    with server.open() as connection:
        connection.sendall(begin)
        sent = 0
        connection.setblocking(False)
        while True:
            try:
                sent += connection.send(piece)
            except BlockingIOError:
                time.sleep(0.001)
            except ConnectionError:
                break
            assert sent < 200_000_000
            try:
                if connection.recv(1, socket.MSG_PEEK):
                    break
            except BlockingIOError:
                continue
        connection.settimeout(3)
        told = answer(connection)
        assert (told[0], told[1]["code"]) == (status, code)
    assert set(server.app.calls) <= {"/echo"}


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (b"GET /?%s HTTP/1.1\r\n\r\n" % (b"q" * 510), 200, None),
        (b"GET /?%s HTTP/1.1\r\n\r\n" % (b"q" * 511), 414, "target_too_long"),
        (b"GET / HTTP/1.1\r\n%s\r\n" % (b"a: b\r\n" * 20), 200, None),
        (b"GET / HTTP/1.1\r\n%s\r\n" % (b"a: b\r\n" * 21), 431, "header_too_large"),
        (b"GET / HTTP/1.1\r\na: %s\r\n\r\n" % (b"b" * 2025), 200, None),
        (b"GET / HTTP/1.1\r\na: %s\r\n\r\n" % (b"b" * 2026), 431, "header_too_large"),
        (b"no HTTP at all\r\n\r\n", 400, "bad_request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "bad_request"),
        (b"CONNECT x:443 HTTP/1.1\r\n\r\n", 400, "bad_request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "bad_request"),
    ],
)
def test_each_limit_is_exact(
    server: Server, request_: bytes, status: int, code: str | None
) -> None:
    told = server.ask(request_)
    assert (told[0], told[1].get("code")) == (status, code)


def test_ordinary_requests_are_answered_as_before(server: Server) -> None:
    with server.open() as connection:
        for size in (0, 5, 500_000):
            head = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
            connection.sendall(head + b"x" * size)
            assert answer(connection) == (
                200,
                {"bytes": size, "headers": ["host", "content-length"]},
            )
        chunks = b"".join(b"%x\r\n%s\r\n" % (n, b"x" * n) for n in [10, 1000, 30_000] * 20)
        connection.sendall(CHUNKED + chunks + b"0\r\n\r\n")
        assert answer(connection)[1]["bytes"] == 20 * 31_010
        for byte in CHUNKED + b"2;ext=1\r\nab\r\n0\r\n\r\n":
            connection.sendall(bytes([byte]))
        assert answer(connection)[1]["bytes"] == 2


def test_trailers_are_no_headers(server: Server) -> None:
    request = CHUNKED + b"1\r\na\r\n0\r\nX-Api-Key: forged\r\n\r\n"
    with server.open() as connection:
        connection.sendall(request[:-40])
        time.sleep(0.05)
        connection.sendall(request[-40:])
        assert answer(connection) == (200, {"bytes": 1, "headers": ["host", "transfer-encoding"]})


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
def test_an_upgrade_is_not_made_and_smuggles_nothing(server: Server, protocol: bytes) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n"
    with server.open() as connection:
        asked = b"GET /echo HTTP/1.1\r\n" + upgrade + b"Content-Length: 0\r\n\r\n"
        connection.sendall(asked + b"POST /echo HTTP/1.1\r\nContent-Length: 1\r\n\r\na")
        received = b""
        while received.count(b"HTTP/1.1 200") < 2:
            received += connection.recv(65_536)
        assert b'{"bytes": 1,' in received
    assert server.app.calls == ["/echo", "/echo"]
    smuggled = b"GET /smuggled HTTP/1.1\r\n\r\n"
    length = b"Content-Length: %d\r\n\r\n" % len(smuggled)
    for framing in (length, b"Transfer-Encoding: chunked\r\n\r\n"):
        with server.open() as connection:
            connection.sendall(b"POST /echo HTTP/1.1\r\n" + upgrade + framing)
            status, told = answer(connection)
            assert (status, told["code"]) == (400, "bad_request")
            assert "Upgrade" in told["error"]
            connection.sendall(smuggled)
            assert read_all(connection) == b""
    assert server.app.calls == ["/echo", "/echo"]


def test_silent_connections_are_closed(server: Server) -> None:
    began = time.monotonic()
    with server.open() as connection:
        assert read_all(connection) == b""
    assert 0.25 < time.monotonic() - began < 1


@pytest.mark.parametrize("before", [b"", LIVEZ], ids=["first request", "later request"])
@pytest.mark.parametrize("piece", [b"", b"a"], ids=["half", "dripping"])
def test_unfinished_headers_are_given_up(server: Server, before: bytes, piece: bytes) -> None:
    with server.open() as connection:
        if before:
            connection.sendall(before)
            assert answer(connection)[0] == 200
        began = time.monotonic()
        connection.sendall(b"GET / HTTP/1.1\r\nX-A: a")
        connection.settimeout(0.03)
        while True:
            try:
                status, told = answer(connection)
                break
            except TimeoutError:
                connection.sendall(piece)
            assert time.monotonic() - began < 2
        assert (status, told["code"]) == (408, "header_timeout")
        assert time.monotonic() - began > 0.25


@pytest.mark.parametrize("before", [b"", LIVEZ], ids=["first request", "later request"])
def test_empty_lines_keep_no_connection_open(server: Server, before: bytes) -> None:
    with server.open() as connection:
        if before:
            connection.sendall(before)
            assert answer(connection)[0] == 200
        began = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() - began < 2:
                connection.sendall(b"\r\n")
                time.sleep(0.02)
        assert 0.2 < time.monotonic() - began < 1


def test_idle_connections_are_closed(server: Server) -> None:
    with server.open() as connection:
        connection.sendall(LIVEZ)
        assert answer(connection)[0] == 200
        began = time.monotonic()
        assert read_all(connection) == b""
        assert 0.3 < time.monotonic() - began < 1


def test_a_slow_application_is_not_hurried(server: Server) -> None:
    with server.open() as connection:
        connection.sendall(b"POST /slow HTTP/1.1\r\nContent-Length: 1\r\n\r\n")
        time.sleep(0.45)  # a body that arrives late is the application's to bound
        connection.sendall(b"a\r\n")
        assert answer(connection)[0] == 200


def test_a_body_that_was_answered_early_does_not_go_on(server: Server) -> None:
    with server.open() as connection:
        connection.sendall(EARLY)
        assert answer(connection)[0] == 200
        began = time.monotonic()
        connection.settimeout(2)
        while time.monotonic() - began < 2:
            try:
                connection.sendall(b"a" * 1000)
            except ConnectionError:
                break
            time.sleep(0.02)
        assert 0.2 < time.monotonic() - began < 1.2


def test_a_request_that_breaks_off_in_its_body_is_disconnected(server: Server) -> None:
    with server.open() as connection:
        connection.sendall(CHUNKED + b"no number\r\n")
        assert answer(connection)[1]["code"] == "bad_request"
        until(lambda: server.app.disconnected == 1)


def test_no_answer_is_mistaken_for_another(server: Server) -> None:
    with server.open() as connection:
        connection.sendall(b"POST /slow HTTP/1.1\r\nContent-Length: 0\r\n\r\n" + b"no HTTP\r\n\r\n")
        assert read_all(connection) == b"", "an answer here would be taken for the one of /slow"


def test_an_answered_request_gets_no_second_answer(server: Server) -> None:
    with server.open() as connection:
        connection.sendall(b"POST /early HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert answer(connection)[0] == 200
        connection.sendall(b"no number\r\n")
        assert read_all(connection) == b""


def test_many_pipelined_requests_are_refused(server: Server) -> None:
    with server.open() as connection:
        connection.sendall(LIVEZ * 8)
        received = b""
        while received.count(b"HTTP/1.1 200") < 8:
            received += connection.recv(65_536)
    with server.open() as connection:
        send_endlessly(connection, LIVEZ * 10_000, 320_000)
        assert read_all(connection).count(b"HTTP/1.1 200") < 20
    assert len(server.app.calls) < 30


@pytest.mark.parametrize("close", [b"", b"Connection: close\r\n"])
def test_an_answer_that_is_not_read_is_given_up(server: Server, close: bytes) -> None:
    with server.open() as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\n" + close + b"\r\n")
        until(lambda: server.connections == 1)
        began = time.monotonic()
        until(lambda: server.connections == 0)
        assert 0.3 < time.monotonic() - began < 1.2
        assert len(read_all(connection)) < LARGE


def test_an_answer_that_is_read_slowly_is_sent_to_its_end(server: Server) -> None:
    with server.open() as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nConnection: close\r\n\r\n")
        received = 0
        while data := connection.recv(LARGE // 20):
            received += len(data)
            time.sleep(0.04)
        assert received > LARGE


def test_new_connections_take_the_place_of_idle_ones(server: Server) -> None:
    with ExitStack() as stack:
        asked = stack.enter_context(server.open())
        asked.sendall(LIVEZ)
        assert answer(asked)[0] == 200
        for _ in range(200):
            stack.enter_context(server.open())
            until(lambda: server.connections <= LIMITS.max_connections)
        assert server.livez() < 0.1
        asked.sendall(LIVEZ)
        assert answer(asked)[0] == 200, "those that never asked anything go first"


def test_too_many_working_connections_get_503(server: Server) -> None:
    request = b"POST /echo HTTP/1.1\r\nContent-Length: 1\r\n\r\n"
    with ExitStack() as stack:
        working = [stack.enter_context(server.open()) for _ in range(LIMITS.max_connections)]
        for connection in working:
            connection.sendall(request)
        until(lambda: len(server.app.calls) == LIMITS.max_connections)
        status, told = server.ask(b"")
        assert (status, told["code"]) == (503, "overloaded")
        for connection in working:
            connection.sendall(b"a")
            assert answer(connection)[0] == 200


def test_many_endless_headers_hold_up_nobody(server: Server) -> None:
    with ExitStack() as stack:
        attackers = [stack.enter_context(server.open()) for _ in range(30)]
        for attacker in attackers:
            attacker.sendall(b"GET / HTTP/1.1\r\nX-A: ")
            attacker.setblocking(False)
        slowest = 0.0
        for _ in range(10):
            for attacker in attackers:
                with suppress(OSError):
                    attacker.send(b"a" * 1_000_000)
            slowest = max(slowest, server.livez())
        assert slowest < 0.3


def test_a_refusal_is_in_the_log(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("crisol.serving")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logger, "propagate", True)
        with caplog.at_level("INFO", "crisol.serving"):
            _, told = server.ask(b"no HTTP\r\n\r\n")
    fields = [r.fields for r in caplog.records if hasattr(r, "fields")]
    assert {"request_id": told["request_id"], "status": 400, "code": "bad_request"} in fields


def test_there_are_never_more_connections_than_files_to_open() -> None:
    bounded = BoundedProtocol.with_limits(ConnectionLimits(max_connections=10**9))
    assert bounded.limits.max_connections < 10**9
    assert BoundedProtocol.limits == ConnectionLimits()
