"""Works on background jobs: some threads prepare items, another runs the model on them.

While the model runs one batch of items, the next is read, checked and decoded, and the results of
the last are stored, so that the model waits for neither as long as they are the quicker part.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from pydantic import ValidationError

from crisol.core.errors import FieldError
from crisol.serving.http.errors import ApiError, from_validation
from crisol.serving.state.jobs import BackgroundJobStore, Claim, Settled

_log = logging.getLogger("crisol.serving")

BATCH_ITEMS = 32
"""Items that go through the model together, unless a runner says otherwise."""
BATCHES_TAKEN = 3
"""Batches that are taken at once: one runs while one is prepared, and one may wait in between."""
PREPARERS = 2
"""Threads that prepare: decoding pictures costs more than embedding them."""
POLL_S = 0.5
"""Seconds between two looks for jobs that another process stored."""
RETRY_S = 1.0
WAIT_FOR_REQUESTS_S = 0.2
"""Longest time that a batch waits for the requests that are being answered."""


class Work(Protocol):
    """The work on an item of one kind of job."""

    kind: str
    version: str
    """Version of the model; a result is cached for this version alone."""
    made_by: str
    """The same version for people."""

    def key(self, payload: bytes) -> bytes:
        """A digest of an item: the same for items whose results are the same."""

    def prepare(self, payload: bytes) -> Any:
        """The item as the model takes it.

        Raises:
            FieldError: the item cannot be worked on.
            ValidationError: it breaks its contract.
        """

    def run(self, prepared: Sequence[Any]) -> Sequence[bytes]:
        """The result of each, in order."""


@dataclass(slots=True)
class _Batch:
    """Items that are being worked on: those to run, and the outcomes of the others."""

    claim: Claim
    settled: list[Settled] = field(default_factory=list)
    to_run: dict[bytes, list[int]] = field(default_factory=dict)
    """Positions of the items of each key."""
    prepared: dict[bytes, Any] = field(default_factory=dict)


class JobRunner:
    """Threads that work on the jobs of one kind for as long as the service runs.

    Args:
        store: the jobs.
        work: the work on an item.
        busy: whether a request waits for its answer now; the next batch then waits for a moment.
        observe: called with the rows and the seconds of every run of the model.
        clean_s: seconds between two deletions of expired results.
        batch_items: items that go through the model together.
    """

    def __init__(
        self,
        store: BackgroundJobStore,
        work: Work,
        *,
        busy: Callable[[], bool] = bool,
        observe: Callable[[int, float], None] | None = None,
        clean_s: float = 60.0,
        batch_items: int = BATCH_ITEMS,
    ) -> None:
        self._store, self._work = store, work
        self._batch_items = batch_items
        self._busy, self._observe = busy, observe
        self._clean_s, self._cleaned = clean_s, 0.0
        self._ready: SimpleQueue[_Batch | None] = SimpleQueue()
        self._finished: SimpleQueue[_Batch] = SimpleQueue()
        self._taken: list[_Batch] = []
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._pool = ThreadPoolExecutor(PREPARERS, f"{work.kind} prepare")
        self._threads = [
            threading.Thread(target=target, name=f"{work.kind} {name}", daemon=True)
            for name, target in (("feed", self._feed), ("run", self._run_batches))
        ]

    def start(self) -> None:
        """Begin, with the items that another process left too."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Look for a job that was just stored."""
        self._wake.set()

    def close(self) -> None:
        """Finish the batch that runs, store it, and free the rest."""
        self._stopping.set()
        self._wake.set()
        self._ready.put(None)
        for thread in self._threads:
            thread.join()
        self._pool.shutdown()
        try:
            for batch in self._drained():
                self._store.settle(batch.claim, self._work.version, batch.settled)
            for batch in self._taken:
                self._store.release(batch.claim)
        except ApiError:
            pass  # Logged by the store; unsettled items are freed when the lease ends.

    # -- the thread that reads and stores ----------------------------------------------------------

    def _feed(self) -> None:
        while not self._stopping.is_set():
            try:
                self._step()
            except ApiError:
                self._stopping.wait(RETRY_S)  # logged by the store
            except Exception:  # noqa: BLE001 - the jobs go on
                _log.exception("background jobs stumbled")
                self._stopping.wait(RETRY_S)

    def _step(self) -> None:
        """Take a batch if there is room, store one that is finished, or wait for either."""
        if time.monotonic() - self._cleaned > self._clean_s:
            self._store.delete_expired()
            self._cleaned = time.monotonic()
        self._wake.clear()
        for batch in self._drained():
            self._settle(batch)
        if len(self._taken) < BATCHES_TAKEN and self._take():
            return
        self._wake.wait(POLL_S)

    def _drained(self) -> list[_Batch]:
        batches: list[_Batch] = []
        while True:
            try:
                batches.append(self._finished.get_nowait())
            except Empty:
                return batches

    def _take(self) -> bool:
        work = self._work
        claim = self._store.take(work.kind, work.version, self._batch_items, work.made_by)
        if claim is None:
            return False
        batch = _Batch(claim)
        self._taken.append(batch)
        try:
            self._prepare(batch)
        except Exception:
            self._taken.remove(batch)
            self._give_back(claim)
            raise
        if batch.to_run:
            self._ready.put(batch)
        else:
            self._settle(batch)
        return True

    def _give_back(self, claim: Claim) -> None:
        """Free a claim's items, and retry until the service stops, which ends the lease."""
        while not self._stopping.is_set():
            try:
                self._store.release(claim)
            except ApiError:
                self._stopping.wait(RETRY_S)
            else:
                return

    def _prepare(self, batch: _Batch) -> None:
        work = self._work
        keys = {one.position: work.key(one.payload) for one in batch.claim.items}
        known = self._store.cached(work.version, list(set(keys.values())))
        payloads: dict[bytes, bytes] = {}
        places: dict[bytes, list[int]] = {}
        for one in batch.claim.items:
            position, key = one.position, keys[one.position]
            if key in known:
                batch.settled.append(Settled(position, known[key], key=key, cached=True))
            else:
                payloads[key] = one.payload
                places.setdefault(key, []).append(position)
        for key, prepared in zip(
            payloads, self._pool.map(self._try, payloads.values()), strict=True
        ):
            if isinstance(prepared, Exception):
                batch.settled += [_failed(position, prepared) for position in places[key]]
            else:
                batch.prepared[key], batch.to_run[key] = prepared, places[key]

    def _try(self, payload: bytes) -> Any:
        """The prepared item or the exception: one bad item fails alone."""
        try:
            return self._work.prepare(payload)
        except Exception as error:  # noqa: BLE001 - becomes the item's error
            return error

    def _settle(self, batch: _Batch) -> None:
        """Store the outcomes of a batch, and retry until the service stops."""
        while not self._stopping.is_set():
            try:
                self._store.settle(batch.claim, self._work.version, batch.settled)
            except ApiError:
                self._stopping.wait(RETRY_S)
            else:
                self._taken.remove(batch)
                return

    # -- the thread of the model -------------------------------------------------------------------

    def _run_batches(self) -> None:
        while (batch := self._ready.get()) is not None and not self._stopping.is_set():
            self._wait_for_requests()
            batch.settled += self._run(batch)
            self._finished.put(batch)
            self._wake.set()

    def _wait_for_requests(self) -> None:
        until = time.monotonic() + WAIT_FOR_REQUESTS_S
        while self._busy() and time.monotonic() < until:
            time.sleep(0.005)

    def _run(self, batch: _Batch) -> list[Settled]:
        keys = list(batch.to_run)
        started = time.perf_counter()
        try:
            results: list[bytes | Exception] = list(self._work.run(list(batch.prepared.values())))
        except Exception:  # noqa: BLE001 - one of them is to blame: each again, alone
            results = [self._run_one(batch.prepared[key]) for key in keys]
        if self._observe is not None:
            self._observe(len(keys), time.perf_counter() - started)
        settled: list[Settled] = []
        for key, result in zip(keys, results, strict=True):
            for position in batch.to_run[key]:
                if isinstance(result, Exception):
                    settled.append(_failed(position, result))
                else:
                    settled.append(Settled(position, result, key=key))
        return settled

    def _run_one(self, prepared: Any) -> bytes | Exception:
        try:
            return self._work.run([prepared])[0]
        except Exception as error:  # noqa: BLE001 - becomes the item's error
            return error


def _failed(position: int, error: Exception) -> Settled:
    """The outcome of an item whose work raised an exception."""
    if isinstance(error, FieldError):
        return Settled(position, None, str(error), error.field)
    if isinstance(error, ValidationError):
        refusal = from_validation(error)
        first, more = refusal.details[0], len(refusal.details) - 1
        message = first.message + (f" (and {more} more)" if more else "")
        return Settled(position, None, message, first.field)
    _log.error("an item of a background job failed", exc_info=error)
    return Settled(position, None, "the service failed on this one; its log says why", None)
