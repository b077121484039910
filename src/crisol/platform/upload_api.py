"""Uploads over HTTP, in the manner of draft-ietf-httpbis-resumable-upload.

``POST`` begins a file and ``PATCH`` goes on with it (``POST`` may, too); both say where their bytes
begin (``Upload-Offset``, 0 if it is not said) and whether the file ends with them
(``Upload-Complete: ?0`` says it does not). ``HEAD`` tells how much has arrived. Bytes go to the
disk in constant memory; an upload is its owner's alone, and does not exist for anybody else.
"""

import asyncio
import base64
import binascii
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from crisol.core.errors import FieldError
from crisol.platform.datasets import Dataset, State, StoredFile
from crisol.platform.uploads import OffsetError, UploadError, Writer
from crisol.serving.asgi import Call
from crisol.serving.endpoints import Endpoint, Notes, Question
from crisol.serving.errors import ApiError
from crisol.serving.handlers import Answer, Converse, Handle
from crisol.serving.limits import ClientDisconnected

_BUFFER = 1 << 20
_DRAINED = 16 << 20
"""How much of a refused body is read and thrown away: a client that is cut off mid-way may never
see the answer."""
_DRAIN_S = 5.0
_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/=]+):")

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


async def _upload(app: Any, question: Question, call: Call) -> Answer:
    """Write what comes; keep the file when it is whole."""
    try:
        dataset, offset, ends, length, digest = await app.in_thread(_ask, app, question)
    except (ApiError, FieldError, UploadError):
        await _drain(call)
        raise
    call.about = dataset.id
    await _write(app, question, call, dataset, (offset, length, ends, digest))
    return await app.in_thread(_answer, app, question)


def _ask(app: Any, question: Question) -> tuple[Dataset, int, bool, int | None, bytes | None]:
    """What the request says about itself: where it begins, whether and where the file ends."""
    headers = question.headers
    dataset = _awaiting(app, question)
    offset = _header_number(headers, b"upload-offset") or 0
    complete = headers.get(b"upload-complete", b"?1")
    if complete not in (b"?0", b"?1"):
        raise FieldError("Upload-Complete", "must be ?0 or ?1", "header_invalid")
    length = _header_number(headers, b"upload-length")
    content = _header_number(headers, b"content-length")
    ends = complete == b"?1"
    if ends and content is not None:
        if length is not None and length != offset + content:
            raise FieldError(
                "Upload-Length",
                f"is not Upload-Offset + Content-Length ({offset + content})",
                "header_invalid",
            )
        length = offset + content
    return dataset, offset, ends, length, _digest_header(headers)


def _digest_header(headers: Any) -> bytes | None:
    given = headers.get(b"repr-digest")
    if given is None:
        return None
    found = _DIGEST.search(given.decode("latin-1"))
    try:
        digest = base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        digest = b""
    if len(digest) != 32:
        raise FieldError("Repr-Digest", "must be sha-256=:<base64>:", "header_invalid")
    return digest


def _header_number(headers: Any, name: bytes) -> int | None:
    text = headers.get(name)
    if text is None:
        return None
    if not text.isdigit() or len(text) > 18:
        raise FieldError(name.decode().title(), "must be a number of bytes", "header_invalid")
    return int(text)


async def _write(
    app: Any,
    question: Question,
    call: Call,
    dataset: Dataset,
    terms: tuple[int, int | None, bool, bytes | None],
) -> None:
    """Write what comes, and keep the file if it ends with it."""
    offset, length, ends, digest = terms
    part = question.query.part
    settings = app.platform_settings
    writing = app.uploads.writing(dataset.id, part, question.query.name, offset, length)
    try:
        writer: Writer = await asyncio.to_thread(writing.__enter__)
    except UploadError:
        await _drain(call)
        raise
    spoilt = False
    try:
        try:
            await _receive(call, writer, settings.max_file_bytes - offset, settings.upload_idle_s)
        except UploadError:
            spoilt = True
            raise
        if not ends:
            return
        await asyncio.to_thread(writer.close)
        try:
            file, path = await asyncio.to_thread(app.uploads.finish, dataset.id, part)
            if digest is not None and digest != bytes.fromhex(file.sha256):
                raise UploadError(
                    "the bytes that arrived do not have the Repr-Digest that was said"
                )
        except OffsetError:
            raise
        except UploadError:
            spoilt = True
            raise
        await asyncio.to_thread(_keep, app, dataset, file, path)
    finally:
        await asyncio.to_thread(writing.__exit__, None, None, None)
        if spoilt:
            await asyncio.to_thread(app.uploads.forget, dataset.id, part)
    await asyncio.to_thread(app.uploads.forget, dataset.id, part)


def _keep(app: Any, dataset: Dataset, file: StoredFile, path: Path) -> None:
    """Make the file the dataset's; with the last one it is profiled."""
    if app.datasets.attach(dataset, file, path).state == "profiling":
        app.profiler.submit(dataset.id)


async def _receive(call: Call, writer: Writer, max_bytes: int, idle_s: float) -> None:
    """Bring what arrives to the disk, and what had arrived when the client went away, too."""
    buffer = bytearray()

    async def write() -> None:
        piece = bytes(buffer)
        buffer.clear()
        if piece:
            await asyncio.to_thread(writer.write, piece)

    try:
        async for chunk in call.stream(max(0, max_bytes), idle_s):
            buffer += chunk
            if len(buffer) >= _BUFFER:
                try:
                    await write()
                except UploadError:
                    await _drain(call)
                    raise
    finally:
        await write()


async def _drain(call: Call) -> None:
    """Let a refused client finish sending, within reason."""
    with suppress(ApiError, ClientDisconnected, TimeoutError):
        async with asyncio.timeout(_DRAIN_S):
            async for _ in call.stream(_DRAINED, _DRAIN_S):
                pass


def _answer(app: Any, question: Question) -> Answer:
    dataset = app.datasets.get(question.parameters["dataset_id"])
    part = question.query.part
    file = next(f for f in _arrivals(app, dataset) if f.part == part)
    place = f"/v1/datasets/{dataset.id}/files?part={part}"
    return Answer(file, 201 if file.complete else 200, {**_headers(app, file), "location": place})


def _arrivals(app: Any, dataset: Dataset) -> list[ArrivalView]:
    """What is there of every file of a dataset."""
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
