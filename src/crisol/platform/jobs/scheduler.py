"""Starts jobs when there is room, settles those that end, and finds them again after a restart.

One scheduler works on a state folder; another service on the same folder waits to take over. The
state of every job is in MLflow and in the locks of the workers, so that a scheduler that is killed
at any moment neither loses a job nor starts one twice: the number of the attempt is written before
the worker is started, and a worker starts an attempt once.
"""

import logging
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from crisol.core.locks import FileLock
from crisol.platform.jobs import job_tags
from crisol.platform.jobs.executors.executor import LOG, Executor, ExecutorError, Work
from crisol.platform.jobs.job import Job, job_of
from crisol.platform.jobs.job_end import JobEnd, job_end, last_error
from crisol.platform.jobs.job_runs import JobRuns
from crisol.platform.jobs.run_configuration import RunConfigurator, WorkerSettings
from crisol.registry.outages import is_away
from crisol.registry.release import registration
from crisol.registry.release.versions import SEMVER_TAG
from crisol.registry.store import StoreError

NumberT = TypeVar("NumberT", int, float)
_log = logging.getLogger("crisol.serving.jobs")
_BUSY_S, _IDLE_S, _AWAY_S = 0.25, 1.0, 2.0
_REFRESH_S = 10.0
"""Seconds between two searches for jobs that another service stored."""
_CLEAN_S = 600.0
_PATIENCE_S = 5.0
"""Seconds beyond the grace that a worker may take to kill a run."""
_SETTLED = "settled"
"""A file in the folder of a job that is settled."""


@dataclass
class _Running:
    work: Work
    looked: float = 0.0
    kill_at: float | None = None


@dataclass(order=True)
class _Waiting:
    rank: tuple[int, int] = field()
    """Higher priorities first, then older jobs."""
    job_id: str = field(compare=False)


@dataclass(frozen=True)
class Bounds:
    """The limits of all jobs, set by the operator.

    Attributes:
        workers: jobs at once.
        time_s: longest; ``None``: no limit.
        memory_mb: most memory; ``None``: no limit.
        max_log_bytes: of one job.
        keep_s: how long the folder of a job that failed is kept.
    """

    workers: int
    time_s: float | None = None
    memory_mb: int | None = None
    max_log_bytes: int = 16 * 1024**2
    keep_s: float = 7 * 86_400.0


class Scheduler:
    """The thread that starts jobs and settles those that have ended.

    Args:
        jobs: where they are.
        executor: runs their attempts.
        configurator: writes the configuration of a job for its worker.
        folder: with a folder for each job that was begun.
        bounds: what all jobs are held to.
    """

    def __init__(
        self,
        jobs: JobRuns,
        executor: Executor,
        configurator: RunConfigurator,
        folder: Path,
        bounds: Bounds,
    ) -> None:
        self._jobs, self._executor, self._configurator = jobs, executor, configurator
        self._folder, self._bounds = folder, bounds
        self._running: dict[str, _Running] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._asked: set[str] = set()
        """Jobs somebody has just created, started or cancelled here."""
        self._refreshed = self._cleaned = -1e9
        self._lock: FileLock | None = None
        self._guard = threading.Lock()
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._loop, name="jobs", daemon=True)
        self.trouble = ""
        """Why the last round failed; empty: it went well."""

    def start(self) -> None:
        """Begin, with what is there."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._thread.start()

    def wake(self, job_id: str) -> None:
        """Look at a job now: it was created, started or cancelled."""
        with self._guard:
            self._asked.add(job_id)
        self._wake.set()

    def close(self) -> None:
        """Stop; what runs goes on, and the next scheduler finds it."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._running:
            fields = {"fields": {"jobs": sorted(self._running)}}
            _log.info("the service ends; its jobs go on", extra=fields)
        self._executor.close()
        self._let_go()

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def dispatching(self) -> bool:
        """Whether this scheduler is the one that works on the folder."""
        return self._lock is not None

    @property
    def running(self) -> int:
        """Jobs that are being carried out."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Jobs that could begin."""
        return len(self._waiting)

    # -- rounds ------------------------------------------------------------------------------------

    def _loop(self) -> None:
        while not self._stopping.is_set():
            try:
                pause_s = self._round()
            except Exception as error:  # noqa: BLE001 - the jobs go on; the next round tries again
                self.trouble = f"{type(error).__name__} in the scheduler; see the log"
                _log_trouble("the scheduler stumbled", error)
                pause_s = _IDLE_S
            self._wake.wait(pause_s)
            self._wake.clear()

    def _round(self) -> float:
        """One look at everything; how long to wait for the next."""
        if self._lock is None and not self._take_over():
            return _AWAY_S
        with self._guard:
            asked, self._asked = self._asked, set()
        for job_id in asked:
            self._look_at(job_id)
        stumbled = [r for r in list(self._running.values()) if not self._attended(r, asked)]
        now = time.monotonic()
        if now - self._refreshed > _REFRESH_S:
            self._refreshed = now
            self._refresh()
        if now - self._cleaned > _CLEAN_S:
            self._cleaned = now
            self._clean()
        put_off = self._begin_waiting()
        self.trouble = _trouble(len(stumbled), put_off)
        return _BUSY_S if self._running and not self.trouble else _IDLE_S

    def _take_over(self) -> bool:
        """Become the folder's scheduler, if none is, and find what the last one left."""
        lock = FileLock.on(self._folder / "scheduler.lock", mode=0o600)
        if not lock.attempt():
            lock.close()
            return False
        try:
            self._recover()
        except BaseException:
            lock.close()
            raise
        self._lock = lock
        return True

    def _recover(self) -> None:
        """Jobs that were begun and not settled are watched again, or begun if they never were."""
        self._running.clear()
        self._waiting.clear()
        for folder in sorted(p for p in self._folder.iterdir() if p.is_dir()):
            if (folder / _SETTLED).exists():
                continue
            try:
                run = self._jobs.run(folder.name)
            except StoreError:  # its run was deleted from MLflow
                shutil.rmtree(folder, ignore_errors=True)
                continue
            work = self._work(folder.name, int(run.data.tags.get(job_tags.ATTEMPT, 0)))
            begun = work.started_file.exists() or self._executor.alive(work)
            if begun or run.info.status not in ("SCHEDULED", "RUNNING"):
                self._running[work.job_id] = _Running(work)
        for run in self._jobs.every("running"):
            job_id = run.info.run_id
            if job_id in self._running:
                continue
            if job_tags.ATTEMPT in run.data.tags:  # its folder is gone: so is everything of it
                self._running[job_id] = _Running(
                    self._work(job_id, int(run.data.tags[job_tags.ATTEMPT]))
                )
            elif job_tags.HELD in run.data.tags:  # creating it was cut short
                self._jobs.give_back(job_id, "")
        self._refresh()

    def _refresh(self) -> None:
        """Read what is waiting from MLflow."""
        seen = set()
        for run in self._jobs.every("pending"):
            seen.add(run.info.run_id)
            self._consider(run)
        for job_id in self._waiting.keys() - seen:
            del self._waiting[job_id]

    def _look_at(self, job_id: str) -> None:
        if job_id not in self._running:
            self._consider(self._jobs.run(job_id))

    def _consider(self, run: object) -> None:
        """Queue a job that waits, or end it when it was cancelled before it began."""
        tags, info = run.data.tags, run.info  # type: ignore[attr-defined]
        job_id = info.run_id
        if job_id in self._running or info.status != "SCHEDULED":
            return
        if job_tags.CANCEL in tags:
            self._waiting.pop(job_id, None)
            self._jobs.settle(job_id, "cancelled", {job_tags.REASON: tags[job_tags.CANCEL]}, None)
            shutil.rmtree(self._folder / job_id, ignore_errors=True)
        elif tags.get(job_tags.HELD) == "false":
            rank = (-int(tags.get(job_tags.PRIORITY, 0)), info.start_time)
            self._waiting[job_id] = _Waiting(rank, job_id)

    # -- beginning ---------------------------------------------------------------------------------

    def _begin_waiting(self) -> int:
        """Begin what there is room for; how many had to be put off."""
        put_off = 0
        for waiting in sorted(self._waiting.values()):
            if len(self._running) >= self._bounds.workers or self._stopping.is_set():
                break
            if self._executor.problems():
                break
            try:
                self._begin(waiting.job_id)
            except Exception as error:  # noqa: BLE001 - a store or a disk: tried again next round
                put_off += 1
                self._waiting[waiting.job_id] = waiting
                _log_trouble("a job cannot be begun yet", error, job=waiting.job_id)
        return put_off

    def _begin(self, job_id: str) -> None:
        """Begin a job that waits, or end it when it never can be.

        Raises:
            Exception: of whatever does not answer or has no room now; the job still waits.
        """
        run = self._jobs.run(job_id)
        self._consider(run)  # it may have been cancelled meanwhile
        if self._waiting.pop(job_id, None) is None:
            return
        job = job_of(run)
        last = self._work(job_id, job.attempts)
        never_began = job.attempts > 0 and not last.started_file.exists()
        attempt = job.attempts if never_began else job.attempts + 1
        work = self._work(job_id, attempt)
        try:
            _, configuration = self._jobs.request(job_id)
            self._configurator.write(work, configuration, self._worker_settings(job))
            self._jobs.tag(
                job_id, {job_tags.ATTEMPT: str(attempt), job_tags.EXECUTOR: self._executor.name}
            )
            self._executor.submit(work)
        except (ExecutorError, StoreError) as error:
            self._end(work, JobEnd("failed", f"it could not be begun: {error}"))
            return
        self._running[job_id] = _Running(work)
        _log.info("job begun", extra={"fields": {"job": job_id, "attempt": attempt}})

    def _worker_settings(self, job: Job) -> WorkerSettings:
        bounds, limits = self._bounds, job.limits
        store = self._jobs.store
        # The run is in this store, whatever store the job's own environment would name.
        environment = {"MLFLOW_TRACKING_URI": store.tracking_uri, "COLUMNS": "160"}
        return WorkerSettings(
            environment=environment,
            time_s=_least(limits.time_s, bounds.time_s),
            memory_mb=_least(limits.memory_mb, bounds.memory_mb),
            grace_s=self._executor.grace_s,
            max_log_bytes=bounds.max_log_bytes,
        )

    # -- attending and ending ----------------------------------------------------------------------

    def _attended(self, running: _Running, asked: set[str]) -> bool:
        """Attend to a job; trouble with one must not keep the others waiting."""
        try:
            self._attend(running, asked)
        except Exception as error:  # noqa: BLE001 - the next round tries again
            _log_trouble("a job cannot be attended", error, job=running.work.job_id)
            return False
        return True

    def _attend(self, running: _Running, asked: set[str]) -> None:
        """Pass on a request to cancel; settle an attempt that has ended."""
        work, now = running.work, time.monotonic()
        if not self._executor.alive(work):
            self._settle(work)
            return
        if running.kill_at is None:
            if work.job_id not in asked and now - running.looked < _AWAY_S:
                return
            running.looked = now
            if job_tags.CANCEL not in self._jobs.run(work.job_id).data.tags:
                return
            running.kill_at = now + self._executor.grace_s + _PATIENCE_S
        if now < running.kill_at:
            self._executor.stop(work)
        else:
            self._executor.kill(work)

    def _settle(self, work: Work) -> None:
        """Write down how an attempt ended, or let another follow."""
        if not self._executor.kill(work):
            _log.error("processes of a job cannot be ended", extra={"fields": {"job": work.job_id}})
            return
        run = self._jobs.run(work.job_id)
        found = job_end(
            run.info.status, run.data.tags, work.outcome(), last_error(work.folder / LOG)
        )
        job = job_of(run)
        if found.lost and work.attempt <= job.retries:
            reason = f"attempt {work.attempt} was lost: {found.reason}"
            self._jobs.give_back(work.job_id, reason)
            self._running.pop(work.job_id, None)
            self.wake(work.job_id)
            return
        self._end(work, found)

    def _end(self, work: Work, found: JobEnd) -> None:
        job_id, folder = work.job_id, work.folder
        run = self._jobs.run(job_id)
        tags = {job_tags.REASON: found.reason} if found.reason else {}
        outcome = work.outcome()
        if outcome is not None:
            tags[job_tags.MEMORY] = str(outcome.peak_memory_mb)
        if found.status != "completed":
            registration.sweep(self._jobs.store, job_of(run).model)
        elif semver := self._jobs.semver(job_id):
            tags[SEMVER_TAG] = semver
        self._jobs.settle(job_id, found.status, tags, folder / LOG)
        self._running.pop(job_id, None)
        _log.info("job over", extra={"fields": {"job": job_id, "status": found.status}})
        if found.status == "failed" and folder.is_dir():
            (folder / _SETTLED).touch()
        else:
            shutil.rmtree(folder, ignore_errors=True)

    def _clean(self) -> None:
        """Remove the folders of jobs that failed long ago."""
        for mark in self._folder.glob(f"*/{_SETTLED}"):
            if time.time() - mark.stat().st_mtime > self._bounds.keep_s:
                shutil.rmtree(mark.parent, ignore_errors=True)

    def _work(self, job_id: str, attempt: int) -> Work:
        return Work(job_id, attempt, self._folder / job_id)


def _log_trouble(said: str, error: Exception, **fields: str) -> None:
    """Log an error with its traceback; a store that is away in one line a round."""
    if is_away(error):
        fields["reason"] = "the MLflow store does not answer"
    _log.error(said, exc_info="reason" not in fields, extra={"fields": fields})


def _trouble(stumbled: int, put_off: int) -> str:
    """The problem that ``/v1/health`` reports; empty: there is none."""
    said = [f"{stumbled} jobs cannot be attended"] if stumbled else []
    said += [f"{put_off} jobs cannot be begun yet"] if put_off else []
    return "; ".join([*said, "see the log"]) if said else ""


def _least(wished: NumberT | None, allowed: NumberT | None) -> NumberT | None:
    given = [limit for limit in (wished, allowed) if limit is not None]
    return min(given) if given else None
