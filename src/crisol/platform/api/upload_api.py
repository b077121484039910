"""Uploads over HTTP, in the manner of draft-ietf-httpbis-resumable-upload.

``POST`` begins a file and ``PATCH`` goes on with it (``POST`` may, too); both say where their bytes
begin (``Upload-Offset``, 0 if it is not said) and whether the file ends with them
(``Upload-Complete: ?0`` says it does not). ``HEAD`` tells how much has arrived. Bytes go to the
disk in constant memory; an upload is its owner's alone, and does not exist for anybody else.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from crisol.core.errors import FieldError
from crisol.platform.datasets.dataset import Dataset, State
from crisol.platform.datasets.receiving import Terms, drain, receive
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


def _awaiting(app: Any, question: Question) -> Dataset:
    """The dataset, when it still takes this file."""
    dataset = _own(app, question)
    if dataset.state != "open":
        raise ApiError(
            409,
            f"The dataset is {dataset.state} and takes no more files: make a new version.",
            code="dataset_closed",
        )
    part, there = question.query.part, {file.part for file in dataset.files}
    begun = {p for d, p in app.uploads.begun() if d == dataset.id}
    if part in there:
        raise ApiError(409, f"The file {part!r} is there already.", code="file_there")
    if (part == "all") != ("all" in (there | begun)) and there | begun:
        raise ApiError(
            409,
            "A dataset has one file 'all', or the files 'train' and 'test'; this one has "
            f"{', '.join(sorted(there | begun))}.",
            code="parts_mixed",
        )
    return dataset


async def _upload(app: Any, question: Question, call: Request) -> Answer:
    """Write what comes; keep the file when it is whole."""
    try:
        terms = Terms.of(question.headers)
        dataset = await app.in_thread(_awaiting, app, question)
    except (ApiError, FieldError):
        await drain(call)
        raise
    call.about = dataset.id
    await receive(app, call, dataset, question.query.part, question.query.name, terms)
    answer: Answer = await app.in_thread(_answer, app, question)
    return answer


def _answer(app: Any, question: Question) -> Answer:
    dataset = app.datasets.get(question.parameters["dataset_id"])
    part = question.query.part
    file = next(f for f in _arrivals(app, dataset) if f.part == part)
    place = f"/v1/datasets/{dataset.id}/files?part={part}"
    return Answer(file, 201 if file.complete else 200, {**_headers(app, file), "location": place})


def _arrivals(app: Any, dataset: Dataset) -> list[ArrivalView]:
    """The arrived bytes of every file of a dataset."""
    found = [
        ArrivalView(part=f.part, name=f.name, offset=f.bytes, length=f.bytes, complete=True,
                    sha256=f.sha256)
        for f in dataset.files
    ]  # fmt: skip
    there = {file.part for file in dataset.files}
    for part in ("all", "train", "test"):
        begun = app.uploads.find(dataset.id, part) if part not in there else None
        if begun is not None:
            known, size = begun
            found.append(
                ArrivalView(part=part, name=known.name, offset=size, length=known.length,
                            complete=False, sha256="")
            )  # fmt: skip
    return found


def _headers(app: Any, file: ArrivalView) -> dict[str, str]:
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
    found = [f for f in _arrivals(app, dataset) if part in (None, f.part)]
    if part is not None and not found:
        raise ApiError(404, f"Nothing of the file {part!r} has arrived.", code="upload_unknown")
    headers = {} if part is None else _headers(app, found[0])
    return Answer(ArrivalsView(id=dataset.id, state=dataset.state, files=found), headers=headers)


def _forget(app: Any, question: Question) -> Answer:
    dataset = _own(app, question)
    if app.uploads.find(dataset.id, question.query.part) is None:
        raise ApiError(404, "Nothing of this file is on its way.", code="upload_unknown")
    app.uploads.forget(dataset.id, question.query.part)
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
