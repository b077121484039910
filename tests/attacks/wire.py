"""Bytes over a socket: what no client library would send, and whether others are still answered."""

import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any

import httpx
from tests.attacks.answering import Target

IDLE_S = 0.25
"""A server that has said something and then nothing for so long has nothing more to say."""
FIRST_S = 5.0
ALIVE_S = 1.0
"""How long ``/livez`` may take while others are attacked."""
LEAKS = (
    "Traceback", "crisol.", "/src/", "site-packages", ".py", "uvicorn.", "starlette.", "pydantic.",
    "sqlite", "SELECT ", "mlflow.", "/tmp/",
)  # fmt: skip
"""What no error may say: paths, modules and statements of ours."""


@dataclass(frozen=True)
class Reply:
    """One response on a connection."""

    status: int
    headers: dict[str, str]
    body: bytes


class _Received(io.BytesIO):
    """What came over a connection, read by one response after the other."""

    def makefile(self, *_: Any, **__: Any) -> "_Received":
        return self

    def close(self) -> None:
        """Stay open for the next response."""


def replies(received: bytes, *methods: str) -> list[Reply]:
    """The whole responses in some bytes; interim ones (1xx) are left out.

    Args:
        received: over one connection.
        methods: of the first requests; of the others it is GET.
    """
    stream, found = _Received(received), list[Reply]()
    while stream.tell() < len(received):
        method = methods[len(found)] if len(found) < len(methods) else "GET"
        response = HTTPResponse(stream, method=method)  # type: ignore[arg-type]
        try:
            response.begin()
            body = response.read()
        except HTTPException:
            break
        headers = {name.lower(): value for name, value in response.getheaders()}
        found.append(Reply(response.status, headers, body))
    return found


def receive(connection: socket.socket, first_s: float = FIRST_S) -> tuple[bytes, bool]:
    """What the server says until it closes or falls silent, and whether it closed."""
    received = b""
    while True:
        connection.settimeout(IDLE_S if received else first_s)
        try:
            piece = connection.recv(1 << 16)
        except TimeoutError:
            return received, False
        except ConnectionError:
            return received, True
        if not piece:
            return received, True
        received += piece


def send(target: Target, *pieces: bytes, first_s: float = FIRST_S) -> tuple[list[Reply], bool]:
    """Send bytes on a connection of their own; the answers, and whether the server closed it."""
    with socket.create_connection(target.address, timeout=FIRST_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for number, piece in enumerate(pieces):
                if number:
                    time.sleep(0.02)
                connection.sendall(piece)
        except ConnectionError:
            pass  # it closed before everything was sent, and may have said why
        received, closed = receive(connection, first_s)
    method = pieces[0].partition(b" ")[0].decode("latin-1")
    return replies(received, method), closed


def request(
    target: Target, method: str, path: str, *, key: str | None = "", body: bytes = b"", **more: str
) -> bytes:
    """A plain request as bytes; ``key=None``: without a key."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x"]
    if key is not None:
        lines.append(f"X-API-Key: {key or target.key}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def still_answers(target: Target) -> None:
    """The next caller, on a fresh connection, is answered as ever."""
    good = request(target, "GET", target.guarded, Connection="close")
    [answer], _ = send(target, good)
    assert answer.status == 200
    stranger = request(target, "GET", target.guarded, key=None, Connection="close")
    [answer], _ = send(target, stranger)
    assert answer.status == 401


@contextmanager
def stays_alive(target: Target, within_s: float = ALIVE_S) -> Iterator[None]:
    """``/livez`` answers in time during the block and after it."""
    over, times = threading.Event(), list[float]()
    asked = request(target, "GET", "/livez", key=None, Connection="close")

    def ask() -> None:
        while True:
            last, began = over.is_set(), time.perf_counter()
            [answer], _ = send(target, asked, first_s=60)
            assert answer.status == 200
            times.append(time.perf_counter() - began)
            if last:
                return
            over.wait(0.05)

    with ThreadPoolExecutor(1) as pool:
        watch = pool.submit(ask)
        try:
            yield
        finally:
            over.set()
            watch.result()
    assert max(times) < within_s, f"/livez took {max(times):.2f} s"


def refused(answer: httpx.Response | Reply, *statuses: int) -> dict[str, Any]:
    """An error in its one shape, with its id, which tells nothing of how we are made; its body."""
    if isinstance(answer, httpx.Response):
        status, content = answer.status_code, answer.content
    else:
        status, content = answer.status, answer.body
    assert status in statuses, (status, content[:500])
    body: dict[str, Any] = json.loads(content)
    assert set(body) == {"error", "code", "details", "request_id"}
    assert all(set(detail) == {"field", "message", "type"} for detail in body["details"])
    assert answer.headers["x-request-id"] == body["request_id"]
    assert answer.headers["content-type"].startswith("application/json")
    text = content.decode()
    assert not [leak for leak in LEAKS if leak in text], text[:500]
    return body
