"""Jobs as the endpoints use them: permissions, limits, and the parts that run them."""

from pathlib import Path
from typing import Any, Protocol

from crisol.platform.jobs import job_tags
from crisol.platform.jobs.executors.executor import Executor
from crisol.platform.jobs.executors.local_executor import LocalExecutor
from crisol.platform.jobs.executors.ray_executor import RayExecutor
from crisol.platform.jobs.job import Job, JobRequest, job_of
from crisol.platform.jobs.job_parameters import DatasetChoice, field_error
from crisol.platform.jobs.job_runs import JobRuns
from crisol.platform.jobs.logs import LogPart, Logs
from crisol.platform.jobs.progress import ProgressReader, Snapshot
from crisol.platform.jobs.run_configuration import RunConfiguration, RunConfigurator
from crisol.platform.jobs.scheduler import Bounds, Scheduler
from crisol.platform.settings import PlatformSettings
from crisol.registry.store import Store, StoreError
from crisol.serving.http.auth import Identity
from crisol.serving.http.errors import ApiError

JOBS_FOLDER = "jobs"
"""In the state folder: a folder for each running job."""


class ReadyDataset(Protocol):
    """A dataset, as a job needs to know it."""

    id: str
    name: str
    state: str

    @property
    def family(self) -> str:
        """The family that reads it."""

    @property
    def reason(self) -> str:
        """Why it was refused; empty where it was not."""


class Datasets(Protocol):
    """The store that the datasets of jobs come from."""

    def get_for(self, dataset_id: str, caller: str) -> Any:
        """A dataset, if the caller may know of it.

        Raises:
            StoreError: there is none.
        """

    def parameters(self, dataset: Any) -> dict[str, Any]:
        """The section ``data`` of a job on the dataset."""


class JobService:
    """Makes, starts, cancels and reads jobs. Methods wait for the database: call them in threads.

    Args:
        store: where their runs are.
        datasets: of the platform.
        settings: of the platform.
        project: the project directory.
        env: environment of jobs that name none.
    """

    def __init__(
        self,
        store: Store,
        datasets: Datasets,
        settings: PlatformSettings,
        project: Path,
        env: str | None,
    ) -> None:
        folder = settings.state_dir.absolute() / JOBS_FOLDER
        self._datasets, self._settings = datasets, settings
        self.store = JobRuns(store)
        self._configurator = RunConfigurator(project.absolute(), env)
        self._executor = open_executor(settings, project.absolute())
        self._scheduler = Scheduler(
            self.store,
            self._executor,
            self._configurator,
            folder,
            Bounds(
                workers=settings.workers,
                time_s=settings.job_time_s,
                memory_mb=settings.job_memory_mb,
                max_log_bytes=settings.max_log_bytes,
                keep_s=settings.job_keep_s,
            ),
        )
        self._progress = ProgressReader(self.store, self._configurator.shares)
        self._logs = Logs(self.store, folder)

    def start(self) -> None:
        """Start the scheduler: it finds running jobs and starts waiting ones."""
        self._scheduler.start()

    def close(self) -> None:
        """Stop the scheduler; running jobs continue."""
        self._scheduler.close()

    def health(self) -> dict[str, Any]:
        """The length of the queue, the executor, and problems."""
        scheduler = self._scheduler
        trouble = [scheduler.trouble] if scheduler.trouble else []
        return {
            "queued": scheduler.waiting,
            "running": scheduler.running,
            "workers": self._settings.workers,
            "executor": self._executor.name,
            "dispatching": scheduler.dispatching,
            "problems": trouble + self._executor.problems(),
        }

    # -- what clients ask --------------------------------------------------------------------------

    def create(self, request: JobRequest, caller: Identity, mark: str | None) -> Job:
        """Make a job for a caller.

        Args:
            request: what is to be run.
            caller: who owns it from then on.
            mark: of the request; asked for again with it, the same job is answered.

        Raises:
            ApiError: 403, 422 for what is wrong with it, 429.
        """
        if caller.name.startswith("jwt:") and not caller.subject:
            raise ApiError(403, "The token names nobody (sub), so nobody could own the job.")
        run = self._configurator.configure(request, self._choose(request, caller))
        self._check_limits(request)
        self._check_room(caller)
        made = self.store.create(request, run, caller.name, mark)
        self._scheduler.wake(made.id)
        return made

    def _choose(self, request: JobRequest, caller: Identity) -> DatasetChoice | None:
        if request.dataset is None:
            return None
        try:
            dataset: ReadyDataset = self._datasets.get_for(request.dataset, caller.name)
        except StoreError as error:
            raise field_error("dataset", str(error)) from None
        if dataset.state != "ready":
            why = f": {dataset.reason}" if dataset.reason else ""
            raise field_error("dataset", f"it must be ready, and is {dataset.state}{why}")
        return DatasetChoice(
            dataset.id, dataset.family, dataset.name, self._datasets.parameters(dataset)
        )

    def _check_limits(self, request: JobRequest) -> None:
        """Refuse a limit above the operator's."""
        allowed = {"time_s": self._settings.job_time_s, "memory_mb": self._settings.job_memory_mb}
        for name, most in allowed.items():
            wished = getattr(request.limits, name)
            if wished is not None and most is not None and wished > most:
                raise field_error(f"limits.{name}", f"the platform allows at most {most:g}")

    def _check_room(self, caller: Identity) -> None:
        most = self._settings.max_open_jobs
        tags = {job_tags.OWNER: caller.name}
        open_now = sum(
            len(self.store.search(statuses=[status], tags=tags, limit=most)[0])
            for status in ("pending", "running")
        )
        if open_now >= most:
            said = f"You have {open_now} jobs that are not over; wait for some, or cancel them."
            raise ApiError(429, said, code="too_many_jobs", headers={"retry-after": "10"})

    def release(self, job_id: str, caller: Identity) -> Job:
        """Start a held job of the caller; a job that was started already does not change.

        A promoter may end the jobs of others, and starts none: what a job costs is its owner's.

        Raises:
            ApiError: 403, 409.
            StoreError: there is no such job.
        """
        job = self.store.get(job_id)
        caller.need("trainer")
        if job.owner != caller.name:
            raise ApiError(403, "It is another's job: its owner alone may start it.")
        if job.over or job.detail == "cancelling":
            raise ApiError(409, f"The job is {job.detail or job.status}: make another one.")
        if job.detail == "held":
            self.store.tag(job_id, {job_tags.HELD: "false"})
            self._told(job_id)
        return self.store.get(job_id)

    def cancel(self, job_id: str, caller: Identity) -> Job:
        """Ask a job to end; a job that is being cancelled does not change.

        Raises:
            ApiError: 403, or 409 for one that is over.
            StoreError: there is no such job.
        """
        job = self._changeable(job_id, caller)
        if job.over:
            raise ApiError(409, f"The job is over: it is {job.status}.")
        if job.detail != "cancelling":
            self.store.tag(
                job_id, {job_tags.CANCEL: f"cancelled by {caller.subject or caller.name}"}
            )
            self._told(job_id)
        return self.store.get(job_id)

    def _changeable(self, job_id: str, caller: Identity) -> Job:
        job = self.store.get(job_id)
        own = job.owner == caller.name and caller.may("trainer")
        if not (own or caller.may("promoter")):
            caller.need("trainer")
            raise ApiError(403, "It is another's job; that needs the scope 'promoter'.")
        return job

    def _told(self, job_id: str) -> None:
        self._progress.forget(job_id)
        self._scheduler.wake(job_id)

    def get(self, job_id: str) -> Job:
        """A job.

        Raises:
            StoreError: there is no such job.
        """
        return self.store.get(job_id)

    def asked(self, job_id: str) -> tuple[JobRequest, RunConfiguration]:
        """The request, and the configuration made from it."""
        return self.store.request(job_id)

    def list(self, **asked: Any) -> tuple[list[Job], str | None]:
        """A page of jobs; see :meth:`JobRuns.search`."""
        found, token = self.store.search(**asked)
        return [job_of(run) for run in found], token

    def snapshot(self, job_id: str) -> Snapshot:
        """A job and its progress, at most half a second old.

        Raises:
            StoreError: there is no such job.
        """
        return self._progress.read(job_id)

    def log(self, job: Job, offset: int, limit: int) -> LogPart:
        """A part of a job's log; a negative offset counts from the end."""
        return self._logs.read(job, offset, limit)


def open_executor(settings: PlatformSettings, project: Path) -> Executor:
    """The executor that the settings name."""
    if settings.executor == "ray":
        return RayExecutor(settings.ray_address, project, settings.grace_s)
    return LocalExecutor(project, settings.grace_s)
