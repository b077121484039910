"""The tables of background jobs (:mod:`crisol.serving.state.jobs`) and the statements on them.

The functions run inside a transaction of the caller.
"""

import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import NamedTuple

from pydantic import Field

from crisol.core.contract import Contract
from crisol.serving.http.errors import ApiError
from crisol.serving.state.leases import Leases

MAX_ATTEMPTS = 5
MAX_TAKEN_BYTES = 32 * 1024 * 1024
"""Input that is taken at once."""
SECOND_US = 1_000_000
SCHEMA = """
CREATE TABLE jobs (
    job INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    caller TEXT NOT NULL,
    version TEXT NOT NULL,
    made_by TEXT NOT NULL,
    state TEXT NOT NULL,
    total INTEGER NOT NULL,
    done INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    cached INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL,
    created_us INTEGER NOT NULL,
    touched_us INTEGER NOT NULL,
    expires_us INTEGER
) STRICT;
CREATE INDEX jobs_open ON jobs (kind, touched_us) WHERE expires_us IS NULL;
CREATE INDEX jobs_expiring ON jobs (expires_us) WHERE expires_us IS NOT NULL;
CREATE TABLE items (
    job INTEGER NOT NULL,
    position INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    owner TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    result BLOB,
    error TEXT,
    field TEXT,
    PRIMARY KEY (job, position)
) STRICT;
CREATE INDEX items_waiting ON items (job, position) WHERE state = 0;
CREATE INDEX items_taken ON items (owner) WHERE state = 1;
CREATE TABLE payloads (
    job INTEGER NOT NULL,
    position INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (job, position)
) STRICT;
CREATE TABLE cache (
    version TEXT NOT NULL, key BLOB NOT NULL, result BLOB NOT NULL, used_us INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX cache_once ON cache (version, key);
CREATE INDEX cache_used ON cache (used_us)
"""
_SELECT_JOB = """
SELECT job, job_id, state, total, done, failed, cached, created_us, expires_us, made_by FROM jobs
"""


class ItemState(IntEnum):
    """State of an item."""

    WAITING = 0
    TAKEN = 1
    DONE = 2
    FAILED = 3


class ResultsQuery(Contract):
    """The page of results that is asked for: ``?position=0&limit=200``."""

    position: int = Field(default=0, ge=0, le=1_000_000_000)
    limit: int = Field(default=200, ge=1, le=1000)


class JobRow(NamedTuple):
    """A job and its progress; times count microseconds since 1970."""

    job: int
    job_id: str
    state: str
    total: int
    done: int
    failed: int
    cached: int
    created_us: int
    expires_us: int | None
    made_by: str


class ItemRow(NamedTuple):
    """The outcome of one item: a result, or an error and perhaps the field that caused it."""

    position: int
    result: bytes | None
    error: str | None
    field: str | None


@dataclass(frozen=True, slots=True)
class Taken:
    """An item that one worker has claimed."""

    position: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """Items of one job."""

    job: int
    items: tuple[Taken, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """The outcome of an item.

    Attributes:
        position: position of the item in its job.
        result: ``None``: it failed.
        error: the reason of a failure.
        field: the field that caused it.
        key: key of the content, under which the result is cached.
        cached: whether the result came from the cache.
    """

    position: int
    result: bytes | None
    error: str | None = None
    field: str | None = None
    key: bytes | None = None
    cached: bool = False


def first_waiting(writer: sqlite3.Connection, job: int, limit: int) -> tuple[Taken, ...]:
    """Items with their payloads; one that was interrupted before comes alone."""
    rows = writer.execute(
        "SELECT position, payload, attempts FROM items JOIN payloads USING (job, position)"
        " WHERE job = ? AND state = 0 ORDER BY position LIMIT ?",
        (job, limit),
    )
    taken: list[Taken] = []
    size = 0
    for position, payload, attempts in rows:
        size += len(payload)
        if taken and (attempts or size > MAX_TAKEN_BYTES):
            break
        taken.append(Taken(position, payload))
        if attempts:
            break
    return tuple(taken)


def begin_anew(writer: sqlite3.Connection, job: int, version: str, made_by: str) -> None:
    """Drop the results that another version made for a job."""
    writer.execute(
        "UPDATE items SET attempts = CASE state WHEN 0 THEN attempts ELSE 0 END, state = 0,"
        " owner = NULL, result = NULL, error = NULL, field = NULL WHERE job = ?",
        (job,),
    )
    writer.execute(
        "UPDATE jobs SET version = ?, made_by = ?, done = 0, failed = 0, cached = 0 WHERE job = ?",
        (version, made_by, job),
    )


def give_back(writer: sqlite3.Connection, leases: Leases, ttl_us: int) -> None:
    """Free the items that workers had claimed which are gone."""
    owners = writer.execute("SELECT DISTINCT owner FROM items WHERE state = 1").fetchall()
    for (owner,) in owners:
        if leases.alive(owner):
            continue
        lost = writer.execute(
            "SELECT job, position FROM items WHERE state = 1 AND owner = ? AND attempts >= ?",
            (owner, MAX_ATTEMPTS),
        ).fetchall()
        message = f"the service was interrupted {MAX_ATTEMPTS} times while it worked on this"
        for job, position in lost:
            writer.execute(
                "UPDATE items SET state = 3, owner = NULL, error = ?"
                " WHERE job = ? AND position = ?",
                (message, job, position),
            )
            count(writer, job, ttl_us, failed=1)
        writer.execute(
            "UPDATE items SET state = 0, owner = NULL WHERE state = 1 AND owner = ?", (owner,)
        )


def count(
    writer: sqlite3.Connection,
    job: int,
    ttl_us: int,
    *,
    done: int = 0,
    failed: int = 0,
    cached: int = 0,
) -> None:
    """Move the counters of an unfinished job on, and end it with its last item."""
    writer.execute(
        "UPDATE jobs SET done = done + ?, failed = failed + ?, cached = cached + ?, touched_us = ?"
        " WHERE job = ? AND expires_us IS NULL",
        (done, failed, cached, now_us(), job),
    )
    whole = "SELECT 1 FROM jobs WHERE job = ? AND expires_us IS NULL AND done + failed = total"
    if writer.execute(whole, (job,)).fetchone():
        end(writer, job, "done", ttl_us)


def end(writer: sqlite3.Connection, job: int, state: str, ttl_us: int) -> None:
    """End a job: delete its input; the results stay for a while."""
    now = now_us()
    writer.execute(
        "UPDATE jobs SET state = ?, touched_us = ?, expires_us = ? WHERE job = ?",
        (state, now, now + ttl_us, job),
    )
    writer.execute("UPDATE items SET state = 0, owner = NULL WHERE job = ? AND state = 1", (job,))
    writer.execute("DELETE FROM payloads WHERE job = ?", (job,))


def job_row(connection: sqlite3.Connection, job: int | None) -> JobRow:
    """The row of an existing job."""
    return JobRow._make(connection.execute(f"{_SELECT_JOB} WHERE job = ?", (job,)).fetchone())


def row_of_caller(connection: sqlite3.Connection, job_id: str, caller: str) -> JobRow:
    """A job of a caller.

    Raises:
        ApiError: 404 when there is none, or its results are deleted.
    """
    found = connection.execute(
        f"{_SELECT_JOB} WHERE job_id = ? AND caller = ?", (job_id, caller)
    ).fetchone()
    if found is None:
        raise ApiError(404, "There is no such job.")
    row = JobRow._make(found)
    if row.state == "deleted" or (row.expires_us is not None and row.expires_us <= now_us()):
        at = datetime.fromtimestamp((row.expires_us or 0) / SECOND_US, tz=UTC)
        raise ApiError(
            404, f"The results of this job were deleted at {at:%Y-%m-%d %H:%M} UTC.", code="expired"
        )
    return row


def now_us() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000
