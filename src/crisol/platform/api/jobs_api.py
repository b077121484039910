"""Jobs over HTTP: making, listing, starting, cancelling, following."""

import re
import time
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Header, Query, Response
from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from crisol import models
from crisol.core.contract import Contract
from crisol.core.params import Int64
from crisol.platform.api.idempotency import ONCE_ERRORS, Made, OnceOf, made
from crisol.platform.jobs import job_tags
from crisol.platform.jobs.events import follow
from crisol.platform.jobs.job import Job, JobDetails, JobRequest, Status
from crisol.platform.jobs.job_parameters import visible
from crisol.platform.jobs.logs import LogPart
from crisol.platform.jobs.progress import Progress, Snapshot
from crisol.platform.listing import (
    Count,
    Page,
    PageQuery,
    StoreToken,
    decode_token,
    encode_token,
    next_page,
)
from crisol.registry.tracking.runs import MODEL_TAG
from crisol.serving.http.bodies import JSON
from crisol.serving.http.exchange import Caller
from crisol.serving.http.host import HostOf
from crisol.serving.http.routes import BODY_ERRORS, AuditedRoute, errors, link, needs

_MAX_LOG_BYTES = 1024 * 1024
_HEARTBEAT_S = 10.0
MEDIA_TYPE = "text/event-stream"


def _is_date(text: Any) -> Any:
    if isinstance(text, str) and not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError("write ISO 8601, such as 2026-01-31T12:00:00Z")
    return text


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class JobPage(Page[Job]):
    """A page of jobs."""


class JobQuery(PageQuery):
    """Which jobs, in which order."""

    status: Status | None = None
    family: str | None = Field(default=None, max_length=60, pattern="^[a-z][a-z0-9_]*$")
    model: str | None = Field(default=None, max_length=100, pattern="^[a-z][a-z0-9_.]*$")
    owner: str | None = Field(
        default=None, max_length=100, pattern="^[A-Za-z0-9:_.-]*$", description="Or: me."
    )
    dataset: str | None = Field(default=None, max_length=64, pattern="^[0-9a-f]*$")
    created_since: (
        Annotated[datetime, BeforeValidator(_is_date), AfterValidator(_in_utc)] | None
    ) = Field(default=None, description="ISO 8601; UTC where it names no offset.")
    sort: Literal["created", "-created"] = "-created"


class ProgressQuery(Contract):
    """Which part of the curves."""

    since_step: Int64 = Field(
        default=-1, ge=-1, description="Points up to this step are left out of the history."
    )


class LogQuery(Contract):
    """Which part of the log."""

    offset: Int64 | None = Field(default=None, ge=0, description="First byte; unset: 0.")
    limit: int = Field(default=65_536, ge=4, le=_MAX_LOG_BYTES, description="Bytes at most.")
    tail: int | None = Field(
        default=None, ge=1, le=_MAX_LOG_BYTES, description="Instead: so many bytes from the end."
    )

    @model_validator(mode="after")
    def _one(self) -> "LogQuery":
        if self.tail is not None and self.offset is not None:
            raise ValueError("give offset or tail, not both")
        return self


class LogView(Contract):
    """A part of what a job printed."""

    offset: int
    next_offset: int = Field(description="Where to read on.")
    size: int = Field(description="Of the log by now, bytes.")
    ended: bool = Field(description="Whether nothing will follow.")
    text: str


def _now_ms() -> int:
    return int(1000 * time.time())


_EVENT = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "event": {"enum": ["state", "trial", "progress", "log", "end"]},
        "id": {"type": "string"},
        "data": {"type": "string", "contentMediaType": JSON},
    },
}
"""The schema of one event of the stream."""
router = APIRouter(prefix="/v1/jobs", tags=["platform"], route_class=AuditedRoute)
_EXAMPLE = {"family": models.family_names()[0], "environment": "ci", "name": "a first try"}


@router.post(
    "",
    name="job.create",
    summary="Make a job: a training of any family, begun when there is room.",
    status_code=201,
    response_model=Job,
    dependencies=[needs("trainer")],
    responses={
        **made(
            job=link("get_v1_jobs_job_id", job_id="id"),
            progress=link("get_v1_jobs_job_id_progress", job_id="id"),
            logs=link("get_v1_jobs_job_id_logs", job_id="id"),
            start=link("v1_jobs_job_id_start", job_id="id"),
            cancel=link("v1_jobs_job_id_cancel", job_id="id"),
        ),
        **errors(*BODY_ERRORS, *ONCE_ERRORS),
    },
)
def create(
    new: Annotated[JobRequest, Body(openapi_examples={"example": {"value": _EXAMPLE}})],
    once: OnceOf,
    caller: Caller,
    platform: HostOf,
) -> Response:
    """Make a job."""

    def make(mark: str | None) -> Made:
        made = platform.jobs.create(new, caller, mark)
        return Made(made, f"/v1/jobs/{made.id}", made.id)

    return once.answer(new, make)


@router.get(
    "",
    summary="Jobs, the newest first.",
    dependencies=[needs("viewer")],
    responses=next_page("get_v1_jobs"),
)
def listing(query: Annotated[JobQuery, Query()], caller: Caller, platform: HostOf) -> JobPage:
    """A page of jobs."""
    wanted = {
        MODEL_TAG: query.model,
        job_tags.OWNER: caller.name if query.owner == "me" else query.owner,
        job_tags.DATASET: query.dataset,
    }
    # Jobs made since the first page was asked for would move the others to the next page again.
    until_ms, token = decode_token(query, tuple[Count, StoreToken]) or (_now_ms(), None)
    found, follows = platform.jobs.list(
        statuses=[] if query.status is None else [query.status],
        tags={tag: value for tag, value in wanted.items() if value},
        family=query.family,
        since=query.created_since,
        oldest_first=query.sort == "created",
        limit=query.limit,
        until_ms=until_ms,
        page_token=token,
    )
    next_token = None if follows is None else encode_token(query, [until_ms, follows])
    return JobPage(items=found, next_page_token=next_token)


@router.get(
    "/{job_id}",
    summary="How a job stands, and what it was asked to do.",
    dependencies=[needs("viewer")],
)
def one(job_id: str, platform: HostOf) -> JobDetails:
    """One job."""
    job = platform.jobs.get(job_id)
    _, run = platform.jobs.asked(job.id)
    parameters = visible(run.family, run.parameters)
    return JobDetails(**job.model_dump(), parameters={run.family: parameters})


@router.post(
    "/{job_id}/start",
    name="job.start",
    summary="Start a job of one's own that was made to wait.",
    dependencies=[needs("trainer")],
    responses=errors(409),
)
def start(job_id: str, caller: Caller, platform: HostOf) -> Job:
    """Start a held job."""
    job: Job = platform.jobs.release(job_id, caller)
    return job


@router.post(
    "/{job_id}/cancel",
    name="job.cancel",
    summary="End a job: it is asked to, then killed with every process it started.",
    description="Needs the scope `viewer`; owners also `trainer`, others `promoter`.",
    status_code=202,
    dependencies=[needs("viewer")],
    responses=errors(409),
)
def cancel(job_id: str, caller: Caller, platform: HostOf) -> Job:
    """Cancel a job."""
    job: Job = platform.jobs.cancel(job_id, caller)
    return job


@router.get(
    "/{job_id}/progress",
    summary="How far a job is, how fast it goes, and its curves.",
    response_model=Progress,
    dependencies=[needs("viewer")],
)
def progress(
    job_id: str, query: Annotated[ProgressQuery, Query()], platform: HostOf
) -> Response | Progress:
    """The progress of a job; its body was made when the job was last looked at."""
    snapshot: Snapshot = platform.jobs.snapshot(job_id)
    if query.since_step < 0:
        return Response(snapshot.body, media_type=JSON)
    return snapshot.progress.since(query.since_step)


@router.get("/{job_id}/logs", summary="What a job printed.", dependencies=[needs("viewer")])
def log(job_id: str, query: Annotated[LogQuery, Query()], platform: HostOf) -> LogView:
    """A part of a job's log."""
    job = platform.jobs.get(job_id)
    offset, limit = (query.offset or 0, query.limit)
    if query.tail is not None:
        offset, limit = -query.tail, query.tail
    part: LogPart = platform.jobs.log(job, offset, limit)
    ended = job.over and part.next_offset >= part.size
    return LogView(**part._asdict(), ended=ended)


class _Threads:
    """Reads for a stream of events in threads."""

    def __init__(self, platform: Any) -> None:
        self._jobs = platform.jobs

    async def snapshot(self, job_id: str) -> Snapshot:
        found: Snapshot = await run_in_threadpool(self._jobs.snapshot, job_id)
        return found

    async def log(self, job: Job, offset: int, limit: int) -> LogPart:
        part: LogPart = await run_in_threadpool(self._jobs.log, job, offset, limit)
        return part


@router.get(
    "/{job_id}/events",
    summary="A job as server-sent events: state, trial, progress, log, and end when it is "
    "over. Last-Event-ID goes on from there.",
    response_class=EventSourceResponse,
    responses={200: {"content": {MEDIA_TYPE: {"schema": _EVENT}}}},
    dependencies=[needs("viewer")],
)
async def events(
    job_id: str,
    platform: HostOf,
    last_event_id: Annotated[str, Header(description="The last event that arrived.")] = "",
) -> EventSourceResponse:
    """The events of a job, with a comment where there is nothing to tell for a while."""
    source = _Threads(platform)
    await source.snapshot(job_id)  # 404 before the stream begins
    followed = follow(source, job_id, last_event_id, platform.stopping)
    platform.streams.add(followed)
    return EventSourceResponse(followed, ping=_HEARTBEAT_S, ping_message_factory=_comment, sep="\n")


def _comment() -> ServerSentEvent:
    """Keeps proxies from closing the connection, and tells when nobody listens any more."""
    return ServerSentEvent(comment="", sep="\n")
