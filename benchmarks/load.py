"""A load generator with little overhead: raw asyncio connections, one request in flight on each.

It runs as a separate process (``python benchmarks/load.py`` with a JSON job on standard input) and
shares no interpreter with the measured service.
"""

import asyncio
import json
import sys
import time
from typing import Any

import uvloop


class Connection(asyncio.Protocol):
    """One keep-alive connection: send, wait for the whole answer, note the time, send again."""

    def __init__(self, request: bytes, stop_at: float, done: "asyncio.Future[None]") -> None:
        self._request = request
        self._stop_at = stop_at
        self._done = done
        self._buffer = b""
        self.latencies: list[float] = []
        self.errors = 0

    def connection_made(self, transport: Any) -> None:
        """Send the first request."""
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take bytes; when an answer is whole, note it and go on until the time is up."""
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        at = head.lower().index(b"content-length:") + 15
        if len(body) < int(head[at:].partition(b"\r\n")[0]):
            return
        now = time.perf_counter()
        self.latencies.append(now - self._sent)
        self.errors += not head.startswith(b"HTTP/1.1 200")
        self._buffer = b""
        if now < self._stop_at:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Count a connection that the server ended."""
        self.errors += error is not None or time.perf_counter() < self._stop_at
        if not self._done.done():
            self._done.set_result(None)


async def load(
    host: str, port: int, request: bytes, connections: int, seconds: float
) -> dict[str, Any]:
    """Keep ``connections`` busy for ``seconds``; latencies in seconds and the count of errors."""
    loop = asyncio.get_running_loop()
    began = time.process_time()
    started = time.perf_counter()
    protocols, waiting = [], []
    for _ in range(connections):
        done = loop.create_future()
        _, protocol = await loop.create_connection(
            lambda done=done: Connection(request, started + seconds, done), host, port
        )
        protocols.append(protocol)
        waiting.append(done)
    await asyncio.wait_for(asyncio.gather(*waiting), seconds + 30)
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - began,
        "latencies": [value for p in protocols for value in p.latencies],
        "errors": sum(p.errors for p in protocols),
    }


def main() -> None:
    """Read a job from standard input and print its result."""
    job = json.load(sys.stdin)
    request = job.pop("request").encode()
    print(json.dumps(uvloop.run(load(request=request, **job))))


if __name__ == "__main__":
    main()
