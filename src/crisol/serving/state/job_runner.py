"""Works on background jobs: some threads prepare items, another runs the model on them.

While the model has one lot of items, the next is read, checked and decoded, so that the model waits
for neither as long as that is the quicker part; and what came of the last one is stored.
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
from crisol.serving.state.jobs import Claim, JobStore, Settled

_log = logging.getLogger("crisol.serving")

LOT = 32
"""Items that go through the model together."""
IN_HAND = 3
"""Lots that are taken at once: one runs while one is prepared, and one may wait in between."""
PREPARERS = 2
"""Threads that prepare: decoding pictures costs more than embedding them."""
POLL_S = 0.5
"""How often is looked for jobs that another process stored."""
RETRY_S = 1.0
STEP_ASIDE_S = 0.2
"""How long a lot waits at most for requests that somebody waits for."""


class Work(Protocol):
    """What is to be done with an item of one kind of job."""

    kind: str
    version: str
    """Of what makes the results; a result is remembered for this version alone."""
    made_by: str
    """The same for people."""

    def key(self, payload: bytes) -> bytes:
        """What an item says, in short: the same for items whose results are the same."""

    def prepare(self, payload: bytes) -> Any:
        """What the model takes.

        Raises:
            FieldError: the item cannot be worked on.
            ValidationError: it breaks its contract.
        """

    def run(self, prepared: Sequence[Any]) -> Sequence[bytes]:
        """The result of each, in order."""


@dataclass(slots=True)
class _Lot:
    """Items on their way: those to run, and what came of the others already."""

    claim: Claim
    settled: list[Settled] = field(default_factory=list)
    to_run: dict[bytes, list[int]] = field(default_factory=dict)
    """Positions of the items of each key."""
    prepared: dict[bytes, Any] = field(default_factory=dict)


class JobRunner:
    """Threads that work on the jobs of one kind for as long as the service runs.

    Args:
        store: where the jobs are.
        work: what is to be done.
        busy: whether somebody waits for an answer just now; the next lot then steps aside for a
            moment.
        observe: told the rows and the seconds of every run of the model.
        clean_s: how often expired results are deleted.
    """

    def __init__(
        self,
        store: JobStore,
        work: Work,
        *,
        busy: Callable[[], bool] = bool,
        observe: Callable[[int, float], None] | None = None,
        clean_s: float = 60.0,
    ) -> None:
        self._store, self._work = store, work
        self._busy, self._observe = busy, observe
        self._clean_s, self._cleaned = clean_s, 0.0
        self._ready: SimpleQueue[_Lot | None] = SimpleQueue()
        self._finished: SimpleQueue[_Lot] = SimpleQueue()
        self._in_hand: list[_Lot] = []
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._pool = ThreadPoolExecutor(PREPARERS, f"{work.kind} prepare")
        self._threads = [
            threading.Thread(target=target, name=f"{work.kind} {name}", daemon=True)
            for name, target in (("feed", self._feed), ("run", self._run_lots))
        ]

    def start(self) -> None:
        """Begin, with what another process left too."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Tell that a job was stored."""
        self._wake.set()

    def close(self) -> None:
        """Finish the lot that runs, store it, and give the rest back."""
        self._stopping.set()
        self._wake.set()
        self._ready.put(None)
        for thread in self._threads:
            thread.join()
        self._pool.shutdown()
        try:
            for lot in self._drained():
                self._store.settle(lot.claim, self._work.version, lot.settled)
            for lot in self._in_hand:
                self._store.release(lot.claim)
        except ApiError:
            pass  # Logged by the store; what is not settled is given back when the lease ends.

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
        """Take a lot if there is room, store one that is finished, or wait for either."""
        if time.monotonic() - self._cleaned > self._clean_s:
            self._store.delete_expired()
            self._cleaned = time.monotonic()
        self._wake.clear()
        for lot in self._drained():
            self._settle(lot)
        if len(self._in_hand) < IN_HAND and self._take():
            return
        self._wake.wait(POLL_S)

    def _drained(self) -> list[_Lot]:
        lots: list[_Lot] = []
        while True:
            try:
                lots.append(self._finished.get_nowait())
            except Empty:
                return lots

    def _take(self) -> bool:
        work = self._work
        claim = self._store.take(work.kind, work.version, LOT, work.made_by)
        if claim is None:
            return False
        lot = _Lot(claim)
        self._in_hand.append(lot)
        try:
            self._prepare(lot)
        except Exception:
            self._in_hand.remove(lot)
            self._give_back(claim)
            raise
        if lot.to_run:
            self._ready.put(lot)
        else:
            self._settle(lot)
        return True

    def _give_back(self, claim: Claim) -> None:
        """Let a claim's items be taken again, however long that takes; a stop ends its lease."""
        while not self._stopping.is_set():
            try:
                self._store.release(claim)
            except ApiError:
                self._stopping.wait(RETRY_S)
            else:
                return

    def _prepare(self, lot: _Lot) -> None:
        work = self._work
        keys = {one.position: work.key(one.payload) for one in lot.claim.items}
        known = self._store.remembered(work.version, list(set(keys.values())))
        payloads: dict[bytes, bytes] = {}
        places: dict[bytes, list[int]] = {}
        for one in lot.claim.items:
            position, key = one.position, keys[one.position]
            if key in known:
                lot.settled.append(Settled(position, known[key], key=key, cached=True))
            else:
                payloads[key] = one.payload
                places.setdefault(key, []).append(position)
        for key, prepared in zip(
            payloads, self._pool.map(self._try, payloads.values()), strict=True
        ):
            if isinstance(prepared, Exception):
                lot.settled += [_failed(position, prepared) for position in places[key]]
            else:
                lot.prepared[key], lot.to_run[key] = prepared, places[key]

    def _try(self, payload: bytes) -> Any:
        """The prepared item, or why it cannot be: one bad item fails alone."""
        try:
            return self._work.prepare(payload)
        except Exception as error:  # noqa: BLE001 - becomes the item's error
            return error

    def _settle(self, lot: _Lot) -> None:
        """Store what came of a lot, however long that takes; only a stop gives it up."""
        while not self._stopping.is_set():
            try:
                self._store.settle(lot.claim, self._work.version, lot.settled)
            except ApiError:
                self._stopping.wait(RETRY_S)
            else:
                self._in_hand.remove(lot)
                return

    # -- the thread of the model -------------------------------------------------------------------

    def _run_lots(self) -> None:
        while (lot := self._ready.get()) is not None and not self._stopping.is_set():
            self._step_aside()
            lot.settled += self._run(lot)
            self._finished.put(lot)
            self._wake.set()

    def _step_aside(self) -> None:
        until = time.monotonic() + STEP_ASIDE_S
        while self._busy() and time.monotonic() < until:
            time.sleep(0.005)

    def _run(self, lot: _Lot) -> list[Settled]:
        keys = list(lot.to_run)
        started = time.perf_counter()
        try:
            results: list[bytes | Exception] = list(self._work.run(list(lot.prepared.values())))
        except Exception:  # noqa: BLE001 - one of them is to blame: each again, alone
            results = [self._run_one(lot.prepared[key]) for key in keys]
        if self._observe is not None:
            self._observe(len(keys), time.perf_counter() - started)
        settled: list[Settled] = []
        for key, result in zip(keys, results, strict=True):
            for position in lot.to_run[key]:
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
    """What is said of an item that could not be worked on."""
    if isinstance(error, FieldError):
        return Settled(position, None, str(error), error.field)
    if isinstance(error, ValidationError):
        refusal = from_validation(error)
        first, more = refusal.details[0], len(refusal.details) - 1
        message = first.message + (f" (and {more} more)" if more else "")
        return Settled(position, None, message, first.field)
    _log.error("an item of a background job failed", exc_info=error)
    return Settled(position, None, "the service failed on this one; its log says why", None)
