"""Profiles datasets, each in a process of its own with a limit on time and memory."""

import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Lock

import psutil

from crisol.core.locks import FileLock
from crisol.platform.datasets.dataset import Dataset
from crisol.platform.datasets.dataset_store import DatasetStore
from crisol.platform.datasets.profiling_worker import REFUSED
from crisol.platform.settings import PlatformSettings
from crisol.registry.outages import is_away

_log = logging.getLogger("crisol.serving.platform")
_LOOK_S = 0.1
_AWAY_S = 2.0
"""Seconds between two tries while the store is away."""
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
"""The environment variables that the process gets: no key and no address."""


class Profiler:
    """Profiles datasets whose files have arrived: they become ready or are refused.

    Owners are served in rotation: one dataset of each at a time.

    Args:
        datasets: the store.
        settings: how long and how large a process may grow, and how many at once.
    """

    def __init__(self, datasets: DatasetStore, settings: PlatformSettings) -> None:
        self._datasets = datasets
        self._settings = settings
        self._root = settings.state_dir / "profiling"
        self._pool = ThreadPoolExecutor(settings.profile_workers, "profiler")
        self._stopping = Event()
        self._waiting: dict[str, deque[str]] = {}
        """Waiting datasets by owner, the next owner first."""
        self._lock = Lock()

    def submit(self, dataset: Dataset) -> None:
        """Queue a dataset."""
        with self._lock:
            self._waiting.setdefault(dataset.owner, deque()).append(dataset.id)
        self._pool.submit(self._work_next)

    def _work_next(self) -> None:
        with self._lock:
            owner = next(iter(self._waiting))
            theirs = self._waiting.pop(owner)
            dataset_id = theirs.popleft()
            if theirs:
                self._waiting[owner] = theirs
        self._work(dataset_id)

    def close(self) -> None:
        """Stop; unfinished datasets are profiled again after the next start."""
        self._stopping.set()
        self._pool.shutdown(cancel_futures=True)

    def _work(self, dataset_id: str) -> None:
        try:
            while not self._tried(dataset_id) and not self._stopping.wait(_AWAY_S):
                pass
        except Exception:  # noqa: BLE001 - the boundary: logged, and told with the dataset
            _log.exception("profiling failed", extra={"fields": {"dataset": dataset_id}})
            with contextlib.suppress(Exception):
                self._datasets.refuse(
                    self._datasets.get(dataset_id), "it could not be profiled; see the service log"
                )

    def _tried(self, dataset_id: str) -> bool:
        """Profile a dataset; ``False``: the store is away, and the dataset has to wait for it."""
        try:
            with self._mine(dataset_id) as mine:
                dataset = self._datasets.get(dataset_id)
                if mine and dataset.state == "profiling":
                    self._profile(dataset)
        except Exception as error:
            if not is_away(error):
                raise
            return False
        return True

    def _profile(self, dataset: Dataset) -> None:
        out = self._root / dataset.id
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        try:
            options = out / "options.json"
            options.write_text(json.dumps(self._datasets.options(dataset)), encoding="utf-8")
            reason = self._run(dataset.family, self._datasets.files(dataset), options, out)
            if self._stopping.is_set() and reason:
                return
            if reason:
                self._datasets.refuse(dataset, reason)
            else:
                facts = json.loads((out / "facts.json").read_bytes())
                self._datasets.accept(dataset, out, facts)
        finally:
            shutil.rmtree(out, ignore_errors=True)

    def _run(self, family: str, data: Path, options: Path, out: Path) -> str:
        """Run the process; why it did not finish, or an empty text."""
        command = [sys.executable, "-m", "crisol.platform.datasets.profiling_worker", family,
                   data.name, str(options), str(out), str(os.getpid()),
                   str(self._settings.max_columns)]  # fmt: skip
        environment = {k: v for k, v in os.environ.items() if k in _KEPT}
        with (out / "log").open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=data.parent,  # so that messages name the file and nothing of this machine
                env={**environment, "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                reason = self._watch(process)
            finally:
                if process.poll() is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        if reason or process.returncode == 0:
            return reason
        if process.returncode == REFUSED:
            return (out / "refused.txt").read_text(encoding="utf-8")
        tail = (out / "log").read_text(errors="replace")[-3000:]
        _log.error("a profiling process failed", extra={"fields": {"log": tail}})
        return f"reading it ended the process that did (exit code {process.returncode})"

    def _watch(self, process: "subprocess.Popen[bytes]") -> str:
        """Wait for a process; the reason why it must be ended, or an empty text."""
        settings = self._settings
        deadline = time.monotonic() + settings.profile_time_s
        limit = settings.profile_memory_mb * 1024**2
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_S)
                return ""
            if self._stopping.is_set():
                return "the service is stopping"
            if time.monotonic() > deadline:
                return f"reading it took longer than {settings.profile_time_s:g} s"
            if _resident_bytes(process.pid) > limit:
                return f"reading it took more than {settings.profile_memory_mb} MB of memory"

    @contextlib.contextmanager
    def _mine(self, dataset_id: str) -> Iterator[bool]:
        """Lock a dataset for the block; whether no other process is profiling it."""
        self._root.mkdir(parents=True, exist_ok=True)
        path = self._root / f"{dataset_id}.lock"
        with FileLock.on(path) as lock:
            mine = lock.attempt()
            yield mine
            if mine:
                path.unlink(missing_ok=True)


def _resident_bytes(pid: int) -> int:
    """Memory of a process and its descendants."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += one.memory_info().rss
    return total
