"""Runs one attempt at a job: ``python -m crisol.platform.jobs.executors.worker FOLDER ATTEMPT``.

The service may restart at any time, and a ``kedro run`` may hang or grow, so the worker supervises
the run: it holds the job's lock while it lives, keeps the limits, passes on a request to stop, ends
every process that comes from the run, and writes the outcome. It imports little and so costs a few
megabytes; the scheduler settles the run in MLflow.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from crisol.core.locks import FileLock
from crisol.platform.jobs.executors import processes
from crisol.platform.jobs.executors.executor import LOCK, LOG, RUN, WORKER, Work, write_whole

_LOOK_S = 0.2
_MEASURE_S = 1.0
_LOCK_PATIENCE_S = 3.0
"""The scheduler's test of the lock takes it for a moment."""
ALREADY = 75
"""Exit code of a worker whose attempt another worker has started."""


def main(folder: Path, attempt: int) -> int:
    """Run the attempt, unless another worker has started it; return the exit code."""
    work = Work(folder.name, attempt, folder)
    lock = FileLock.on(folder / LOCK, mode=0o600)
    if not lock.attempt(_LOCK_PATIENCE_S):
        return ALREADY
    lock.sign()
    try:
        work.started_file.touch(exist_ok=False)
    except FileExistsError:  # an attempt is begun once, whatever became of it
        return ALREADY
    settings = json.loads((folder / WORKER).read_text())
    outcome = _Attempt(work, settings).run()
    write_whole(work.outcome_file, outcome)
    return 0


class _Attempt:
    """A ``kedro run`` under supervision."""

    def __init__(self, work: Work, settings: dict[str, Any]) -> None:
        self._work, self._settings = work, settings
        self._ended_by: str | None = None
        self._kill_at: float | None = None
        self._peak_mb = 0.0
        self._stop = False

    def run(self) -> dict[str, Any]:
        """Start the run, watch it until it ends, end every process that is left."""
        began = time.monotonic()
        processes.adopt_orphans()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        run, copying = self._start()
        measured = began
        while run.poll() is None:
            now = time.monotonic()
            if now - measured >= _MEASURE_S:
                measured = now
                self._keep_limits(now - began)
            self._end(run, now)
            time.sleep(_LOOK_S)
        self._leave_nothing()
        copying.join(_LOOK_S * 10)
        return {
            "exit_code": run.returncode,
            "ended_by": self._ended_by,
            "seconds": round(time.monotonic() - began, 3),
            "peak_memory_mb": round(self._peak_mb, 1),
        }

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._stop = True

    def _start(self) -> tuple[subprocess.Popen[bytes], threading.Thread]:
        folder, settings = self._work.folder, self._settings
        environment = processes.job_environment(
            os.environ, self._work.job_id, {**settings["environment"], "PYTHONUNBUFFERED": "1"}
        )
        run = subprocess.Popen(
            [sys.executable, "-m", "kedro", "run", "--config", str(folder / RUN)],
            cwd=settings["project"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=processes.die_with_parent,
        )
        said = run.stdout
        assert said is not None
        keep = _keeper(folder / LOG, settings["max_log_bytes"])
        copying = threading.Thread(target=_copy, args=(said.fileno(), keep), daemon=True)
        copying.start()
        return run, copying

    def _keep_limits(self, seconds: float) -> None:
        used_mb = processes.memory_mb(processes.descendants())
        self._peak_mb = max(self._peak_mb, used_mb)
        if self._ended_by is not None:
            return
        time_s, memory_mb = self._settings["time_s"], self._settings["memory_mb"]
        if memory_mb is not None and used_mb > memory_mb:
            self._ended_by = "memory_limit"
            self._kill_at = 0.0  # it grows on while it is asked
        elif time_s is not None and seconds > time_s:
            self._ended_by = "time_limit"

    def _end(self, run: subprocess.Popen[bytes], now: float) -> None:
        """Ask the run to end if a limit or a request says so; kill it after the grace."""
        if self._stop and self._ended_by is None:
            self._ended_by = "stop"
        if self._ended_by is None:
            return
        if self._kill_at is None:
            self._kill_at = now + self._settings["grace_s"]
            os.killpg(run.pid, signal.SIGTERM)
        elif now >= self._kill_at:
            processes.send(processes.descendants(), signal.SIGKILL)

    def _leave_nothing(self) -> None:
        deadline = time.monotonic() + 10
        while (left := processes.descendants()) and time.monotonic() < deadline:
            processes.send(left, signal.SIGKILL)
            _reap()
            time.sleep(0.02)


def _reap() -> None:
    """Collect the exit codes of adopted children."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _keeper(path: Path, max_bytes: int) -> Callable[[bytes], None]:
    """A function that appends to the log up to a size, so that no run fills the disk."""
    file = path.open("ab", buffering=0)
    left = max(0, max_bytes - path.stat().st_size)

    def keep(text: bytes) -> None:
        nonlocal left
        if left:
            file.write(text[:left])
            left -= len(text[:left])
            if not left:
                file.write(f"\n[the log is cut off at {max_bytes} bytes]\n".encode())

    return keep


def _copy(descriptor: int, keep: Callable[[bytes], None]) -> None:
    while chunk := os.read(descriptor, 65536):
        with suppress(OSError):  # a full disk: what is not read on would make the run wait forever
            keep(chunk)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
