"""Uploads over HTTP, in the manner of draft-ietf-httpbis-resumable-upload.

``POST`` begins a file and ``PATCH`` goes on with it (``POST`` may, too); both say where their bytes
begin (``Upload-Offset``, 0 if it is not said) and whether the file ends with them
(``Upload-Complete: ?0`` says it does not). ``HEAD`` tells how much has arrived. Bytes go to the
disk in constant memory; an upload is its owner's alone, and does not exist for anybody else.
"""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from crisol.core.errors import FieldError
from crisol.platform.datasets.dataset import Dataset, State
from crisol.platform.datasets.receiving import Terms, drain, receive
from crisol.platform.datasets.upload_files import FileProgress
from crisol.serving.http.auth import Identity
from crisol.serving.http.bodies import JSON, Incoming
from crisol.serving.http.errors import ApiError
from crisol.serving.http.exchange import Caller, Exchange, ExchangeOf
from crisol.serving.http.host import HostOf
from crisol.serving.http.routes import AuditedRoute, errors, needs

PartName = Literal["all", "train", "test"]


class FileQuery(BaseModel):
    """Which file."""

    model_config = ConfigDict(extra="forbid")

    part: PartName = Field(default="all", description="All rows, or one side of an official split.")
    name: str = Field(
        default="",
        max_length=200,
        pattern=r"^[^\x00-\x1f/\\]*$",
        description="What the file is called; its ending says the format.",
    )


class ArrivalsQuery(BaseModel):
    """Which file; none: all."""

    model_config = ConfigDict(extra="forbid")

    part: PartName | None = None


class ArrivalView(BaseModel):
    """How much of a file has arrived."""

    part: PartName
    name: str
    offset: int = Field(description="Bytes that have arrived.")
    length: int | None = Field(description="Bytes there will be, if it is known.")
    complete: bool
    sha256: str = Field(description="Of a complete file.")


class ArrivalsView(BaseModel):
    """The files of a dataset, and the parts of files that are still on their way."""

    id: str
    state: State
    files: list[ArrivalView]


_SAID = {
    "Upload-Offset": "Where the bytes of this request begin in the file; 0 if it is not said.",
    "Upload-Complete": "?0: more is to come; ?1 (or nothing): the file ends with this request.",
    "Upload-Length": "How long the whole file is.",
    "Repr-Digest": "Of the whole file: sha-256=:<base64>:; a file that differs is refused.",
}
_TOLD = {
    "Upload-Offset": "How much has arrived.",
    "Upload-Complete": "?1: all of it.",
    "Upload-Limit": "How large a file may be.",
}
_TEXT = {"type": "string"}
_TOLD_HEADERS = {name: {"description": told, "schema": _TEXT} for name, told in _TOLD.items()}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_TAKEN = ("application/octet-stream", "text/csv", "application/partial-upload")
_UPLOAD: dict[str, Any] = {
    "name": "dataset.upload",
    "status_code": 201,
    "response_model": ArrivalView,
    "dependencies": [needs("trainer")],
    "responses": {
        201: {"headers": _TOLD_HEADERS},
        200: {"model": ArrivalView, "description": "More is to come.", "headers": _TOLD_HEADERS},
        **errors(400, 408, 409, 413, 507),
    },
    "openapi_extra": {
        "requestBody": {"required": True, "content": dict.fromkeys(_TAKEN, _BINARY)},
        "parameters": [
            {"name": name, "in": "header", "required": False, "description": told, "schema": _TEXT}
            for name, told in _SAID.items()
        ],
    },
}
router = APIRouter(
    prefix="/v1/datasets/{dataset_id}/files", tags=["platform"], route_class=AuditedRoute
)
Part = Annotated[FileQuery, Query()]


def _own(platform: Any, dataset_id: str, caller: Identity) -> Dataset:
    """The dataset, for its owner; for anybody else there is none here."""
    dataset: Dataset = platform.datasets.get_for(dataset_id, caller.name)
    if dataset.owner != caller.name:
        raise ApiError(404, "There is no such upload of yours.", code="dataset_unknown")
    return dataset


@router.patch(
    "", summary="Go on with a file where the last request ended (Upload-Offset).", **_UPLOAD
)
@router.post("", summary="Upload a file of a dataset, whole or its first bytes.", **_UPLOAD)
async def upload(
    dataset_id: str, query: Part, request: Request, caller: Caller, platform: HostOf
) -> Response:
    """Write what comes; keep the file when it is whole."""
    exchange = Exchange.of(request.scope)
    body = Incoming(exchange, request.receive)
    try:
        terms = Terms.of(exchange.headers)
        dataset = await run_in_threadpool(_own, platform, dataset_id, caller)
    except (ApiError, FieldError):
        await drain(body)
        raise
    exchange.about = dataset.id
    file = await receive(platform, body, dataset, query.part, query.name, terms)
    place = f"/v1/datasets/{dataset.id}/files?part={file.part}"
    headers = {**_headers(platform, file), "location": place}
    view = ArrivalView(**asdict(file)).model_dump_json()
    return Response(view, 201 if file.complete else 200, headers, JSON)


def _headers(app: Any, file: FileProgress) -> dict[str, str]:
    return {
        "upload-offset": str(file.offset),
        "upload-complete": "?1" if file.complete else "?0",
        "upload-limit": f"max-size={app.platform_settings.max_file_bytes}",
        **({} if file.length is None else {"upload-length": str(file.length)}),
        "cache-control": "no-store",
    }


@router.get(
    "",
    summary="How much of each file has arrived; HEAD with ?part= tells it in headers.",
    response_model=ArrivalsView,
    dependencies=[needs("trainer")],
    responses={200: {"headers": _TOLD_HEADERS}},
)
def tell(
    dataset_id: str,
    query: Annotated[ArrivalsQuery, Query()],
    response: Response,
    caller: Caller,
    platform: HostOf,
) -> ArrivalsView:
    """How much of a dataset's files has arrived."""
    dataset = _own(platform, dataset_id, caller)
    found = [f for f in platform.uploads.progress(dataset) if query.part in (None, f.part)]
    if query.part is not None:
        if not found:
            message = f"Nothing of the file {query.part!r} has arrived."
            raise ApiError(404, message, code="upload_unknown")
        response.headers.update(_headers(platform, found[0]))
    files = [ArrivalView(**asdict(file)) for file in found]
    return ArrivalsView(id=dataset.id, state=dataset.state, files=files)


@router.delete(
    "",
    name="dataset.forget",
    summary="Forget what has arrived of a file that is not whole.",
    status_code=204,
    dependencies=[needs("trainer")],
    responses=errors(409),
)
def forget(
    dataset_id: str, query: Part, exchange: ExchangeOf, caller: Caller, platform: HostOf
) -> None:
    """Remove what has arrived of a file."""
    dataset = _own(platform, dataset_id, caller)
    if not platform.uploads.forget(dataset.id, query.part):
        raise ApiError(404, "Nothing of this file is on its way.", code="upload_unknown")
    exchange.about = dataset.id
