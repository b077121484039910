"""Uploads over HTTP, in the manner of draft-ietf-httpbis-resumable-upload.

``POST`` begins a file and ``PATCH`` goes on with it (``POST`` may, too); both say where their bytes
begin (``Upload-Offset``, 0 if it is not said) and whether the file ends with them
(``Upload-Complete: ?0`` says it does not). ``HEAD`` tells how much has arrived. Bytes go to the
disk in constant memory; an upload is its owner's alone, and does not exist for anybody else.
"""

from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from crisol.core.errors import FieldError
from crisol.platform.datasets.dataset import Dataset, State
from crisol.platform.datasets.receiving import Terms, drain, receive
from crisol.platform.datasets.uploads import FileProgress
from crisol.serving.http.asgi import Request
from crisol.serving.http.endpoints import Endpoint, Notes, Question
from crisol.serving.http.errors import ApiError
from crisol.serving.http.handlers import Answer, Converse, Handle

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


def _own(app: Any, question: Question) -> Dataset:
    """The dataset, for its owner; for anybody else there is none here."""
    dataset: Dataset = app.datasets.get_for(question.parameters["dataset_id"], question.caller)
    if dataset.owner != question.caller:
        raise ApiError(404, "There is no such upload of yours.", code="dataset_unknown")
    return dataset


async def _upload(app: Any, question: Question, call: Request) -> Answer:
    """Write what comes; keep the file when it is whole."""
    try:
        terms = Terms.of(question.headers)
        dataset = await app.in_thread(_own, app, question)
    except (ApiError, FieldError):
        await drain(call)
        raise
    call.about = dataset.id
    file = await receive(app, call, dataset, question.query.part, question.query.name, terms)
    place = f"/v1/datasets/{dataset.id}/files?part={file.part}"
    return Answer(
        ArrivalView(**asdict(file)),
        201 if file.complete else 200,
        {**_headers(app, file), "location": place},
    )


def _headers(app: Any, file: FileProgress) -> dict[str, str]:
    return {
        "upload-offset": str(file.offset),
        "upload-complete": "?1" if file.complete else "?0",
        "upload-limit": f"max-size={app.platform_settings.max_file_bytes}",
        **({} if file.length is None else {"upload-length": str(file.length)}),
        "cache-control": "no-store",
    }


def _tell(app: Any, question: Question) -> Answer:
    dataset = _own(app, question)
    part = question.query.part
    found = [f for f in app.uploads.progress(dataset) if part in (None, f.part)]
    if part is not None and not found:
        raise ApiError(404, f"Nothing of the file {part!r} has arrived.", code="upload_unknown")
    headers = {} if part is None else _headers(app, found[0])
    files = [ArrivalView(**asdict(file)) for file in found]
    return Answer(ArrivalsView(id=dataset.id, state=dataset.state, files=files), headers=headers)


def _forget(app: Any, question: Question) -> Answer:
    dataset = _own(app, question)
    if not app.uploads.forget(dataset.id, question.query.part):
        raise ApiError(404, "Nothing of this file is on its way.", code="upload_unknown")
    return Answer(None, 204, about=dataset.id)


_PATH = "/v1/datasets/{dataset_id}/files"
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
_NOTES = Notes(
    errors=(400, 404, 408, 409, 413, 422, 507),
    request_headers=_SAID,
    response_headers=_TOLD,
    takes=("application/octet-stream", "text/csv", "application/partial-upload"),
)

ENDPOINTS: tuple[Endpoint, ...] = (
    Converse(
        _PATH,
        converse=_upload,
        summary="Upload a file of a dataset, whole or its first bytes.",
        response=ArrivalView,
        query=FileQuery,
        status=201,
        scope="trainer",
        audit="dataset.upload",
        notes=_NOTES,
    ),
    Converse(
        _PATH,
        converse=_upload,
        method="PATCH",
        summary="Go on with a file where the last request ended (Upload-Offset).",
        response=ArrivalView,
        query=FileQuery,
        status=201,
        scope="trainer",
        audit="dataset.upload",
        notes=_NOTES,
    ),
    Handle(
        _PATH,
        handle=_tell,
        method="GET",
        summary="How much of each file has arrived; HEAD with ?part= tells it in headers.",
        response=ArrivalsView,
        query=ArrivalsQuery,
        scope="trainer",
        notes=Notes(errors=(404,), response_headers=_TOLD),
    ),
    Handle(
        _PATH,
        handle=_forget,
        method="DELETE",
        summary="Forget what has arrived of a file that is not whole.",
        query=FileQuery,
        status=204,
        scope="trainer",
        audit="dataset.forget",
        notes=Notes(errors=(404, 409)),
    ),
)
