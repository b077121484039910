"""A bundle served on this machine for the length of a block."""

import json
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_S = 120
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens addresses of this machine, whatever proxies the environment names."""


class ServerError(RuntimeError):
    """The bundle did not become ready; the message holds the reason and the end of its log."""


@dataclass(frozen=True)
class JsonResponse:
    """The JSON body of a response, with the headers that name its origin."""

    body: Any
    model_version: str
    milliseconds: str


@dataclass(frozen=True)
class LocalServer:
    """A bundle that is ready.

    Attributes:
        url: without a slash at the end.
        api_key: made for this server alone.
        pid: of the server process.
        start_seconds: from the command to ready.
    """

    url: str
    api_key: str
    pid: int
    start_seconds: float

    def first_route(self) -> str:
        """The first route of the API page: the family's main question."""
        return next(iter(self._paths()))

    def first_example(self) -> dict[str, Any]:
        """The API page's example of that question, made for the model that is served."""
        operation = next(iter(self._paths().values()))["post"]
        body = operation["requestBody"]["content"]["application/json"]
        # Bundles of before FastAPI have one example without a name.
        example: dict[str, Any] = body.get("example") or body["examples"]["example"]["value"]
        return example

    def _paths(self) -> dict[str, Any]:
        with _direct.open(f"{self.url}/openapi.json", timeout=30) as page:
            paths: dict[str, Any] = json.load(page)["paths"]
            return paths

    def post(self, route: str, request: Mapping[str, Any]) -> JsonResponse:
        """Send one JSON request with this server's key."""
        sent = urllib.request.Request(  # noqa: S310 - our own loopback service
            self.url + route,
            data=json.dumps(request).encode(),
            headers={"Content-Type": "application/json", "X-API-Key": self.api_key},
        )
        with _direct.open(sent, timeout=30) as response:
            headers = response.headers
            return JsonResponse(
                json.load(response), headers["X-Model-Version"], headers["X-Process-Time-Ms"]
            )


@contextmanager
def serving(
    bento: str, *, python: Sequence[str], cwd: Path, environment: Mapping[str, str], log: Path
) -> Iterator[LocalServer]:
    """Serve ``bento`` (a tag or a folder) on a free loopback port; stop it at the end.

    Args:
        bento: the argument of ``bentoml serve``.
        python: the interpreter and its options.
        cwd: the server's working folder.
        environment: the server's whole environment; an API key is added.
        log: file for what the server prints.

    Raises:
        ServerError: it did not become ready.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    key = secrets.token_urlsafe(24)
    command = [*python, "-m", "bentoml", "serve", bento, "--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**environment, "CRISOL_API_KEYS": key},
            stdout=output,
            stderr=output,
        )
    try:
        _wait(process, url, log)
        yield LocalServer(url, key, process.pid, time.perf_counter() - started)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    reason = "it did not answer"
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with _direct.open(f"{url}/readyz", timeout=5):
                return
        except urllib.error.HTTPError as error:
            reason = error.read().decode(errors="replace")
            wrong = _settings(reason)
            if wrong:  # waiting does not mend a setting
                raise ServerError(f"the bundle is not ready: {'; '.join(wrong)}") from None
        except OSError as error:
            reason = str(error)
        time.sleep(0.2)
    text = log.read_text(errors="replace")[-3000:]
    raise ServerError(f"the bundle did not become ready ({reason}):\n{text}")


def _settings(answer: str) -> list[str]:
    """What the answer of ``/readyz`` says about variables of the environment."""
    try:
        details = json.loads(answer)["details"]
        messages = [str(detail["message"]) for detail in details]
    except (ValueError, KeyError, TypeError):
        return []
    return [message for message in messages if message.startswith("CRISOL_")]
