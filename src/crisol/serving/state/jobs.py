"""Background jobs that survive a restart: their items, the workers' claims, the results.

A job is a list of items of one kind, each worked on by itself. Items and results are bytes here;
their meaning is known to the runner (:mod:`crisol.serving.state.job_runner`).

- A worker *takes* some items, works, and *settles* them, one commit each. It owns the items as long
  as its process lives: the lease is a file lock, which ends with the process and not by the clock.
  The next worker frees the items of a dead one, and only a live owner may settle, so that no result
  is stored twice.
- An item during which processes died ``MAX_ATTEMPTS`` times fails; after the first time it is
  tried alone, so that no other item is lost with it.
- Results belong to the ``version`` that made them. An unfinished job that a worker of another
  version finds untouched for ``ORPHAN_S`` begins anew with that version: no job mixes two.
- Results are cached by the content of their items, for as long as results are kept at all.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self
from uuid import uuid4

from crisol.serving.http.config import Settings
from crisol.serving.http.errors import ApiError
from crisol.serving.state import job_rows
from crisol.serving.state.job_rows import (
    SECOND_US,
    Claim,
    ItemRow,
    ItemState,
    JobRow,
    ResultsQuery,
    Settled,
    Taken,
    job_row,
    now_us,
    row_of_caller,
)
from crisol.serving.state.leases import Leases
from crisol.serving.state.state_file import StateFile

__all__ = [
    "BackgroundJobStore", "Claim", "ItemRow", "JobRow", "ResultsQuery", "Settled", "Taken",
]  # fmt: skip

ORPHAN_S = 30.0
REMEMBER_S = 30 * 86_400.0
"""How long a job is remembered after its results are deleted."""


class BackgroundJobStore(StateFile):
    """The jobs of one family.

    Args:
        path: path of the file.
        settings: the limits, and how long results are kept.
    """

    file = "jobs.sqlite3"
    content = "jobs"
    application = 0x43524A42  # "CRJB"
    schema = job_rows.SCHEMA

    def __init__(self, path: Path, settings: Settings | None = None) -> None:
        super().__init__(path)
        self._settings = settings or Settings()
        self._ttl_us = int(self._settings.results_ttl_s * SECOND_US)
        with self._lock.held():
            self._leases = Leases(path)

    @classmethod
    def of_family(cls, family: str, settings: Settings) -> Self:
        """The store of one family under ``CRISOL_STATE_DIR``.

        Raises:
            ConfigurationError: see :class:`~crisol.serving.state.state_file.StateFile`.
        """
        return cls(cls.path_of(family, settings), settings)

    # -- for clients -------------------------------------------------------------------------------

    def create(
        self, kind: str, caller: str, payloads: Sequence[bytes], *, version: str, made_by: str
    ) -> JobRow:
        """Store a job; it is on the disk when this returns.

        Args:
            kind: the kind of runner that works on it.
            caller: the owner; nobody else can see it.
            payloads: the items.
            version: version of the model that will make the results.
            made_by: the same version for people, such as a number in the registry.

        Raises:
            ApiError: 429 when the caller has too many unfinished jobs, 503 when too much waits or
                nothing can be stored.
        """
        now, size = now_us(), sum(map(len, payloads))
        with self.write() as writer:
            self._check_room(writer, caller, size)
            job = writer.execute(
                "INSERT INTO jobs (job_id, kind, caller, version, made_by, state, total, bytes,"
                " created_us, touched_us) VALUES (?, ?, ?, ?, ?, 'waiting', ?, ?, ?, ?)",
                (uuid4().hex, kind, caller, version, made_by, len(payloads), size, now, now),
            ).lastrowid
            writer.executemany(
                "INSERT INTO items (job, position) VALUES (?, ?)",
                [(job, position) for position in range(len(payloads))],
            )
            writer.executemany(
                "INSERT INTO payloads (job, position, payload) VALUES (?, ?, ?)",
                [(job, position, payload) for position, payload in enumerate(payloads)],
            )
            return job_row(writer, job)

    def _check_room(self, writer: sqlite3.Connection, caller: str, size: int) -> None:
        waiting = writer.execute(
            "SELECT count(*) FROM jobs WHERE expires_us IS NULL AND caller = ?", (caller,)
        ).fetchone()[0]
        if waiting >= self._settings.max_jobs:
            raise ApiError(
                429,
                f"{waiting} of your jobs are not finished yet; wait for one or cancel it.",
                code="too_many_jobs",
                headers={"retry-after": "10"},
            )
        held = writer.execute(
            "SELECT coalesce(sum(bytes), 0) FROM jobs WHERE expires_us IS NULL"
        ).fetchone()[0]
        if held + size > self._settings.max_jobs_bytes:
            raise ApiError(
                503,
                "Too much is waiting to be worked on; try again later.",
                code="overloaded",
                headers={"retry-after": "60"},
            )

    def get(self, job_id: str, caller: str) -> JobRow:
        """A job and its progress.

        Raises:
            ApiError: 404 when the caller has no such job or its results are deleted, 503.
        """
        with self.read() as reader:
            return row_of_caller(reader, job_id, caller)

    def results(
        self, job_id: str, caller: str, page: ResultsQuery
    ) -> tuple[JobRow, list[ItemRow], int]:
        """Some results in the order of the items, and the position to ask on from.

        They end before the first item of an unfinished job that has no result yet, so that
        a caller that asks on from there misses nothing. In a cancelled job items without a result
        are left out.

        Raises:
            ApiError: as :meth:`get`.
        """
        end = page.position + page.limit
        with self.read() as reader:
            reader.execute("BEGIN")
            try:
                row = row_of_caller(reader, job_id, caller)
                rows = reader.execute(
                    "SELECT position, result, error, field, state FROM items WHERE job = ? AND"
                    " position >= ? AND position < ? ORDER BY position",
                    (row.job, page.position, end),
                ).fetchall()
            finally:
                reader.execute("COMMIT")
        items: list[ItemRow] = []
        for *values, state in rows:
            if state in (ItemState.DONE, ItemState.FAILED):
                items.append(ItemRow._make(values))
            elif row.state != "cancelled":
                return row, items, values[0]
        return row, items, min(end, row.total)

    def cancel(self, job_id: str, caller: str) -> JobRow:
        """Cancel the rest of a job. A finished job stays as it is.

        Raises:
            ApiError: as :meth:`get`.
        """
        with self.write() as writer:
            row = row_of_caller(writer, job_id, caller)
            if row.expires_us is not None:
                return row
            job_rows.end(writer, row.job, "cancelled", self._ttl_us)
            return job_row(writer, row.job)

    # -- for workers -------------------------------------------------------------------------------

    def take(self, kind: str, version: str, limit: int, made_by: str = "") -> Claim | None:
        """Up to ``limit`` items of the job that was worked on longest ago; ``None``: nothing waits.

        Raises:
            ApiError: 503.
        """
        with self.read() as reader:
            open_job = "SELECT 1 FROM jobs WHERE expires_us IS NULL AND kind = ? LIMIT 1"
            if reader.execute(open_job, (kind,)).fetchone() is None:
                return None
        with self.write() as writer:
            job_rows.give_back(writer, self._leases, self._ttl_us)
            orphaned = now_us() - int(ORPHAN_S * SECOND_US)
            found = writer.execute(
                "SELECT job, version FROM jobs WHERE expires_us IS NULL AND kind = ?"
                " AND EXISTS (SELECT 1 FROM items WHERE items.job = jobs.job AND items.state = 0)"
                " AND (version = ? OR touched_us < ? AND NOT EXISTS"
                "  (SELECT 1 FROM items WHERE items.job = jobs.job AND items.state = 1))"
                " ORDER BY touched_us, job LIMIT 1",
                (kind, version, orphaned),
            ).fetchone()
            if found is None:
                return None
            job, made_for = found
            if made_for != version:
                job_rows.begin_anew(writer, job, version, made_by)
            items = job_rows.first_waiting(writer, job, limit)
            self._mark_taken(writer, job, items)
            return Claim(job, items)

    def _mark_taken(self, writer: sqlite3.Connection, job: int, items: Sequence[Taken]) -> None:
        writer.executemany(
            "UPDATE items SET state = 1, owner = ?, attempts = attempts + 1"
            " WHERE job = ? AND position = ?",
            [(self._leases.name, job, one.position) for one in items],
        )
        writer.execute(
            "UPDATE jobs SET state = 'running', touched_us = ? WHERE job = ?", (now_us(), job)
        )

    def settle(self, claim: Claim, version: str, settled: Sequence[Settled]) -> None:
        """Store the outcome of some of the claim's items.

        Items that are no longer this worker's, as after a cancellation, are left as they are.

        Raises:
            ApiError: 503, nothing was stored.
        """
        now = now_us()
        with self.write() as writer:
            counts = dict.fromkeys(("done", "failed", "cached"), 0)
            for one in settled:
                failed = one.result is None
                state = ItemState.FAILED if failed else ItemState.DONE
                outcome = (state, one.result, one.error, one.field)
                changed = writer.execute(
                    "UPDATE items SET state = ?, owner = NULL, result = ?, error = ?, field = ?"
                    " WHERE job = ? AND position = ? AND state = 1 AND owner = ?",
                    (*outcome, claim.job, one.position, self._leases.name),
                ).rowcount
                counts["failed" if failed else "done"] += changed
                counts["cached"] += changed and one.cached
            writer.executemany(
                "INSERT INTO cache (version, key, result, used_us) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (version, key) DO UPDATE SET used_us = excluded.used_us",
                [(version, o.key, o.result, now) for o in settled if o.key and o.result],
            )
            job_rows.count(writer, claim.job, self._ttl_us, **counts)

    def release(self, claim: Claim) -> None:
        """Free the items of a claim that are not settled, as if they had not been taken.

        Raises:
            ApiError: 503.
        """
        with self.write() as writer:
            writer.executemany(
                "UPDATE items SET state = 0, owner = NULL, attempts = attempts - 1"
                " WHERE job = ? AND position = ? AND state = 1 AND owner = ?",
                [(claim.job, one.position, self._leases.name) for one in claim.items],
            )

    def cached(self, version: str, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """The cached results of these keys.

        Raises:
            ApiError: 503.
        """
        known: dict[bytes, bytes] = {}
        with self.read() as reader:
            for key in keys:
                found = reader.execute(
                    "SELECT result FROM cache WHERE version = ? AND key = ?", (version, key)
                ).fetchone()
                if found is not None:
                    known[key] = found[0]
        return known

    def delete_expired(self) -> None:
        """Delete the results that have been kept long enough.

        Raises:
            ApiError: 503.
        """
        now = now_us()
        forgotten = now - int(REMEMBER_S * SECOND_US)
        with self.write() as writer:
            writer.execute(
                "DELETE FROM items WHERE job IN"
                " (SELECT job FROM jobs WHERE expires_us <= ? AND state != 'deleted')",
                (now,),
            )
            writer.execute(
                "UPDATE jobs SET state = 'deleted' WHERE expires_us <= ? AND state != 'deleted'",
                (now,),
            )
            writer.execute("DELETE FROM jobs WHERE expires_us <= ?", (forgotten,))
            writer.execute("DELETE FROM cache WHERE used_us <= ?", (now - self._ttl_us,))

    def close(self) -> None:
        """Close the file and end the lease."""
        self._leases.close()
        super().close()
