"""Datasets over HTTP: making, listing, reading."""

import time
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from crisol.core.data.profile import Task
from crisol.platform.api.idempotency import ONCE_ERRORS, Made, OnceOf, made
from crisol.platform.datasets.dataset import Dataset, NewDataset, State
from crisol.platform.listing import (
    Count,
    Page,
    PageQuery,
    StoreToken,
    decode_token,
    encode_token,
    next_page,
)
from crisol.serving.http.errors import ApiError
from crisol.serving.http.exchange import Caller
from crisol.serving.http.host import HostOf
from crisol.serving.http.routes import BODY_ERRORS, AuditedRoute, errors, link, needs

_ORDERS = {
    "created": "attributes.start_time ASC",
    "-created": "attributes.start_time DESC",
    "name": "tags.`crisol.dataset.name` ASC",
    "-name": "tags.`crisol.dataset.name` DESC",
}


Position = tuple[Count, tuple[StoreToken | None, Count]]
"""The time of the first page (ms), MLflow's own page token, and how many of its rows were given."""


class FileView(BaseModel):
    """A file of a dataset."""

    part: Literal["all", "train", "test"]
    name: str = Field(description="What the client called it.")
    bytes: int
    sha256: str


class DatasetView(BaseModel):
    """A dataset version."""

    id: str
    name: str
    version: int
    owner: str
    mine: bool = Field(description="Whether the caller made it.")
    state: State
    reason: str = Field(description="Why it was refused.")
    description: str
    created: str = Field(description="ISO 8601, UTC.")
    task: Task | None
    target: str | None
    format: str | None
    rows: int | None
    columns: int | None
    warnings: int | None = Field(description="How many; the schema has their text.")
    files: list[FileView]
    files_of: str = Field(description="The version that holds the files.")


class DatasetDetail(DatasetView):
    """A dataset version with its options and the schema of its columns."""

    model_config = ConfigDict(serialize_by_alias=True)

    options: dict[str, Any]
    columns_found: dict[str, Any] | None = Field(
        default=None, alias="schema", description="Columns with kind, role, range and reason."
    )


class DatasetPage(Page[DatasetView]):
    """A page of datasets."""


class DatasetQuery(PageQuery):
    """Which datasets, in which order."""

    name: str | None = Field(default=None, max_length=40, pattern="^[a-z0-9_]*$")
    owner: str | None = Field(
        default=None, max_length=100, pattern="^[A-Za-z0-9:_.-]*$", description="Or: me."
    )
    state: State | None = None
    task: Task | None = None
    sort: Literal["created", "-created", "name", "-name"] = "-created"


class ProfileView(BaseModel):
    """A dataset's schema and the profile of its columns."""

    model_config = ConfigDict(serialize_by_alias=True)

    id: str
    columns_found: dict[str, Any] = Field(alias="schema")
    profile: dict[str, Any]


def view(dataset: Dataset, caller: str) -> DatasetView:
    """A dataset as it is shown."""
    return DatasetView(**_shown(dataset, caller))


def _shown(dataset: Dataset, caller: str) -> dict[str, Any]:
    tags = dataset.tags
    created = datetime.fromtimestamp(dataset.created_ms / 1000, tz=UTC)
    return {
        "id": dataset.id,
        "name": dataset.name,
        "version": dataset.version,
        "owner": dataset.owner,
        "mine": dataset.owner == caller,
        "state": dataset.state,
        "reason": dataset.reason,
        "description": dataset.description,
        "created": created.isoformat(timespec="milliseconds"),
        "task": tags.get("task") or None,
        "target": tags.get("target") or None,
        "format": tags.get("format"),
        **{name: _number(tags.get(name)) for name in ("rows", "columns", "warnings")},
        "files": [
            FileView(part=f.part, name=f.name, bytes=f.bytes, sha256=f.sha256)
            for f in dataset.files
        ],
        "files_of": dataset.files_of,
    }


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _detail(app: Any, dataset: Dataset, caller: str) -> DatasetDetail:
    schema = app.datasets.json(dataset, "schema.json") if dataset.state == "ready" else None
    options = app.datasets.options(dataset)
    return DatasetDetail(**_shown(dataset, caller), options=options, schema=schema)


_EXAMPLE = {
    "name": "customers",
    "description": "Who left, 2026",
    "options": {"target": "churned"},
}
router = APIRouter(prefix="/v1/datasets", tags=["platform"], route_class=AuditedRoute)


@router.post(
    "",
    name="dataset.create",
    summary="Make a dataset version; its files come next, or are another version's.",
    status_code=201,
    response_model=DatasetDetail,
    dependencies=[needs("trainer")],
    responses={
        **made(
            dataset=link("get_v1_datasets_dataset_id", dataset_id="id"),
            profile=link("get_v1_datasets_dataset_id_profile", dataset_id="id"),
            files=link("get_v1_datasets_dataset_id_files", dataset_id="id"),
        ),
        **errors(*BODY_ERRORS, *ONCE_ERRORS, 404),
    },
)
def create(
    new: Annotated[NewDataset, Body(openapi_examples={"example": {"value": _EXAMPLE}})],
    once: OnceOf,
    caller: Caller,
    platform: HostOf,
) -> Response:
    """Make a version."""

    def make(mark: str | None) -> Made:
        dataset = platform.datasets.create(new, caller.name, mark)
        if dataset.state == "profiling":
            platform.profiler.submit(dataset)
        detail = _detail(platform, dataset, caller.name)
        return Made(detail, f"/v1/datasets/{dataset.id}", dataset.id)

    return once.answer(new, make)


@router.get(
    "",
    summary="List datasets: those that are ready, and the caller's own.",
    dependencies=[needs("viewer")],
    responses=next_page("get_v1_datasets"),
)
def listing(
    query: Annotated[DatasetQuery, Query()], caller: Caller, platform: HostOf
) -> DatasetPage:
    """A page of datasets."""
    filters = {
        name: value
        for name in ("name", "owner", "state", "task")
        if (value := getattr(query, name)) is not None
    }
    if filters.get("owner") == "me":
        filters["owner"] = caller.name
    until_ms, begin = decode_token(query, Position) or (int(1000 * time.time()), None)
    found, follows = platform.datasets.search(
        filters, _ORDERS[query.sort], begin, query.limit, caller.name, until_ms
    )
    token = None if follows is None else encode_token(query, [until_ms, follows])
    return DatasetPage(items=[view(d, caller.name) for d in found], next_page_token=token)


@router.get(
    "/{dataset_id}",
    summary="One dataset: state, options, schema with reasons and warnings.",
    dependencies=[needs("viewer")],
)
def one(dataset_id: str, caller: Caller, platform: HostOf) -> DatasetDetail:
    """One version."""
    dataset = platform.datasets.get_for(dataset_id, caller.name)
    return _detail(platform, dataset, caller.name)


@router.get(
    "/{dataset_id}/profile",
    summary="What its columns look like: missing, distinct, distribution, examples.",
    dependencies=[needs("viewer")],
    responses=errors(409),
)
def profile(dataset_id: str, caller: Caller, platform: HostOf) -> ProfileView:
    """The profile of a version that is ready."""
    dataset = platform.datasets.get_for(dataset_id, caller.name)
    if dataset.state != "ready":
        raise _no_profile(dataset)
    return ProfileView(
        id=dataset.id,
        schema=platform.datasets.json(dataset, "schema.json"),
        profile=platform.datasets.json(dataset, "profile.json"),
    )


def _no_profile(dataset: Dataset) -> ApiError:
    reasons = {
        "open": "it waits for its files",
        "profiling": "it is being read: ask again in a moment",
        "refused": f"it was refused: {dataset.reason}",
    }
    again = {"retry-after": "2"} if dataset.state == "profiling" else {}
    return ApiError(
        409,
        f"The dataset has no profile: {reasons[dataset.state]}.",
        code="not_profiled",
        headers=again,
    )
