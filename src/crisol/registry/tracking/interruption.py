"""Interrupted runs end as KILLED: on SIGINT, on SIGTERM, and when the process just ends.

Kedro's error hook gets exceptions only, neither KeyboardInterrupt nor SystemExit.
"""

import atexit
import os
import signal
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from crisol.core.locks import FileLock
from crisol.registry.tracking import exclusive, runs
from crisol.registry.tracking.run_log import RunLog

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Ends the open runs of one ``kedro run`` when it is interrupted.

    A signal handler may have interrupted a database write of its own thread, so it writes nothing:
    another thread marks the runs while this one unwinds.
    """

    def __init__(self, logs: Mapping[str, RunLog], claims: list[FileLock] | None = None) -> None:
        """Watch ``logs`` (may still be filled) until :meth:`settle` or :meth:`close`.

        Args:
            logs: the open runs.
            claims: locks of the working data, released when the runs have ended.
        """
        self.logs = logs
        self._claims = claims or []
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._done = False
        self._before: dict[signal.Signals, Any] = {}
        atexit.register(self.close, "the process ended")
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                # The parent may have set it to be ignored: nohup, or a job in the background.
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._on_signal)

    def close(self, reason: str) -> None:
        """Mark the runs as KILLED, unless they ended before."""
        with self._lock:
            if self._done or os.getpid() != self._owner:
                return
            self._done = True
        for log in self.logs.values():
            log.kill(reason)
        self._release()

    def settle(self) -> None:
        """Stop watching, because the runs have ended normally."""
        with self._lock:
            self._done = True
        self._release()

    def _release(self) -> None:
        runs.announce({})
        exclusive.release(self._claims)
        atexit.unregister(self.close)
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._before.items():
                signal.signal(number, handler)
            self._before = {}

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if os.getpid() == self._owner:
            threading.Thread(target=self.close, args=(name,), name="crisol-kill").start()
        before: Callable[[int, FrameType | None], Any] | int | None
        before = self._before.get(signal.Signals(number))
        if callable(before):
            before(number, frame)
        else:
            raise SystemExit(128 + number)
