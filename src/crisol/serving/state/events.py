"""The events since training, kept on disk in a file that every worker shares.

An event that was acknowledged is on the disk, and the next read of any worker sees it
(:mod:`crisol.serving.state.state_file`). Writes of all requests that wait meanwhile share one
commit (see :class:`crisol.serving.service.answering.Ask`), so that the flush is paid once for all
of them.

Forget a user with ``DELETE``.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from crisol.serving.state.state_file import StateFile

_SCHEMA = """
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
CREATE UNIQUE INDEX events_once ON events (user_id, item_id, time_us, type) WHERE timed
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
    """An event as a client sends it.

    Attributes:
        user_id: the user of the event.
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


class EventStore(StateFile):
    """The events of one family, in the order of their time and then of their arrival."""

    file = "events.sqlite3"
    content = "events"
    application = 0x43524556  # "CREV"
    schema = _SCHEMA

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
        with self.write() as writer:
            for batch in batches:
                rows = [_row(event, now) for event in batch]
                counts.append(writer.executemany(_INSERT, rows).rowcount)
        return counts

    def newest(self, user_id: str, limit: int) -> list[StoredEvent]:
        """The newest events of a user, at most ``limit``, oldest first.

        Raises:
            ApiError: 503, the file cannot be read.
        """
        with self.read() as reader:
            rows = reader.execute(_NEWEST, (user_id, limit)).fetchall()
        return [StoredEvent._make(row) for row in reversed(rows)]


def _row(event: NewEvent, now_us: int) -> tuple[str, str, int, str, float, bool]:
    timed = event.time_us is not None
    at = event.time_us if event.time_us is not None else now_us
    return (event.user_id, event.item_id, at, event.type, event.weight, timed)
