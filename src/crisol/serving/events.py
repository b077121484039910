"""What happened since training, kept on disk: an append-only SQLite file that every worker shares.

An event that was acknowledged is on the disk, and the next read of any worker sees it:

- WAL mode: readers never wait for the writer, a killed process leaves nothing half-written, and the
  next one to open the file recovers what was committed.
- ``synchronous=FULL``: each commit is flushed to the disk before it returns. ``NORMAL`` would
  survive a killed process too, but a power cut could take events back that were acknowledged.
- Writes of all requests that wait meanwhile share one commit (see
  :class:`crisol.serving.endpoints.Ask`), so that the flush is paid once for all of them.

The file is plain SQLite: back it up with ``VACUUM INTO``, forget a user with ``DELETE``.
"""

import logging
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from crisol.serving.building import bento_home
from crisol.serving.config import STATE_FOLDER, ConfigurationError, Settings
from crisol.serving.errors import ApiError
from crisol.serving.turns import Turns

_log = logging.getLogger("crisol.serving")

FILE = "events.sqlite3"
_APPLICATION = 0x43524556  # "CREV"
_VERSION = 1
_BUSY_S = 1.0
"""How long is waited for whoever holds the file and is no worker, such as a person's query."""
_SCHEMA = f"""
CREATE TABLE events (
    arrival INTEGER PRIMARY KEY,
    user_id TEXT NOT NULL,
    item_id TEXT NOT NULL,
    time_us INTEGER NOT NULL,
    type TEXT NOT NULL,
    weight REAL NOT NULL,
    timed INTEGER NOT NULL
) STRICT;
CREATE INDEX events_of_user ON events (user_id, time_us);
CREATE UNIQUE INDEX events_once ON events (user_id, item_id, time_us, type) WHERE timed;
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
"""
_INSERT = """
INSERT INTO events (user_id, item_id, time_us, type, weight, timed) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""
_NEWEST = """
SELECT item_id, time_us, type, weight FROM events WHERE user_id = ?
ORDER BY time_us DESC, arrival DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """What a client tells.

    Attributes:
        user_id: whose event.
        item_id: the item.
        time_us: microseconds since 1970 (UTC); ``None``: the client did not say, so the time is
            that of arrival, and the event is never taken for a duplicate.
        type: such as ``purchase``; empty where the client did not say.
        weight: how much it counts.
    """

    user_id: str
    item_id: str
    time_us: int | None
    type: str
    weight: float


class StoredEvent(NamedTuple):
    """One event of a user, see :class:`NewEvent`."""

    item_id: str
    time_us: int
    type: str
    weight: float


class EventStore:
    """The events of one family, in the order of their time and then of their arrival.

    Reads and writes use a connection each, so that a read never waits for a commit of this process
    either. Reads take turns: two at once on one connection would share the snapshot of the first,
    and the second could miss what was acknowledged meanwhile. Any thread may read or write.

    Args:
        path: of the file; made, with its folder, when it is not there.

    Raises:
        ConfigurationError: it cannot be read and written here, is damaged, or holds something else;
            the message says what and where.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reading, self._writing = Lock(), Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._turns = Turns(path)
            with self._turns.mine():
                self._writer = _connect(path)
                _check(self._writer)
                self._reader = _connect(path)
            self._identity = _identity(path)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(
                f"CRISOL_STATE_DIR: events cannot be kept in {path}: {_reason(error)}"
            ) from error

    @classmethod
    def of_family(cls, family: str, settings: Settings) -> "EventStore":
        """The store of one family under ``CRISOL_STATE_DIR``.

        Raises:
            ConfigurationError: see the class.
        """
        folder = settings.state_dir or bento_home() / STATE_FOLDER
        return cls(folder.absolute() / family / FILE)

    def append(self, batches: Sequence[Sequence[NewEvent]]) -> list[int]:
        """Store every event of every batch that is not there yet, all in one commit.

        An event with the user, item, time and type of another is a duplicate and changes nothing,
        so that a client may send again what it is not sure of.

        Returns:
            How many events of each batch were new. They are on the disk.

        Raises:
            ApiError: 503, nothing was stored.
        """
        now = time.time_ns() // 1000
        counts: list[int] = []
        try:
            self._check_there()
            with self._writing, self._turns.mine(), self._writer:
                self._writer.execute("BEGIN IMMEDIATE")
                for batch in batches:
                    rows = [_row(event, now) for event in batch]
                    counts.append(self._writer.executemany(_INSERT, rows).rowcount)
        except (sqlite3.Error, OSError) as error:
            raise _unavailable("stored", error) from error
        return counts

    def newest(self, user_id: str, limit: int) -> list[StoredEvent]:
        """The newest events of a user, at most ``limit``, oldest first.

        Raises:
            ApiError: 503, the file cannot be read.
        """
        try:
            self._check_there()
            with self._reading:
                rows = self._reader.execute(_NEWEST, (user_id, limit)).fetchall()
        except (sqlite3.Error, OSError) as error:
            raise _unavailable("read", error) from error
        return [StoredEvent._make(row) for row in reversed(rows)]

    def _check_there(self) -> None:
        """SQLite would go on with a file that was removed, and lose what it writes at the end."""
        if _identity(self.path) != self._identity:
            raise sqlite3.OperationalError("the file was replaced while the service ran")

    def close(self) -> None:
        """Let go of the file."""
        self._reader.close()
        self._writer.close()
        self._turns.close()


def _row(event: NewEvent, now_us: int) -> tuple[str, str, int, str, float, bool]:
    timed = event.time_us is not None
    at = event.time_us if event.time_us is not None else now_us
    return (event.user_id, event.item_id, at, event.type, event.weight, timed)


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


def _check(connection: sqlite3.Connection) -> None:
    """See that the file can be written, is of this version (a new one is made so) and whole."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")  # of several workers, one makes it
        _prepare(connection)
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(f"it is damaged: {found}")


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables of a new file; refuse a file of another kind or version."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if (application, version) == (_APPLICATION, _VERSION):
        return
    if application == _APPLICATION:
        raise sqlite3.DatabaseError(
            f"it has version {version}, this service knows {_VERSION}; serve it with the Crisol "
            "that wrote it"
        )
    if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        raise sqlite3.DatabaseError("it is a database of something else")
    for statement in _SCHEMA.split(";"):
        connection.execute(statement)


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _unavailable(what: str, error: Exception) -> ApiError:
    _log.error("events cannot be %s", what, extra={"fields": {"reason": _reason(error)}})
    return ApiError(
        503,
        f"Events cannot be {what} now; try again later.",
        code="state_unavailable",
        headers={"retry-after": "1"},
    )
