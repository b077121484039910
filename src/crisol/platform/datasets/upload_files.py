"""The files of unfinished uploads: their names, errors, facts, and the bytes that arrive."""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from crisol.core.files import replacing_file
from crisol.core.locks import FileLock
from crisol.platform.datasets.dataset import Part, StoredFile
from crisol.platform.settings import PlatformSettings

FORMATS = {
    "csv": "csv", "tsv": "csv", "txt": "csv", "data": "csv", "test": "csv",
    "json": "json", "jsonl": "jsonl", "ndjson": "jsonl", "parquet": "parquet", "zip": "zip",
}  # fmt: skip
"""The ending of a file's name to the ending it is stored under."""
PACKED = "gz"
"""May stand behind the ending of a table."""
_MAGIC = {"parquet": b"PAR1", "zip": b"PK\x03\x04", PACKED: b"\x1f\x8b"}
_WIDE_TEXT = (b"\xff\xfe", b"\xfe\xff")
"""How UTF-16 begins; any other text has no zero bytes."""
LOOKED_AT = 4096
PARTS: tuple[Part, ...] = ("all", "train", "test")
FACTS = "upload.json"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FULL = "the disk has no room for this file: ask the operator, and go on later"


class UploadError(ValueError):
    """A file that is refused; the message says why. The bytes that had arrived are removed."""


class TooLargeError(UploadError):
    """The file is larger than the platform takes."""


class UnwantedError(UploadError):
    """The dataset does not take this file.

    Attributes:
        code: ``dataset_closed``, ``file_there`` or ``parts_mixed``.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class UnfinishedError(UploadError):
    """A file that cannot be written now; the bytes that had arrived stay."""


class DiskFullError(UnfinishedError):
    """The file would not leave enough room on the disk."""


class BusyError(UnfinishedError):
    """Another request is writing the same file."""


class OffsetError(UnfinishedError):
    """The offset of the request is not the size of the file so far.

    Attributes:
        offset: where it ends.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True)
class Upload:
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


@dataclass(frozen=True)
class FileProgress:
    """How much of a file has arrived.

    Attributes:
        part: what it holds.
        name: what the client called it.
        offset: bytes that have arrived.
        length: bytes there will be, if it is known.
        complete: whether it is attached to its dataset.
        sha256: of a complete file.
    """

    part: Part
    name: str
    offset: int
    length: int | None
    complete: bool = False
    sha256: str = ""

    @classmethod
    def of(cls, file: StoredFile) -> Self:
        """A file that is attached."""
        return cls(file.part, file.name, file.bytes, file.bytes, True, file.sha256)


def kept_name(part: Part, name: str) -> str:
    """The name under which a file is stored.

    Raises:
        UploadError: its name does not end as one of the formats.

    >>> kept_name("train", "Adult.DATA")
    'train.csv'
    >>> kept_name("test", "rows.ndjson.gz")
    'test.jsonl.gz'
    """
    plain = name.lower().removesuffix(f".{PACKED}")
    packed = plain != name.lower()
    ending = FORMATS.get(plain.rpartition(".")[2]) if "." in plain else None
    if ending is None or (packed and ending == "zip"):
        known = ", ".join(f".{e}" for e in FORMATS)
        raise UploadError(
            f"the name must end as a known format does: {known}; a table may be packed (.csv.gz)"
        )
    return f"{part}.{ending}.{PACKED}" if packed else f"{part}.{ending}"


class Writer:
    """Appends to a file; as a context manager it closes it.

    Attributes:
        offset: bytes that the file has.
    """

    def __init__(self, part: Part, path: Path, upload: Upload, settings: PlatformSettings) -> None:
        self._part, self._upload, self._settings = part, upload, settings
        self._file = path.open("ab", buffering=0)
        self._begin = self.offset = self._file.tell()
        self._checked = self.offset > 0

    @property
    def progress(self) -> FileProgress:
        """How much has arrived."""
        return FileProgress(self._part, self._upload.name, self.offset, self._upload.length)

    def write(self, chunk: bytes) -> None:
        """Add bytes.

        Raises:
            UploadError: the file grows too large, or is not what its name says.
            OSError: they cannot be written.
        """
        after = self.offset + len(chunk)
        if after > self._settings.max_file_bytes:
            raise TooLargeError(too_large(self._settings))
        if self._upload.length is not None and after > self._upload.length:
            raise UploadError(f"more bytes came than Upload-Length said ({self._upload.length})")
        if not self._checked and len(chunk) >= 4:
            check_content(self._upload.file, chunk[:LOOKED_AT])
            self._checked = True
        reserve(len(chunk), self._settings)
        rest = memoryview(chunk)
        while rest:
            written = self._file.write(rest)
            self.offset += written
            rest = rest[written:]

    def close(self) -> None:
        """Write everything to the disk; a second call does nothing.

        Raises:
            OSError: the disk did not take it; the bytes of this writer are removed.
        """
        if self._file.closed:
            return
        with self._file:
            try:
                os.fsync(self._file.fileno())
            except OSError:
                self._file.truncate(self._begin)
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


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


def too_large(settings: PlatformSettings) -> str:
    """The reason why a file is refused that is too large."""
    return f"a file may have at most {settings.max_file_bytes} bytes"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Lock the folder of a part, made if missing, against the other requests of every process."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock.on(folder / "lock") as lock:
        if not lock.attempt():
            raise BusyError("another request is uploading this file")
        try:
            yield
        finally:
            # Closing alone would not do: a process that is just being started holds a copy.
            lock.release()


@contextmanager
def room() -> Iterator[None]:
    """Turn the errors of a full disk into one of ours.

    Raises:
        DiskFullError: there was no room.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise DiskFullError(FULL) from error


def free_bytes(settings: PlatformSettings) -> int:
    """The room on the disk that uploads may take."""
    return shutil.disk_usage(settings.state_dir).free - settings.min_free_bytes


def reserve(wanted: int, settings: PlatformSettings) -> None:
    """Check that there is room for so many bytes."""
    if wanted > free_bytes(settings):
        raise DiskFullError(FULL)


def write_facts(folder: Path, upload: Upload) -> None:
    """Write what is known about an upload beside its bytes."""
    with replacing_file(folder / FACTS, fsync=True) as scratch:
        scratch.write_text(json.dumps(asdict(upload)), encoding="utf-8")
