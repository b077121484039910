"""A SQLite file that every worker of a service shares, and that is there after a restart.

An acknowledged write is on the disk, and the next read of any worker sees it:

- WAL mode: readers never wait for the writer, a killed process leaves nothing half-written, and the
  next one to open the file recovers what was committed.
- ``synchronous=FULL``: each commit is flushed to the disk before it returns. ``NORMAL`` would
  survive a killed process too, but a power cut could take back what was acknowledged.

The file is plain SQLite: back it up with ``VACUUM INTO``. It must lie on a local disk.
"""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import ClassVar, Self

from crisol.serving.bento_home import bento_home
from crisol.serving.http.config import STATE_FOLDER, ConfigurationError, Settings
from crisol.serving.http.errors import ApiError
from crisol.serving.state.fair_lock import FairLock

_log = logging.getLogger("crisol.serving")
_BUSY_S = 1.0
"""Seconds to wait for a process that holds the file and is no worker, such as a query by hand."""


class StateFile:
    """A SQLite file with the schema of its subclass.

    Reads and writes use a connection each, so that a read never waits for a commit of this process
    either. Reads follow one another: two at once on one connection would share the snapshot of the
    first, and the second could miss rows that were acknowledged meanwhile. Any thread may read or
    write.

    Args:
        path: path of the file; made, with its folder, when it is not there.

    Raises:
        ConfigurationError: it cannot be read and written here, is damaged, or holds something else;
            the message says what, and the log where.
    """

    file: ClassVar[str]
    """Name of the file."""
    content: ClassVar[str]
    """Name of its content in messages: ``events``."""
    application: ClassVar[int]
    """SQLite's application id."""
    version: ClassVar[int] = 1
    schema: ClassVar[str]
    """Statements that make the tables of a new file, separated by semicolons."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reading, self._writing = Lock(), Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FairLock(path)
            with self._lock.held():
                self._writer = _connect(path)
                self._check(self._writer)
                self._reader = _connect(path)
            self._identity = _identity(path)
        except (OSError, sqlite3.Error) as error:
            # Anybody may see why the service is not ready; the log alone names the path.
            _log.error(
                "%s cannot be kept",
                self.content,
                extra={"fields": {"path": str(path), "reason": _reason(error)}},
            )
            raise ConfigurationError(
                f"CRISOL_STATE_DIR: {self.content} cannot be kept there: {_reason(error)}"
            ) from error

    @classmethod
    def of_family(cls, family: str, settings: Settings) -> Self:
        """The file of one family under ``CRISOL_STATE_DIR``.

        Raises:
            ConfigurationError: see the class.
        """
        return cls(cls.path_of(family, settings))

    @classmethod
    def path_of(cls, family: str, settings: Settings) -> Path:
        """Path of the file of one family."""
        folder = settings.state_dir or bento_home() / STATE_FOLDER
        return folder.absolute() / family / cls.file

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is on the disk at the end of the block, or did not happen.

        Raises:
            ApiError: 503, nothing was stored.
        """
        try:
            self._check_there()
            with self._writing, self._lock.held(), self._writer:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
        except (sqlite3.Error, OSError) as error:
            raise self._unavailable("stored", error) from error

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection to read from, with the rows of every worker.

        Raises:
            ApiError: 503, the file cannot be read.
        """
        try:
            self._check_there()
            with self._reading:
                yield self._reader
        except (sqlite3.Error, OSError) as error:
            raise self._unavailable("read", error) from error

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
        self._writer.close()
        self._lock.close()

    def _check_there(self) -> None:
        """SQLite would go on with a file that was removed, and lose what it writes at the end."""
        if _identity(self.path) != self._identity:
            raise sqlite3.OperationalError("the file was replaced while the service ran")

    def _unavailable(self, what: str, error: Exception) -> ApiError:
        _log.error(
            "%s cannot be %s", self.content, what, extra={"fields": {"reason": _reason(error)}}
        )
        return ApiError(
            503,
            f"{self.content.capitalize()} cannot be {what} now; try again later.",
            code="state_unavailable",
            headers={"retry-after": "1"},
        )

    def _check(self, connection: sqlite3.Connection) -> None:
        """See that it can be written, is of this version (a new one is made so) and whole."""
        with connection:
            connection.execute("BEGIN IMMEDIATE")  # of several workers, one makes it
            self._prepare(connection)
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(f"it is damaged: {found}")

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make the tables of a new file; refuse a file of another kind or version."""
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if (application, version) == (self.application, self.version):
            return
        if application == self.application:
            raise sqlite3.DatabaseError(
                f"it has version {version}, this service knows {self.version}; serve it with the "
                "Crisol that wrote it"
            )
        if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            raise sqlite3.DatabaseError("it is a database of something else")
        for statement in self.schema.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {self.application}")
        connection.execute(f"PRAGMA user_version = {self.version}")


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
    )
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise sqlite3.OperationalError("the file system cannot share it (no WAL)")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
