"""Worker processes: they are started, run orders, and are killed if they do not stop in time."""

import contextlib
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

import psutil

from crisol.models.tabular.auto.workers.fitting import FitOrder
from crisol.models.tabular.auto.workers.worker import BEGINS, main

PATIENCE, GRACE_S = 1.5, 1.0
"""A fit that takes so many times its time and so many seconds more is killed; at the search's end
half of the seconds are enough."""
SINGLE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


@dataclass(frozen=True)
class FitReply:
    """The outcome of an order.

    Attributes:
        order: the order.
        state: ``complete``, ``failed`` or ``timeout``.
        reason: the reason if it is not complete.
        seconds: from its assignment to its end.
    """

    order: FitOrder
    state: str
    reason: str
    seconds: float


@dataclass
class WorkerUse:
    """The work of one worker, and of the processes that took its place.

    Attributes:
        worker: its number, from 0.
        fits: orders that ended, whatever the outcome.
        seconds: that it had an order.
        cpu_seconds: of the processor; fewer than ``seconds`` where the machine was busy.
    """

    worker: int
    fits: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0


class Worker:
    """One process, which runs one order at a time."""

    def __init__(self, rows: Path, results: Path, log: Path, use: WorkerUse) -> None:
        self._log = log
        self.use = use
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-m", main.__module__, rows, results],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                env={**os.environ, **dict.fromkeys(SINGLE_THREAD, "1")},
            )
        self.order: FitOrder | None = None
        self._unread = b""
        self._assigned_at = 0.0
        self._kill_at = float("inf")

    def assign(self, order: FitOrder) -> None:
        """Send an order; the process is killed if it runs well beyond its time."""
        assert self._process.stdin is not None
        self.order, self._assigned_at = order, time.monotonic()
        self._kill_at = float("inf") if order.end is None else order.end + GRACE_S / 2
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

    def receive(self) -> tuple[FitReply | None, bool]:
        """Return its reply, if the order has ended, and whether it lives.

        Call it when there is output.

        It reads bytes, not lines: a second line must not wait in a buffer of the stream.
        """
        assert self.order is not None
        received = os.read(self.output.fileno(), 65536)
        if not received:
            self._count_processor()
            code = self._process.wait()
            reason = f"its process ended with {code}{self._last_words()}"
            return self._reply("failed", reason), False
        *lines, self._unread = (self._unread + received).split(b"\n")
        reply = None
        for line in lines:
            said: Mapping[str, Any] = json.loads(line)
            if said["state"] != BEGINS:
                reply = self._reply(said["state"], said.get("reason", ""))
            elif self.order.seconds is not None:
                allowed = PATIENCE * self.order.seconds + GRACE_S
                self._kill_at = min(self._kill_at, time.monotonic() + allowed)
        return reply, True

    def kill(self) -> FitReply | None:
        """Kill the process; its order timed out."""
        self._count_processor()
        self._process.kill()
        self._process.wait()
        if self.order is None:
            return None
        return self._reply("timeout", "it did not stop when its time was over, and was killed")

    def _reply(self, state: str, reason: str) -> FitReply:
        assert self.order is not None
        reply = FitReply(self.order, state, reason, time.monotonic() - self._assigned_at)
        self.use.fits += 1
        self.use.seconds += reply.seconds
        self.order, self._kill_at = None, float("inf")
        return reply

    def _count_processor(self) -> None:
        """Add the process's time of the processor, before it is gone."""
        with contextlib.suppress(psutil.Error):
            spent = psutil.Process(self._process.pid).cpu_times()
            self.use.cpu_seconds += spent.user + spent.system

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return f" ({lines[-1][:200]})" if lines else ""


class WorkerPool:
    """Several workers, as a context manager that ends them all.

    Args:
        rows: folder with the rows, their folds and the specification.
        results: folder of the fits.
        size: how many.
    """

    def __init__(self, rows: Path, results: Path, size: int) -> None:
        self._rows, self._results, self.size = rows, results, size
        self.uses = [WorkerUse(index) for index in range(size)]
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

    def assign(self, order: FitOrder) -> None:
        """Send an order to a worker that has none."""
        next(w for w in self._workers if w.order is None).assign(order)

    def wait(self, until: float) -> list[FitReply]:
        """Wait for orders to end, until ``until`` (monotonic seconds) at most."""
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
            replies = [reply for worker in ready if (reply := self._receive(worker)) is not None]
            if replies:
                return replies
            if time.monotonic() >= until or not busy:
                return []

    def _receive(self, worker: Worker) -> FitReply | None:
        reply, alive = worker.receive()
        if not alive:
            self._replace(worker)
        return reply

    def _kill(self, worker: Worker) -> FitReply:
        reply = worker.kill()
        assert reply is not None  # only busy ones are overdue
        self._replace(worker)
        return reply

    def _replace(self, worker: Worker) -> None:
        worker.output.close()
        self._workers[self._workers.index(worker)] = self._start(self._workers.index(worker))

    def _start(self, index: int) -> Worker:
        log = self._results / f"worker-{index}.log"
        return Worker(self._rows, self._results, log, self.uses[index])
