"""A job, and the request that makes one.

A job is an MLflow run that is scheduled before it starts. Its state is the run's: SCHEDULED,
RUNNING, FINISHED, FAILED, KILLED. The run's tags (:mod:`crisol.platform.jobs.job_tags`) hold the
facts that MLflow has no field for; the whole request is an artefact of the run.
"""

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from crisol.core.contract import Contract, StoreText
from crisol.core.params import Megabytes, Seconds
from crisol.platform.jobs import job_tags
from crisol.platform.jobs.reasons import plain_reason
from crisol.registry.release.versions import SEMVER_TAG
from crisol.registry.tracking.runs import FAMILY_TAG, JOB_TAG, MODEL_TAG, STARTED_TAG

if TYPE_CHECKING:
    from mlflow.entities import Run

Status = Literal["pending", "running", "completed", "failed", "cancelled"]
STATUSES: dict[str, Status] = {
    "SCHEDULED": "pending",
    "RUNNING": "running",
    "FINISHED": "completed",
    "FAILED": "failed",
    "KILLED": "cancelled",
}
"""The status of an MLflow run to the status of the job."""
ENDED = ("completed", "failed", "cancelled")
_NAME = r"^[^\x00-\x1f\x7f]+$"


class Limits(Contract):
    """The limits of a job; unset: those of the operator."""

    time_s: Seconds | None = Field(default=None, gt=0, description="Seconds from its start.")
    memory_mb: Megabytes | None = Field(
        default=None, ge=64, description="Resident memory of all its processes together."
    )


class JobRequest(Contract):
    """A training to be run, with the arguments of ``kedro run``."""

    family: StoreText = Field(description="The family whose pipeline runs.")
    dataset: Annotated[StoreText, Field(max_length=64)] | None = Field(
        default=None,
        description="Id of a dataset that is ready, for families that read a file.",
    )
    model: Annotated[StoreText, Field(max_length=100)] | None = Field(
        default=None,
        description="The name under which the version is registered: the family or a line of it, "
        "<family>.<line>; unset: the line called as the dataset, or the family.",
    )
    name: str | None = Field(default=None, max_length=100, pattern=_NAME, description="For people.")
    environment: Annotated[StoreText, Field(max_length=40)] | None = Field(
        default=None,
        description="Folder of conf/ whose parameters are the defaults; unset: the platform's.",
    )
    parameters: dict[str, dict[str, JsonValue]] = Field(
        default_factory=dict,
        description="What differs from the environment, by family and section, as kedro run "
        "--params takes it.",
        examples=[{"<family>": {"train": {"epochs": 20}}}],
    )
    limits: Limits = Limits()
    priority: int = Field(default=0, ge=-100, le=100, description="Higher ones start first.")
    retries: int = Field(
        default=0, ge=0, le=3, description="New attempts after a machine or a worker was lost."
    )
    start: bool = Field(default=True, description="False: wait for POST /jobs/{id}/start.")


class JobVersion(Contract):
    """The version that a job registered."""

    model: str
    number: str
    semver: str | None


class Job(Contract):
    """A job and its state."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(description="Also the id of its MLflow run.")
    name: str
    family: str
    model: str
    environment: str
    dataset: str | None
    owner: str
    status: Status
    detail: str | None = Field(description="held, queued, starting, cancelling or ending.")
    reason: str | None = Field(description="Why it failed, was cancelled or was begun again.")
    priority: int
    retries: int
    attempts: int = Field(description="How often it was begun.")
    limits: Limits
    executor: str | None
    created: datetime
    started: datetime | None
    ended: datetime | None
    seconds: float | None = Field(description="From its start to its end, or to now.")
    peak_memory_mb: float | None
    version: JobVersion | None

    @property
    def over(self) -> bool:
        """Whether its status is final."""
        return self.status in ENDED


class JobDetails(Job):
    """A job with the parameters of its request."""

    parameters: dict[str, JsonValue]


def job_of(run: "Run") -> Job:
    """The job that an MLflow run is.

    A run that has ended is still ``running`` here until its last process is gone and its reason is
    known, so that nobody sees an end that is changed afterwards.
    """
    tags, info = run.data.tags, run.info
    status = STATUSES[info.status]
    if status in ENDED and job_tags.SETTLED not in tags:
        status = "running"
    started = _moment(tags.get(STARTED_TAG))
    ended = _from_ms(info.end_time) if status in ENDED else None
    until = ended or datetime.now(tz=UTC)
    number = tags.get(job_tags.VERSION)
    return Job(
        id=info.run_id,
        name=info.run_name or "",
        family=tags[FAMILY_TAG],
        model=tags.get(MODEL_TAG, tags[FAMILY_TAG]),
        environment=tags.get(job_tags.ENVIRONMENT, "base"),
        dataset=tags.get(job_tags.DATASET),
        owner=tags.get(job_tags.OWNER, ""),
        status=status,
        detail=_detail(status, info.status, tags),
        reason=plain_reason(tags[job_tags.REASON]) if tags.get(job_tags.REASON) else None,
        priority=int(tags.get(job_tags.PRIORITY, 0)),
        retries=int(tags.get(job_tags.RETRIES, 0)),
        attempts=int(tags.get(job_tags.ATTEMPT, 0)),
        limits=Limits(**json.loads(tags.get(job_tags.LIMITS, "{}"))),
        executor=tags.get(job_tags.EXECUTOR),
        created=_from_ms(info.start_time),
        started=started,
        ended=ended,
        seconds=round((until - started).total_seconds(), 3) if started else None,
        peak_memory_mb=float(tags[job_tags.MEMORY]) if job_tags.MEMORY in tags else None,
        version=JobVersion(
            model=tags.get(MODEL_TAG, tags[FAMILY_TAG]),
            number=number,
            semver=tags.get(SEMVER_TAG),
        )
        if number
        else None,
    )


def _detail(status: Status, raw: str, tags: dict[str, str]) -> str | None:
    if status in ENDED:
        return None
    if job_tags.CANCEL in tags:
        return "cancelling"
    if status == "running":
        return None if raw == "RUNNING" else "ending"
    if tags.get(job_tags.HELD) != "false":
        return "held"
    return "starting" if job_tags.EXECUTOR in tags else "queued"


def line_of(family: str, dataset_name: str) -> str:
    """The line that is called as a dataset.

    >>> line_of("shop", "Adult (1996)"), line_of("shop", "2026")
    ('shop.adult_1996', 'shop.d2026')
    """
    words = re.sub(r"[^a-z0-9]+", "_", dataset_name.lower()).strip("_")
    if not words[:1].isalpha():
        words = f"d{words}"
    return f"{family}.{words[:40].rstrip('_')}"


def is_job(run: "Run") -> bool:
    """Whether an MLflow run is a job."""
    return bool(run.data.tags.get(JOB_TAG) == "true")


def _from_ms(milliseconds: int | None) -> datetime:
    return datetime.fromtimestamp((milliseconds or 0) / 1000, tz=UTC)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
