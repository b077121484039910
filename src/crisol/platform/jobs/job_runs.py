"""Jobs in MLflow: written, read, listed, ended. Every call may take a database's time."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from crisol.platform.jobs import job_tags
from crisol.platform.jobs.job import STATUSES, Job, JobRequest, Status, is_job, job_of
from crisol.platform.jobs.run_configuration import RunConfiguration
from crisol.platform.listing import not_a_token
from crisol.registry.release.versions import SEMVER_TAG
from crisol.registry.store import Store, StoreError
from crisol.registry.tracking import runs

if TYPE_CHECKING:
    from mlflow.entities import Run

_RAW: dict[Status, str] = {ours: theirs for theirs, ours in STATUSES.items()}
_PAGE = 500
_CONFIGURATION = "order"
"""The key of the configuration in the stored request; jobs that were stored once have it."""


class UnknownJobError(StoreError):
    """There is no such job."""


class MissingArtefactError(StoreError):
    """The store answers, and what is looked for is not in it."""


class JobRuns:
    """The jobs of one MLflow store.

    Args:
        store: where their runs are.

    Raises:
        StoreError: its database is damaged.
    """

    def __init__(self, store: Store) -> None:
        store.check()
        self.store = store

    def create(
        self,
        request: JobRequest,
        run: RunConfiguration,
        owner: str,
        idempotency: str | None = None,
    ) -> Job:
        """Make a job. It can be started once its request is stored whole.

        Args:
            request: as the client gave it.
            run: the configuration made from it.
            owner: who asked.
            idempotency: of the request; a job that was made for it before is answered again, and
                completed if making it was cut short.
        """
        run_id = self._made_before(owner, idempotency) if idempotency else None
        if run_id is None:
            run_id = runs.schedule_run(
                self.store,
                run.family,
                run.model,
                _tags(request, run, owner, idempotency),
                request.name or run.model,
            )
        client = self.store.client()
        if client.get_run(run_id).data.tags[job_tags.HELD] == "new":
            whole = {"request": request.model_dump(mode="json"), _CONFIGURATION: asdict(run)}
            client.log_dict(run_id, whole, job_tags.REQUEST_FILE)
            client.set_tag(run_id, job_tags.HELD, "false" if request.start else "true")
        return self.get(run_id)

    def _made_before(self, owner: str, idempotency: str) -> str | None:
        wanted = {job_tags.OWNER: owner, job_tags.IDEMPOTENCY: idempotency}
        found, _ = self.search(tags=wanted, limit=1)
        if not found:
            return None
        run = found[0]
        if run.info.status == "RUNNING" and job_tags.ATTEMPT not in run.data.tags:
            runs.reschedule_run(self.store, run.info.run_id)  # cut short between its two writes
        return str(run.info.run_id)

    def run(self, job_id: str) -> "Run":
        """The MLflow run of a job.

        Raises:
            UnknownJobError: there is no such job.
        """
        missing = UnknownJobError(f"there is no job {job_id!r}")
        try:
            run = runs.get_run(self.store, job_id)
        except StoreError:
            raise missing from None
        if not is_job(run) or job_tags.HELD not in run.data.tags:
            raise missing
        return run

    def get(self, job_id: str) -> Job:
        """A job.

        Raises:
            UnknownJobError: there is no such job.
        """
        return job_of(self.run(job_id))

    def request(self, job_id: str) -> tuple[JobRequest, RunConfiguration]:
        """The request, and the configuration made from it.

        Raises:
            StoreError: it is not there, or not as it was stored.
        """
        text = self.artefact(job_id, job_tags.REQUEST_FILE)
        try:
            whole = json.loads(text)
            return JobRequest.model_validate(whole["request"]), RunConfiguration(
                **whole[_CONFIGURATION]
            )
        except (ValueError, TypeError, KeyError):
            raise StoreError(f"{job_tags.REQUEST_FILE} of job {job_id} is not whole") from None

    def artefact(self, job_id: str, path: str) -> bytes:
        """A file of a job's run.

        Raises:
            MissingArtefactError: it is not there.
            Exception: of whatever kind the artefact store raises that does not answer.
        """
        client = self.store.client()
        with TemporaryDirectory() as folder:
            try:
                return Path(client.download_artifacts(job_id, path, folder)).read_bytes()
            except Exception as error:
                there = client.list_artifacts(job_id, Path(path).parent.as_posix())
                if path in {file.path for file in there}:
                    raise
                raise MissingArtefactError(f"job {job_id} has no {path}") from error

    def search(
        self,
        *,
        statuses: Sequence[Status] = (),
        tags: Mapping[str, str] | None = None,
        family: str | None = None,
        since: datetime | None = None,
        until_ms: int | None = None,
        oldest_first: bool = False,
        limit: int = 50,
        page_token: str | None = None,
    ) -> tuple[list["Run"], str | None]:
        """A page of jobs by their time of creation, and where the next begins.

        MLflow answers filters by tag from an index; an order by tag it does not.

        Raises:
            FieldError: the token is none of a page.
        """
        from mlflow.exceptions import MlflowException

        experiments = self._experiments(family)
        if not experiments:
            return [], None
        parts = [f"tags.`{runs.JOB_TAG}` = 'true'"]
        parts += [f"tags.`{name}` = {_quoted(value)}" for name, value in (tags or {}).items()]
        if statuses:
            [status] = statuses
            parts.append(f"attributes.status = '{_RAW[status]}'")
        if since is not None:
            parts.append(f"attributes.start_time >= {int(1000 * since.timestamp())}")
        if until_ms is not None:
            parts.append(f"attributes.start_time <= {until_ms}")
        try:
            found = self.store.client().search_runs(
                experiments,
                filter_string=" and ".join(parts),
                max_results=limit,
                order_by=[f"attributes.start_time {'ASC' if oldest_first else 'DESC'}"],
                page_token=page_token,
            )
        except MlflowException as error:
            if page_token is None or error.error_code != "INVALID_PARAMETER_VALUE":
                raise
            raise not_a_token() from None
        # MLflow's SQL store gives bytes, its server text.
        token = found.token.decode() if isinstance(found.token, bytes) else found.token
        return list(found), token or None

    def every(self, status: Status) -> Iterator["Run"]:
        """All jobs of a status, the oldest first."""
        token = None
        while True:
            # A page is read whole before its jobs change their status and leave the listing.
            found, token = self.search(
                statuses=[status], oldest_first=True, limit=_PAGE, page_token=token
            )
            yield from found
            if token is None:
                return

    def _experiments(self, family: str | None) -> list[str]:
        from crisol import models

        families: Iterable[str] = [family] if family else models.family_names()
        names = {self.store.experiment.format(family=name) for name in families}
        found = self.store.client().search_experiments()
        return [e.experiment_id for e in found if e.name in names]

    def tag(self, job_id: str, tags: Mapping[str, str]) -> None:
        """Set tags."""
        from mlflow.entities import RunTag

        tagged = [RunTag(name, value) for name, value in tags.items()]
        self.store.client().log_batch(job_id, tags=tagged)

    def give_back(self, job_id: str, reason: str) -> None:
        """Let an attempt that was lost be followed by another."""
        client = self.store.client()
        client.update_run(job_id, status="RUNNING")  # a run that was ended cannot be rescheduled
        runs.reschedule_run(self.store, job_id)
        self.tag(job_id, {job_tags.REASON: reason})
        if job_tags.EXECUTOR in client.get_run(job_id).data.tags:
            client.delete_tag(job_id, job_tags.EXECUTOR)

    def semver(self, job_id: str) -> str | None:
        """The semantic version of what a job registered; ``None``: it registered nothing."""
        from mlflow.exceptions import MlflowException

        tags = self.run(job_id).data.tags
        number = tags.get(job_tags.VERSION)
        if number is None:
            return None
        model = tags.get(runs.MODEL_TAG, tags[runs.FAMILY_TAG])
        try:
            found = self.store.client().get_model_version(model, number)
        except MlflowException:  # somebody deleted it meanwhile
            return None
        semver: str | None = found.tags.get(SEMVER_TAG)
        return semver

    def settle(
        self, job_id: str, status: Status, tags: Mapping[str, str], log: Path | None
    ) -> None:
        """End a job for good: its log, its status, and last that it is final."""
        client = self.store.client()
        if log is not None and log.is_file():
            client.log_artifact(job_id, str(log), Path(job_tags.LOG_FILE).parent.as_posix())
        if client.get_run(job_id).info.status != _RAW[status]:
            client.set_terminated(job_id, _RAW[status])
        settled = datetime.now(tz=UTC).isoformat(timespec="milliseconds")
        self.tag(job_id, {**tags, job_tags.SETTLED: settled})


def _tags(
    request: JobRequest, run: RunConfiguration, owner: str, idempotency: str | None
) -> dict[str, str]:
    tags = {
        job_tags.HELD: "new",
        job_tags.OWNER: owner,
        job_tags.ENVIRONMENT: run.environment,
        job_tags.PRIORITY: str(request.priority),
        job_tags.RETRIES: str(request.retries),
        job_tags.LIMITS: request.limits.model_dump_json(),
        "mlflow.user": owner,
    }
    if request.dataset is not None:
        tags[job_tags.DATASET] = request.dataset
    if idempotency is not None:
        tags[job_tags.IDEMPOTENCY] = idempotency
    return tags


def _quoted(value: str) -> str:
    """A value as MLflow's filters take it; they know no way to write a quote inside quotes."""
    if "'" in value or "\\" in value:
        raise StoreError(f"{value!r} cannot be searched for: it holds a quote or a backslash")
    return f"'{value}'"
