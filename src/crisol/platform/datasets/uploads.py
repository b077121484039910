"""Unfinished uploads: the bytes that have arrived lie in the state folder until the file is whole.

A part of a dataset has a folder with the bytes so far and ``upload.json`` about them. An
interrupted upload resumes at the size of the file on the disk, so the offset is right whatever
ended it: a cut connection, ``kill -9``, a power cut.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from crisol.core.files import replacing_file
from crisol.core.locks import FileLock
from crisol.platform.datasets.dataset import Part, StoredFile
from crisol.platform.settings import PlatformSettings

FORMATS = {
    "csv": "csv", "tsv": "csv", "txt": "csv", "data": "csv", "test": "csv",
    "json": "json", "jsonl": "jsonl", "ndjson": "jsonl", "parquet": "parquet", "zip": "zip",
}  # fmt: skip
"""The ending of a file's name to the ending it is stored under."""
_MAGIC = {"parquet": b"PAR1", "zip": b"PK\x03\x04"}
_WIDE_TEXT = (b"\xff\xfe", b"\xfe\xff")
"""How UTF-16 begins; any other text has no zero bytes."""
_LOOKED_AT = 4096


class UploadError(ValueError):
    """A file that is refused; the message says why."""


class TooLargeError(UploadError):
    """The file is larger than the platform takes."""


class DiskFullError(UploadError):
    """The file would not leave enough room on the disk."""


class BusyError(UploadError):
    """Another request is writing the same file."""


class OffsetError(UploadError):
    """The offset of the request is not the size of the file so far.

    Attributes:
        offset: where it ends.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True)
class Arriving:
    """A file that is being uploaded.

    Attributes:
        name: what the client called it.
        file: what it is kept as, such as ``train.csv``.
        length: how long the client said it is; ``None``: it did not say.
        began: seconds since 1970.
        sha256: of the whole file; empty before it is whole.
    """

    name: str
    file: str
    length: int | None
    began: float
    sha256: str = ""


def kept_name(part: Part, name: str) -> str:
    """The name under which a file is stored.

    Raises:
        UploadError: its name does not end as one of the formats.

    >>> kept_name("train", "Adult.DATA")
    'train.csv'
    """
    ending = FORMATS.get(name.rpartition(".")[2].lower()) if "." in name else None
    if ending is None:
        known = ", ".join(f".{e}" for e in FORMATS)
        raise UploadError(f"the name must end as a known format does: {known}")
    return f"{part}.{ending}"


class Uploads:
    """The unfinished uploads of every dataset."""

    def __init__(self, settings: PlatformSettings) -> None:
        self._settings = settings
        self._root = settings.state_dir / "uploads"

    def find(self, dataset_id: str, part: Part) -> tuple[Arriving, int] | None:
        """An upload and the bytes that have arrived; ``None``: there is no such upload."""
        folder = self._folder(dataset_id, part)
        try:
            known = Arriving(**json.loads((folder / "upload.json").read_bytes()))
        except FileNotFoundError:
            return None
        path = folder / known.file
        return known, path.stat().st_size if path.exists() else 0

    def begun(self) -> list[tuple[str, Part]]:
        """Every unfinished upload: the id of its dataset and its part."""
        return [
            (path.parent.parent.name, path.parent.name)  # type: ignore[misc]
            for path in sorted(self._root.glob("*/*/upload.json"))
        ]

    @contextmanager
    def writing(
        self, dataset_id: str, part: Part, name: str, offset: int, length: int | None
    ) -> Iterator["Writer"]:
        """Append to a file, locked for the block; at its end the bytes are on the disk.

        Args:
            dataset_id: whose.
            part: which file.
            name: what the client calls it.
            offset: where the client goes on; it must be where the file ends.
            length: how long the whole file will be, if the client says so.

        Raises:
            UploadError: the file is not taken: see its kinds.
        """
        folder = self._folder(dataset_id, part)
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            known = self._agree(dataset_id, part, name, offset, length)
            writer = Writer(folder / known.file, known, self._settings)
            try:
                writer.reserve(0 if known.length is None else known.length - offset)
                yield writer
            finally:
                writer.close()

    def finish(self, dataset_id: str, part: Part) -> tuple[StoredFile, Path]:
        """The whole file with its digest. Call it while :meth:`writing` the file.

        Raises:
            UploadError: it is not as long as the client said, or not what its name says.
        """
        found = self.find(dataset_id, part)
        if found is None:
            raise UploadError("nothing was uploaded")
        known, size = found
        path = self._folder(dataset_id, part) / known.file
        if known.length is not None and size != known.length:
            raise OffsetError(f"{size} bytes are there, Upload-Length said {known.length}", size)
        if size == 0:
            raise UploadError("the file is empty")
        with path.open("rb") as file:
            check_content(known.file, file.read(_LOOKED_AT))
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        done = Arriving(known.name, known.file, size, known.began, digest)
        _write_json(path.parent / "upload.json", done)
        return StoredFile(part, known.name, known.file, size, digest), path

    def finished(self, dataset_id: str, part: Part) -> tuple[StoredFile, Path] | None:
        """A file that was whole when the service ended and is not stored yet."""
        found = self.find(dataset_id, part)
        if found is None or not found[0].sha256:
            return None
        known = found[0]
        stored = StoredFile(part, known.name, known.file, known.length or 0, known.sha256)
        return stored, self._folder(dataset_id, part) / known.file

    def forget(self, dataset_id: str, part: Part | None = None) -> None:
        """Remove what arrived of a file (or of every file of a dataset).

        Raises:
            BusyError: somebody is writing it.
        """
        folders = [
            self._folder(dataset_id, p)
            for p in (("all", "train", "test") if part is None else (part,))
        ]
        for folder in folders:
            if folder.exists():
                with _alone(folder):
                    shutil.rmtree(folder)
        parent = self._root / dataset_id
        if parent.exists() and not any(parent.iterdir()):
            parent.rmdir()

    def free_bytes(self) -> int:
        """Room on the disk that the next file may take."""
        self._root.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(self._root).free - self._settings.min_free_bytes

    def _folder(self, dataset_id: str, part: Part) -> Path:
        return self._root / dataset_id / part

    def _agree(
        self, dataset_id: str, part: Part, name: str, offset: int, length: int | None
    ) -> Arriving:
        """The upload with the facts of a request added; written to the disk."""
        found = self.find(dataset_id, part)
        if found is None:
            if offset:
                raise OffsetError("nothing of this file has arrived: begin with offset 0", 0)
            known = Arriving(name, kept_name(part, name), length, time.time())
        else:
            known, size = found
            if offset != size:
                raise OffsetError(
                    f"{size} bytes of this file have arrived: go on from there "
                    f"(Upload-Offset: {size}), or DELETE what is there and begin anew",
                    size,
                )
            if length is not None and known.length not in (None, length):
                raise UploadError(
                    f"Upload-Length was {known.length} when the upload began, and is {length} now"
                )
            known = Arriving(
                known.name, known.file, known.length if length is None else length, known.began
            )
        if known.length is not None and known.length > self._settings.max_file_bytes:
            raise TooLargeError(_too_large(self._settings))
        _write_json(self._folder(dataset_id, part) / "upload.json", known)
        return known


class Writer:
    """Appends to a file."""

    def __init__(self, path: Path, known: Arriving, settings: PlatformSettings) -> None:
        self._path, self._known, self._settings = path, known, settings
        self._file: BinaryIO = path.open("ab")
        self.offset = self._file.tell()
        self._checked = self.offset > 0

    def reserve(self, wanted: int) -> None:
        """Check that there is room for so many bytes.

        Raises:
            DiskFullError: there is not.
        """
        free = shutil.disk_usage(self._path.parent).free - self._settings.min_free_bytes
        if wanted > free:
            raise DiskFullError("the disk has no room for this file: ask the operator")

    def write(self, chunk: bytes) -> None:
        """Add bytes.

        Raises:
            UploadError: the file grows too large, or is not what its name says.
        """
        after = self.offset + len(chunk)
        if after > self._settings.max_file_bytes:
            raise TooLargeError(_too_large(self._settings))
        if self._known.length is not None and after > self._known.length:
            raise UploadError(f"more bytes came than Upload-Length said ({self._known.length})")
        if not self._checked and len(chunk) >= 4:
            check_content(self._known.file, chunk[:_LOOKED_AT])
            self._checked = True
        self.reserve(len(chunk))
        self._file.write(chunk)
        self._file.flush()
        self.offset = after

    def close(self) -> None:
        """Write everything to the disk; a second call does nothing."""
        if self._file.closed:
            return
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()


def check_content(file: str, head: bytes) -> None:
    """Check that a file begins as its ending says.

    Raises:
        UploadError: it does not.
    """
    ending = file.rpartition(".")[2]
    magic = _MAGIC.get(ending)
    if magic is not None:
        if not head.startswith(magic):
            raise UploadError(f"the file is called .{ending} and does not begin like one")
    elif b"\0" in head and not head.startswith(_WIDE_TEXT):
        raise UploadError(f"the file is called .{ending} and is not text")


def _too_large(settings: PlatformSettings) -> str:
    return f"a file may have at most {settings.max_file_bytes} bytes"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock a folder against the other requests of every process."""
    with FileLock.on(folder / "lock") as lock:
        if not lock.attempt():
            raise BusyError("another request is uploading this file")
        try:
            yield
        finally:
            # Closing alone would not do: a process that is just being started holds a copy.
            lock.release()


def _write_json(path: Path, known: Arriving) -> None:
    with replacing_file(path, fsync=True) as scratch:
        scratch.write_text(json.dumps(asdict(known)), encoding="utf-8")
