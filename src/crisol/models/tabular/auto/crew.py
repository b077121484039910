"""Worker processes: started, given orders, and killed when they do not stop in time."""

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from crisol.models.tabular.auto.fitting import Order

GRACE_S = 1.0
"""What a fit may take beyond its time before its process is killed."""
SINGLE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


@dataclass(frozen=True)
class Reply:
    """What became of an order.

    Attributes:
        order: what was asked.
        state: ``complete``, ``failed`` or ``timeout``.
        reason: why not.
        seconds: since it was given.
    """

    order: Order
    state: str
    reason: str
    seconds: float


class Worker:
    """One process, which fits one thing at a time."""

    def __init__(self, rows: Path, results: Path, log: Path) -> None:
        self._log = log
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "crisol.models.tabular.auto.worker", rows, results],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                env={**os.environ, **dict.fromkeys(SINGLE_THREAD, "1")},
            )
        self.order: Order | None = None
        self._given = 0.0
        self._kill_at = float("inf")

    def give(self, order: Order, kill_at: float) -> None:
        """Hand over an order; the process is killed if it is at it beyond ``kill_at``."""
        assert self._process.stdin is not None
        self.order, self._given, self._kill_at = order, time.monotonic(), kill_at
        try:
            self._process.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has died: its end of the other pipe says so

    @property
    def output(self) -> Any:
        """The pipe of its answers."""
        return self._process.stdout

    @property
    def seconds_allowed(self) -> float:
        """Until it is killed."""
        return self._kill_at - time.monotonic()

    def hear(self) -> tuple[Reply, bool]:
        """Its answer, and whether it lives; waits for the line or the end of the process."""
        assert self.order is not None
        line = self.output.readline()
        if line:
            said: Mapping[str, Any] = json.loads(line)
            return self._reply(said["state"], said.get("reason", "")), True
        code = self._process.wait()
        return self._reply("failed", f"its process ended with {code}{self._last_words()}"), False

    def kill(self) -> Reply | None:
        """End the process; what it was asked timed out."""
        self._process.kill()
        self._process.wait()
        if self.order is None:
            return None
        return self._reply("timeout", "it did not stop when its time was over, and was killed")

    def _reply(self, state: str, reason: str) -> Reply:
        assert self.order is not None
        reply = Reply(self.order, state, reason, time.monotonic() - self._given)
        self.order, self._kill_at = None, float("inf")
        return reply

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return f" ({lines[-1][:200]})" if lines else ""


class Crew:
    """Several workers; a context manager that leaves none behind.

    Args:
        rows: folder with the rows, their folds and the brief.
        results: folder of the fits.
        size: how many.
    """

    def __init__(self, rows: Path, results: Path, size: int) -> None:
        self._rows, self._results, self.size = rows, results, size
        self._workers: list[Worker] = []

    def __enter__(self) -> Self:
        self._workers = [self._start(index) for index in range(self.size)]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.kill()
            worker.output.close()
        self._workers = []

    @property
    def idle(self) -> int:
        """Workers without an order."""
        return sum(worker.order is None for worker in self._workers)

    def give(self, order: Order, kill_at: float) -> None:
        """Hand an order to a worker that has none."""
        next(w for w in self._workers if w.order is None).give(order, kill_at)

    def wait(self, until: float) -> list[Reply]:
        """What has ended, as soon as something has; nothing when ``until`` (monotonic) is over."""
        while True:
            overdue = [w for w in self._workers if w.order is not None and w.seconds_allowed <= 0]
            if overdue:
                return [self._kill(worker) for worker in overdue]
            busy = [w for w in self._workers if w.order is not None]
            left = min([until - time.monotonic(), *(w.seconds_allowed for w in busy)])
            with selectors.DefaultSelector() as selector:
                for worker in busy:
                    selector.register(worker.output, selectors.EVENT_READ, worker)
                ready = [key.data for key, _ in selector.select(max(0.0, min(left, 3600.0)))]
            if ready:
                return [self._hear(worker) for worker in ready]
            if time.monotonic() >= until or not busy:
                return []

    def _hear(self, worker: Worker) -> Reply:
        reply, alive = worker.hear()
        if not alive:
            self._replace(worker)
        return reply

    def _kill(self, worker: Worker) -> Reply:
        reply = worker.kill()
        assert reply is not None  # only busy ones are overdue
        self._replace(worker)
        return reply

    def _replace(self, worker: Worker) -> None:
        worker.output.close()
        self._workers[self._workers.index(worker)] = self._start(self._workers.index(worker))

    def _start(self, index: int) -> Worker:
        return Worker(self._rows, self._results, self._results / f"worker-{index}.log")
