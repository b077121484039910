"""Jobs over HTTP: making, listing, starting, cancelling, following."""

import time
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from crisol import models
from crisol.core.contract import Contract
from crisol.core.params import Int64
from crisol.platform.api.idempotency import Once
from crisol.platform.jobs import job_tags
from crisol.platform.jobs.events import follow
from crisol.platform.jobs.job import Job, JobDetails, JobRequest, Status
from crisol.platform.jobs.job_parameters import visible
from crisol.platform.jobs.logs import LogPart
from crisol.platform.jobs.progress import Progress, Snapshot
from crisol.platform.listing import Page, PageQuery, decode_token, encode_token
from crisol.registry.tracking.runs import MODEL_TAG
from crisol.serving.http.asgi import Reply, Request, StreamReply
from crisol.serving.http.endpoints import Endpoint, Notes, Question
from crisol.serving.http.handlers import Answer, Converse, Handle
from crisol.serving.http.sse import MEDIA_TYPE, events_reply

_MAX_LOG_BYTES = 1024 * 1024
_HEARTBEAT_S = 10.0
Milliseconds = Annotated[int, Field(ge=0, le=10**14)]


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
    created_since: Annotated[datetime, AfterValidator(_in_utc)] | None = Field(
        default=None, description="ISO 8601; UTC where it names no offset."
    )
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


def _create(app: Any, question: Question, mark: str | None) -> Answer:
    made = app.jobs.create(question.body, question.identity, mark)
    return Answer(made, 201, {"location": f"/v1/jobs/{made.id}"}, about=made.id)


def _list(app: Any, question: Question) -> JobPage:
    query: JobQuery = question.query
    wanted = {
        MODEL_TAG: query.model,
        job_tags.OWNER: question.caller if query.owner == "me" else query.owner,
        job_tags.DATASET: query.dataset,
    }
    # Jobs made since the first page was asked for would move the others to the next page again.
    until_ms, token = decode_token(query, tuple[Milliseconds, str]) or (_now_ms(), None)
    found, follows = app.jobs.list(
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


def _now_ms() -> int:
    return int(1000 * time.time())


def _get(app: Any, question: Question) -> JobDetails:
    job = app.jobs.get(question.parameters["job_id"])
    _, run = app.jobs.asked(job.id)
    parameters = visible(run.family, run.parameters)
    return JobDetails(**job.model_dump(), parameters={run.family: parameters})


def _start(app: Any, question: Question) -> Job:
    job: Job = app.jobs.release(question.parameters["job_id"], question.identity)
    return job


def _cancel(app: Any, question: Question) -> Job:
    job: Job = app.jobs.cancel(question.parameters["job_id"], question.identity)
    return job


def _progress(app: Any, question: Question) -> Progress | Reply:
    snapshot: Snapshot = app.jobs.snapshot(question.parameters["job_id"])
    if question.query.since_step < 0:
        return Reply(200, snapshot.body)
    return snapshot.progress.since(question.query.since_step)


def _log(app: Any, question: Question) -> LogView:
    query: LogQuery = question.query
    job = app.jobs.get(question.parameters["job_id"])
    offset, limit = (query.offset or 0, query.limit)
    if query.tail is not None:
        offset, limit = -query.tail, query.tail
    part: LogPart = app.jobs.log(job, offset, limit)
    ended = job.over and part.next_offset >= part.size
    return LogView(**part._asdict(), ended=ended)


class _Threads:
    """Reads for a stream of events in the application's threads."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def snapshot(self, job_id: str) -> Snapshot:
        found: Snapshot = await self._app.in_thread(self._app.jobs.snapshot, job_id)
        return found

    async def log(self, job: Job, offset: int, limit: int) -> LogPart:
        part: LogPart = await self._app.in_thread(self._app.jobs.log, job, offset, limit)
        return part


async def _events(app: Any, question: Question, call: Request) -> StreamReply:
    job_id = question.parameters["job_id"]
    source = _Threads(app)
    await source.snapshot(job_id)  # 404 before the stream begins
    last = call.headers.get(b"last-event-id", b"").decode("ascii", "replace")
    events = follow(source, job_id, last, app.stopping)
    app.streams.add(events)
    return events_reply(events, _HEARTBEAT_S)


def _example() -> JobRequest:
    return JobRequest(family=models.family_names()[0], environment="ci", name="a first try")


ENDPOINTS: tuple[Endpoint, ...] = (
    Once(
        "/v1/jobs",
        handle=_create,
        summary="Make a job: a training of any family, begun when there is room.",
        request=JobRequest,
        response=Job,
        example=_example,
        status=201,
        scope="trainer",
        audit="job.create",
        notes=Notes(errors=(429,), response_headers={"Location": "Of the job."}),
    ),
    Handle(
        "/v1/jobs",
        handle=_list,
        method="GET",
        summary="Jobs, the newest first.",
        query=JobQuery,
        response=JobPage,
        scope="viewer",
    ),
    Handle(
        "/v1/jobs/{job_id}",
        handle=_get,
        method="GET",
        summary="How a job stands, and what it was asked to do.",
        response=JobDetails,
        scope="viewer",
        notes=Notes(errors=(404,)),
    ),
    Handle(
        "/v1/jobs/{job_id}/start",
        handle=_start,
        summary="Start a job that was made to wait.",
        response=Job,
        scope="viewer",
        audit="job.start",
        notes=Notes(errors=(404, 409)),
    ),
    Handle(
        "/v1/jobs/{job_id}/cancel",
        handle=_cancel,
        summary="End a job: it is asked to, then killed with every process it started. "
        "Owners need the scope trainer, others promoter.",
        response=Job,
        status=202,
        scope="viewer",
        audit="job.cancel",
        notes=Notes(errors=(404, 409)),
    ),
    Handle(
        "/v1/jobs/{job_id}/progress",
        handle=_progress,
        method="GET",
        summary="How far a job is, how fast it goes, and its curves.",
        query=ProgressQuery,
        response=Progress,
        scope="viewer",
        notes=Notes(errors=(404,)),
    ),
    Converse(
        "/v1/jobs/{job_id}/events",
        converse=_events,
        method="GET",
        summary="A job as server-sent events: state, trial, progress, log, and end when it is "
        "over. Last-Event-ID goes on from there.",
        response=Job,
        scope="viewer",
        notes=Notes(errors=(404, 503), answers=MEDIA_TYPE),
    ),
    Handle(
        "/v1/jobs/{job_id}/logs",
        handle=_log,
        method="GET",
        summary="What a job printed.",
        query=LogQuery,
        response=LogView,
        scope="viewer",
        notes=Notes(errors=(404,)),
    ),
)
