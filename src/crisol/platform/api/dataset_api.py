"""Datasets over HTTP: making, listing, reading."""

import time
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from crisol.core.data.profile import Task
from crisol.platform.api.idempotency import Once
from crisol.platform.datasets.dataset import Dataset, NewDataset, State
from crisol.platform.listing import (
    Count,
    Page,
    PageQuery,
    StoreToken,
    decode_token,
    encode_token,
)
from crisol.serving.http.endpoints import Endpoint, Notes, Question
from crisol.serving.http.errors import ApiError
from crisol.serving.http.handlers import Answer, Handle

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


def _create(app: Any, question: Question, mark: str | None) -> Answer:
    dataset = app.datasets.create(question.body, question.caller, mark)
    if dataset.state == "profiling":
        app.profiler.submit(dataset)
    headers = {"location": f"/v1/datasets/{dataset.id}"}
    return Answer(_detail(app, dataset, question.caller), 201, headers, about=dataset.id)


def _list(app: Any, question: Question) -> DatasetPage:
    query: DatasetQuery = question.query
    filters = {
        name: value
        for name in ("name", "owner", "state", "task")
        if (value := getattr(query, name)) is not None
    }
    if filters.get("owner") == "me":
        filters["owner"] = question.caller
    until_ms, begin = decode_token(query, Position) or (int(1000 * time.time()), None)
    found, follows = app.datasets.search(
        filters, _ORDERS[query.sort], begin, query.limit, question.caller, until_ms
    )
    token = None if follows is None else encode_token(query, [until_ms, follows])
    return DatasetPage(items=[view(d, question.caller) for d in found], next_page_token=token)


def _get(app: Any, question: Question) -> DatasetDetail:
    dataset = app.datasets.get_for(question.parameters["dataset_id"], question.caller)
    return _detail(app, dataset, question.caller)


def _profile(app: Any, question: Question) -> ProfileView:
    dataset = app.datasets.get_for(question.parameters["dataset_id"], question.caller)
    if dataset.state != "ready":
        raise _no_profile(dataset)
    return ProfileView(
        id=dataset.id,
        schema=app.datasets.json(dataset, "schema.json"),
        profile=app.datasets.json(dataset, "profile.json"),
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


def _example() -> NewDataset:
    return NewDataset.model_validate_json(
        b'{"name": "customers", "description": "Who left, 2026", "options": {"target": "churned"}}'
    )


ENDPOINTS: tuple[Endpoint, ...] = (
    Once(
        "/v1/datasets",
        handle=_create,
        summary="Make a dataset version; its files come next, or are another version's.",
        request=NewDataset,
        response=DatasetDetail,
        example=_example,
        status=201,
        scope="trainer",
        audit="dataset.create",
        notes=Notes(errors=(404, 429), response_headers={"Location": "Where it is."}),
    ),
    Handle(
        "/v1/datasets",
        handle=_list,
        method="GET",
        summary="List datasets: those that are ready, and the caller's own.",
        response=DatasetPage,
        query=DatasetQuery,
        scope="viewer",
    ),
    Handle(
        "/v1/datasets/{dataset_id}",
        handle=_get,
        method="GET",
        summary="One dataset: state, options, schema with reasons and warnings.",
        response=DatasetDetail,
        scope="viewer",
    ),
    Handle(
        "/v1/datasets/{dataset_id}/profile",
        handle=_profile,
        method="GET",
        summary="What its columns look like: missing, distinct, distribution, examples.",
        response=ProfileView,
        scope="viewer",
        notes=Notes(errors=(409,)),
    ),
)
