"""The routes of background jobs, which are the same whatever a family's jobs do.

``POST`` stores up to as many items as the contract of its body takes and answers 202; ``GET`` tells
the progress, ``GET …/results`` the results page by page, ``DELETE`` cancels. Items and results are
bytes in the store (:mod:`crisol.serving.state.jobs`); the family says what they mean.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel

from crisol.core.contract import Contract
from crisol.serving.http.exchange import Caller
from crisol.serving.http.routes import BODY_ERRORS, Route, errors, link, needs
from crisol.serving.service.model_service import ModelService, ServiceOf
from crisol.serving.state.jobs import ItemRow, JobRow, ResultsQuery

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

JobState = Literal["waiting", "running", "done", "cancelled"]


class Job(Contract):
    """The progress of a background job."""

    job_id: str
    state: JobState
    total: int
    done: int
    """Items that have a result so far."""
    failed: int
    """Items that have none and will have none; their results give the error."""
    cached: int
    """Items among ``done`` whose result was stored by an earlier job."""
    created: datetime
    expires: datetime | None
    """Time at which the results are deleted; empty while the job is not finished."""
    model_version: str


class JobPage(Contract):
    """A page of a job's results, in the order of its items; a family says what a result is."""

    job: Job
    results: tuple[Any, ...]
    next_position: int | None
    """Position of the next page; empty after the last one."""


@dataclass(frozen=True)
class JobSpec:
    """What a family says of its background jobs.

    Attributes:
        prefix: path of the routes.
        tag: heading on the API page.
        resource: name of the store among the service's resources.
        worker: name of the runner among the service's workers.
        request: contract of the body that makes a job.
        example: an example of it.
        items: the items in a body as they are stored; may refuse with a ``FieldError``.
        kind: kind of the jobs that this service makes and works on.
        version: version of the model whose results these are.
        results: contract of a page, with the type of its ``results``.
        result: one of them from its row.
        what: an item's name in the plural, for the API page.
        summary: one line about ``POST``.
    """

    prefix: str
    tag: str
    resource: str
    worker: str
    request: type[BaseModel]
    example: Callable[[], BaseModel]
    items: Callable[[ModelService, Any], Sequence[bytes]]
    kind: Callable[[ModelService], str]
    version: Callable[[ModelService], str]
    results: type[JobPage]
    result: Callable[[ItemRow], BaseModel]
    what: str
    summary: str


def job_routes(spec: JobSpec) -> APIRouter:
    """The four routes of a kind of jobs."""
    router = APIRouter(prefix=spec.prefix, tags=[spec.tag], route_class=Route)
    _add_creation(router, spec)
    _add_progress(router, spec)
    _add_results(router, spec)
    return router


def _add_creation(router: APIRouter, spec: JobSpec) -> None:
    name = f"{spec.prefix.strip('/').replace('/', '_')}_job_id"
    shown = {"example": {"value": spec.example().model_dump(mode="json")}}
    links = {
        "job": link(f"get_{name}", job_id="job_id"),
        "results": link(f"get_{name}_results", job_id="job_id"),
        "cancel": link(f"delete_{name}", job_id="job_id"),
    }

    @router.post(
        "",
        summary=spec.summary,
        status_code=202,
        dependencies=[needs()],
        responses={202: {"links": links}, **errors(*BODY_ERRORS)},
        openapi_extra={"x-body": "bulk"},
    )
    def create_job(
        request: Annotated[spec.request, Body(openapi_examples=shown)],  # type: ignore[name-defined]
        caller: Caller,
        service: ServiceOf,
    ) -> Job:
        """Store the items; they are worked on in the background."""
        row = service.resources[spec.resource].create(
            spec.kind(service),
            caller.name,
            list(spec.items(service, request)),
            version=spec.version(service),
            made_by=service.model_version,
        )
        service.workers[spec.worker].wake()
        return _job(row)


def _add_progress(router: APIRouter, spec: JobSpec) -> None:
    @router.get("/{job_id}", summary="How far a job is.", dependencies=[needs()])
    def look_at_job(job_id: str, caller: Caller, service: ServiceOf) -> Job:
        """The progress of a job."""
        return _job(service.resources[spec.resource].get(job_id, caller.name))

    @router.delete(
        "/{job_id}",
        summary="Leave the rest of a job undone; a finished one stays as it is.",
        dependencies=[needs()],
    )
    def cancel_job(job_id: str, caller: Caller, service: ServiceOf) -> Job:
        """Cancel the rest of a job."""
        return _job(service.resources[spec.resource].cancel(job_id, caller.name))


def _add_results(router: APIRouter, spec: JobSpec) -> None:
    @router.get(
        "/{job_id}/results",
        summary=f"What came of a job so far, in the order of its {spec.what}.",
        dependencies=[needs()],
        response_model=spec.results,
    )
    def job_results(
        job_id: str, query: Annotated[ResultsQuery, Query()], caller: Caller, service: ServiceOf
    ) -> Any:
        """A page of the results of a job."""
        row, items, position = service.resources[spec.resource].results(job_id, caller.name, query)
        return spec.results.model_validate(
            {
                "job": _job(row),
                "results": tuple(map(spec.result, items)),
                "next_position": position if position < row.total else None,
            }
        )


def _job(row: JobRow) -> Job:
    return Job(
        job_id=row.job_id,
        state=cast("JobState", row.state),
        total=row.total,
        done=row.done,
        failed=row.failed,
        cached=row.cached,
        created=_time(row.created_us),
        expires=None if row.expires_us is None else _time(row.expires_us),
        model_version=row.made_by,
    )


def _time(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
