"""The files behind one path: a folder's, or a zip's, which is read where it lies.

A zip is untrusted: no file is written to a path that it names, and its unpacked size is checked
before it is unpacked.
"""

import shutil
import stat
import tempfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath

from crisol.core.data.tables.table_file import PACKED, table_ending
from crisol.core.errors import MendableError

MAX_FILES = 500_000
MAX_BYTES = 8_000_000_000
"""Limit of the bytes of all files in a zip, unpacked."""
MAX_RATIO = 200
"""Limit of a file's unpacked size over its packed size. CSV and Parquet stay below 50."""
_RATIO_MATTERS = 1_000_000


class Files(ABC):
    """Files by their names: relative, with ``/``, sorted, without hidden ones."""

    path: Path
    names: tuple[str, ...]

    @abstractmethod
    def read(self, name: str, limit: int) -> bytes:
        """The bytes of a file.

        Raises:
            MendableError: it has more than ``limit`` bytes, or cannot be read.
            KeyError: there is no such file.
        """

    @abstractmethod
    def local(self, name: str) -> AbstractContextManager[Path]:
        """A path under which a file can be read for a while."""


class FolderFiles(Files):
    """The files of a folder."""

    def __init__(self, path: Path) -> None:
        """List the folder ``path``; links that lead out of it are not followed."""
        self.path, root = path, path.resolve()
        found = []
        for file in path.rglob("*"):
            name = file.relative_to(path).as_posix()
            if _is_shown(name) and file.is_file() and file.resolve().is_relative_to(root):
                found.append(name)
        self.names = tuple(sorted(found))
        self._known = frozenset(self.names)

    def read(self, name: str, limit: int) -> bytes:
        """See :meth:`Files.read`."""
        if name not in self._known:
            raise KeyError(name)
        file = self.path / name
        if file.stat().st_size > limit:
            raise MendableError(f"{file}: has more than {limit / 1e6:.0f} MB")
        return file.read_bytes()

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """See :meth:`Files.local`."""
        yield self.path / name


class ZipFiles(Files):
    """The files of a zip."""

    def __init__(self, path: Path) -> None:
        """List the zip ``path``.

        Raises:
            MendableError: it is none, is encrypted, has too many or too large files, or names one
                outside of itself.
        """
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise MendableError(f"{path}: is no zip that can be read: {error}") from error
        entries = [entry for entry in self._zip.infolist() if not entry.is_dir()]
        if len(entries) > MAX_FILES:
            raise MendableError(f"{path}: holds {len(entries):,} files; at most {MAX_FILES:,}")
        for entry in entries:
            _check(path, entry)
        total = sum(entry.file_size for entry in entries)
        if total > MAX_BYTES:
            raise MendableError(
                f"{path}: unpacks to {total / 1e9:.1f} GB; at most {MAX_BYTES / 1e9:.0f} GB"
            )
        self._entries = {entry.filename: entry for entry in entries if _is_shown(entry.filename)}
        self.names = tuple(sorted(self._entries))

    def read(self, name: str, limit: int) -> bytes:
        """See :meth:`Files.read`."""
        entry = self._entries[name]
        if entry.file_size > limit:
            raise MendableError(f"{self.path}, {name}: has more than {limit / 1e6:.0f} MB")
        try:
            return self._zip.read(entry)
        except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, ValueError) as error:
            raise MendableError(f"{self.path}, {name}: cannot be unpacked: {error}") from error

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """See :meth:`Files.local`."""
        with tempfile.TemporaryDirectory(prefix="crisol-") as folder:
            # Only the endings come from the zip, the table's and that of a packed one.
            packed_as = PurePosixPath(name).suffix if name.lower().endswith(PACKED) else ""
            target = Path(folder) / f"table{table_ending(name)}{packed_as}"
            try:
                with self._zip.open(self._entries[name]) as packed, target.open("wb") as stream:
                    shutil.copyfileobj(packed, stream, 1 << 20)
            except (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError) as error:
                raise MendableError(f"{self.path}, {name}: cannot be unpacked: {error}") from error
            yield target


def files(path: Path) -> Files:
    """The files of a folder or a zip.

    Raises:
        MendableError: see :class:`ZipFiles`.
    """
    return FolderFiles(path) if path.is_dir() else ZipFiles(path)


def _check(path: Path, entry: zipfile.ZipInfo) -> None:
    """Refuse an entry that is not a plain file inside of the zip, or hides its size."""
    name = entry.filename
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or "\\" in name or ":" in parts[0]:
        raise MendableError(f"{path}: names a file outside of itself ({name!r}); pack it again")
    mode = entry.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise MendableError(f"{path}: {name!r} is a link or a device; pack plain files only")
    if entry.flag_bits & 1:
        raise MendableError(f"{path}: {name!r} is encrypted; pack it without a password")
    if entry.file_size > max(_RATIO_MATTERS, MAX_RATIO * entry.compress_size):
        raise MendableError(
            f"{path}: {name!r} unpacks to {entry.file_size / 1e6:.0f} MB, more than {MAX_RATIO} "
            "times its packed size; pack it without such tricks"
        )


def _is_shown(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and not any(part.startswith(".") or part == "__MACOSX" for part in parts)
