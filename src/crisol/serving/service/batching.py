"""Micro-batching that never waits: requests that queue during one forward pass go into the next.

One thread runs the network, one batch at a time. The event loop keeps reading, checking and
answering meanwhile. Under light load a request is a batch of its own and waits for nobody; under
heavy load batches grow by themselves. The same queue serves other work that blocks and costs less
for many at once, such as a commit.

A request that has the service to itself may skip the thread: handing a row over and back costs a
tenth of its time.
"""

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from crisol.serving.http.errors import ApiError

Infer = Callable[[Sequence[Any]], Sequence[Any]]
Observe = Callable[[int, float], None]

SWITCH_S = 2e-5
"""How long a thread may keep the interpreter while another waits for it. NumPy and ONNX Runtime
give it up in most calls; with Python's 5 ms the network waited for the event loop so often that
both together used one core."""
ALONE = 17
"""Rows that must have met no others before the next may skip the thread. One in so many still goes
through the thread, because only there it can meet others. Prime, so that clients in step are met.
"""


@dataclass(eq=False, slots=True)
class _Submission:
    """The rows of one request and the outputs so far."""

    rows: Sequence[Any]
    future: "asyncio.Future[tuple[list[Any], float]]"
    outputs: list[Any] = field(default_factory=list)
    taken: int = 0
    inference_ms: float = 0.0
    error: Exception | None = None


@dataclass(slots=True)
class _Piece:
    """The part of a submission that fits into one batch."""

    submission: _Submission
    rows: Sequence[Any]


class MicroBatcher:
    """Runs ``infer`` for many requests at once.

    Args:
        infer: takes encoded rows, returns one output per row, in order. Called in one thread.
        max_batch: rows in one call of ``infer``. A request with more is cut into several.
        max_queue: rows that may be waiting or running before further requests get 503.
        timeout_s: seconds that a request may wait for its outputs.
        observe: called with the rows and the seconds of every call of ``infer`` (in its thread).
        inline_s: a single row may run in the event loop while its last run took no longer than
            this. Only for an ``infer`` that never waits (for a lock, a disk); 0: never.
    """

    def __init__(
        self,
        infer: Infer,
        *,
        max_batch: int,
        max_queue: int,
        timeout_s: float,
        observe: Observe,
        inline_s: float = 0.0,
    ) -> None:
        self._infer = infer
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._timeout_s = timeout_s
        self._observe = observe
        self._inline_s = inline_s
        self._single_s = float("inf")
        self._alone = 0
        self._queue: SimpleQueue[_Submission | None] = SimpleQueue()
        self._pending = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def pending_rows(self) -> int:
        """Rows that are waiting or in the network now."""
        return self._pending

    def start(self) -> None:
        """Start the thread; called from the event loop that will submit."""
        sys.setswitchinterval(SWITCH_S)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="inference", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Finish what is queued, then end the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(thread.join)

    async def submit(self, rows: Sequence[Any]) -> tuple[list[Any], float]:
        """One output per row, in order, and the milliseconds the network took.

        Raises:
            ApiError: 503 when too much is waiting or the service stops, 504 after ``timeout_s``.
            Exception: ``infer`` raised it for these rows; other requests are not affected.
        """
        loop = self._loop
        if self._thread is None or loop is None:
            raise ApiError(503, "The service is stopping.", headers={"retry-after": "1"})
        if self._pending + len(rows) > self._max_queue:
            raise ApiError(
                503,
                "The service has too much to do; try again later.",
                code="overloaded",
                headers={"retry-after": "1"},
            )
        if not rows:
            return [], 0.0
        if self._has_service_to_itself(rows):
            outputs, seconds = self._call(rows)
            return list(outputs), 1000 * seconds
        submission = _Submission(rows, loop.create_future())
        self._pending += len(rows)
        timer = loop.call_later(self._timeout_s, _expire, submission.future)
        self._queue.put(submission)
        try:
            return await submission.future
        finally:
            timer.cancel()

    def _has_service_to_itself(self, rows: Sequence[Any]) -> bool:
        """Whether to run these rows here and now; counts the single rows that met no others."""
        self._alone = 0 if self._pending or len(rows) > 1 else self._alone + 1
        quick = self._single_s <= self._inline_s
        return quick and self._alone > ALONE and self._alone % ALONE != 0

    def _work(self) -> None:
        carried: _Submission | None = None
        while True:
            submission = carried if carried is not None else self._queue.get()
            carried = None
            pieces: list[_Piece] = []
            room = self._max_batch
            while submission is not None and room:
                rows = submission.rows[submission.taken : submission.taken + room]
                submission.taken += len(rows)
                room -= len(rows)
                pieces.append(_Piece(submission, rows))
                if submission.taken < len(submission.rows):
                    carried = submission
                    break
                try:
                    submission = self._queue.get_nowait() if room else submission
                except Empty:
                    break
            self._run(pieces)
            if submission is None:
                return

    def _run(self, pieces: list[_Piece]) -> None:
        """Run one forward pass, in the thread, without submissions that nobody waits for."""
        wanted = [
            p for p in pieces if not p.submission.future.done() and p.submission.error is None
        ]
        rows = [row for piece in wanted for row in piece.rows]
        if rows:
            try:
                outputs, seconds = self._call(rows)
            except Exception as error:  # noqa: BLE001 - handed to the request that waits for it
                if len(wanted) > 1:
                    # One request must not spoil the others: each runs again, alone.
                    for piece in wanted:
                        self._run([piece])
                    wanted_ids = {id(piece) for piece in wanted}
                    pieces = [piece for piece in pieces if id(piece) not in wanted_ids]
                else:
                    wanted[0].submission.error = error
            else:
                at = 0
                for piece in wanted:
                    piece.submission.outputs += outputs[at : at + len(piece.rows)]
                    piece.submission.inference_ms += 1000 * seconds
                    at += len(piece.rows)
        if pieces and self._loop is not None:
            self._loop.call_soon_threadsafe(self._deliver, pieces)

    def _call(self, rows: Sequence[Any]) -> tuple[Sequence[Any], float]:
        """The outputs of one call of ``infer`` and the seconds it took."""
        started = time.perf_counter()
        outputs = self._infer(rows)
        if len(outputs) != len(rows):
            raise RuntimeError(f"infer answered {len(rows)} rows with {len(outputs)} outputs")
        seconds = time.perf_counter() - started
        if len(rows) == 1:
            self._single_s = seconds
        self._observe(len(rows), seconds)
        return outputs, seconds

    def _deliver(self, pieces: list[_Piece]) -> None:
        """Hand the outputs to the requests that wait, in the event loop."""
        for piece in pieces:
            submission = piece.submission
            self._pending -= len(piece.rows)
            if submission.future.done():
                continue
            if submission.error is not None:
                submission.future.set_exception(submission.error)
            elif len(submission.outputs) == len(submission.rows):
                submission.future.set_result((submission.outputs, submission.inference_ms))


def _expire(future: "asyncio.Future[Any]") -> None:
    if not future.done():
        future.set_exception(ApiError(504, headers={"retry-after": "1"}))
