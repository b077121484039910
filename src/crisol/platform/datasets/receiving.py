"""Receives the body of an upload: its headers, its bytes to the disk, the finished file.

The event loop takes the pieces; everything that touches the disk is done in a thread.
"""

import asyncio
import base64
import binascii
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, Self

from fastapi.concurrency import contextmanager_in_threadpool
from starlette.requests import ClientDisconnect

from crisol.core.errors import FieldError
from crisol.platform.datasets.dataset import Dataset, Part
from crisol.platform.datasets.profiling import Profiler
from crisol.platform.datasets.upload_files import FileProgress, UploadError, Writer
from crisol.platform.datasets.uploads import Uploads
from crisol.platform.settings import PlatformSettings
from crisol.serving.http.bodies import Incoming
from crisol.serving.http.errors import ApiError

_BUFFER = 1 << 20
_DRAINED = 16 << 20
"""How much of a refused body is read and thrown away: a client that is cut off mid-way may never
see the answer."""
_DRAIN_S = 5.0
_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/=]+):")


@dataclass(frozen=True)
class Terms:
    """The headers of a request about its bytes.

    Attributes:
        offset: where they begin in the file.
        length: of the whole file; ``None``: not said.
        ends: whether the file ends with them.
        digest: SHA-256 of the whole file; ``None``: not said.
    """

    offset: int
    length: int | None
    ends: bool
    digest: bytes | None

    @classmethod
    def of(cls, headers: Mapping[bytes, bytes]) -> Self:
        """Read the headers.

        Raises:
            FieldError: one of them makes no sense, or two contradict one another.
        """
        offset = _number(headers, b"upload-offset") or 0
        complete = headers.get(b"upload-complete", b"?1")
        if complete not in (b"?0", b"?1"):
            raise FieldError("Upload-Complete", "must be ?0 or ?1", "header_invalid")
        length, content = _number(headers, b"upload-length"), _number(headers, b"content-length")
        ends = complete == b"?1"
        if ends and content is not None:
            end = offset + content
            if length not in (None, end):
                said = f"is not Upload-Offset + Content-Length ({end})"
                raise FieldError("Upload-Length", said, "header_invalid")
            length = end
        return cls(offset, length, ends, _digest(headers))


def _number(headers: Mapping[bytes, bytes], name: bytes) -> int | None:
    text = headers.get(name)
    if text is None:
        return None
    if not text.isdigit() or len(text) > 18:
        raise FieldError(name.decode().title(), "must be a number of bytes", "header_invalid")
    return int(text)


def _digest(headers: Mapping[bytes, bytes]) -> bytes | None:
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


class Receiver(Protocol):
    """The parts of the platform that a file passes through."""

    platform_settings: PlatformSettings
    uploads: Uploads
    profiler: Profiler


async def receive(
    app: Receiver, call: Incoming, dataset: Dataset, part: Part, name: str, terms: Terms
) -> FileProgress:
    """Write a body to the disk; a file that ends with it is attached to the dataset.

    Returns:
        How much of the file has arrived.

    Raises:
        ApiError: 408 or 413; what had arrived stays.
        ClientDisconnect: the same.
        UploadError: the file is not taken.
    """
    try:
        async with contextmanager_in_threadpool(
            app.uploads.writing(dataset.id, part, name, terms.offset, terms.length)
        ) as writer:
            await _write(app.platform_settings, call, writer, terms)
            if not terms.ends:
                return writer.progress
            return await asyncio.to_thread(_keep, app, writer, dataset.id, part, terms.digest)
    except UploadError:
        await drain(call)
        raise


async def _write(settings: PlatformSettings, call: Incoming, writer: Writer, terms: Terms) -> None:
    """Write the chunks, including those that had arrived when the client disconnected."""
    buffer = bytearray()

    async def write() -> None:
        piece = bytes(buffer)
        buffer.clear()
        if piece:
            await asyncio.to_thread(writer.write, piece)

    most = max(0, settings.max_file_bytes - terms.offset)
    try:
        async for chunk in call.stream(most, settings.upload_idle_s):
            buffer += chunk
            if len(buffer) >= _BUFFER:
                await write()
    finally:
        await write()


def _keep(
    app: Receiver, writer: Writer, dataset_id: str, part: Part, digest: bytes | None
) -> FileProgress:
    """Attach a whole file to the dataset; after the last one, queue it for profiling."""
    writer.close()
    dataset, file = app.uploads.keep(dataset_id, part, digest)
    if dataset.state == "profiling":
        app.profiler.submit(dataset)
    return FileProgress.of(file)


async def drain(call: Incoming) -> None:
    """Read the rest of a refused body, up to a size and a time."""
    if call.whole:
        return
    with suppress(ApiError, ClientDisconnect, TimeoutError):
        async with asyncio.timeout(_DRAIN_S):
            async for _ in call.stream(_DRAINED, _DRAIN_S):
                pass
