"""A cache of vectors on disk: by content, for several processes, with a size limit.

One SQLite database in write-ahead mode. A vector is found by the SHA-256 of its backbone's
reference and of the text or picture, so that other weights or another precision never answer. The
vectors that were not asked for the longest are dropped when the database grows above the limit.

Legend: N contents, D dimensions.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import numpy as np

from crisol.core.arrays import Floats
from crisol.core.backbone_reference import BackboneReference
from crisol.core.backbones import store

LIMIT_BYTES = 1 << 30
_WAIT_S = 30.0
_ASKED_AT_ONCE = 500
_PAGES = ("page_count", "page_size")
_KEPT_SHARE = 0.8
"""Share of the limit that remains after vectors were dropped."""

logger = logging.getLogger(__name__)


class EmbeddingCache:
    """Vectors by the content they were computed from.

    Args:
        path: of the database; made if missing. A damaged one is replaced.
        limit_bytes: of the vectors together.
    """

    def __init__(self, path: Path | None = None, limit_bytes: int = LIMIT_BYTES) -> None:
        self.path = path or store.root() / "embeddings.sqlite3"
        self.limit_bytes = limit_bytes
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._create()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            logger.warning("the cache of embeddings %s is damaged and is made anew", self.path)
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)
            self._create()

    def vectors(
        self,
        reference: BackboneReference,
        contents: Sequence[bytes],
        compute: Callable[[list[int]], Floats],
    ) -> Floats:
        """[N, D] float32, from the cache or computed now and kept.

        Args:
            reference: of the backbone that computes them.
            contents: what each vector is computed from; equal ones are computed once.
            compute: called with the places of the contents that are missing, each content once;
                returns their vectors [M, D].
        """
        keys = [_key(reference, content) for content in contents]
        found = self._read(sorted(set(keys)))
        missing: dict[bytes, int] = {}
        for place, key in enumerate(keys):
            if key not in found:
                missing.setdefault(key, place)
        if missing:
            computed = np.ascontiguousarray(compute(list(missing.values())), np.float32)
            fresh = dict(zip(missing, computed, strict=True))
            self._write(fresh)
            found |= fresh
        return np.stack([found[key] for key in keys]) if keys else np.zeros((0, 0), np.float32)

    def size_bytes(self) -> int:
        """Of the kept vectors together."""
        with closing(self._open()) as database:
            row = database.execute(
                "SELECT coalesce(sum(length(vector)), 0) FROM vectors"
            ).fetchone()
        return int(row[0])

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=_WAIT_S)

    def _create(self) -> None:
        with closing(self._open()) as database, database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute(
                "CREATE TABLE IF NOT EXISTS vectors "
                "(key BLOB PRIMARY KEY, vector BLOB NOT NULL, asked REAL NOT NULL) WITHOUT ROWID"
            )
            database.execute("CREATE INDEX IF NOT EXISTS by_age ON vectors (asked)")

    def _read(self, keys: Sequence[bytes]) -> dict[bytes, Floats]:
        found: dict[bytes, Floats] = {}
        with closing(self._open()) as database, database:
            for start in range(0, len(keys), _ASKED_AT_ONCE):
                some = keys[start : start + _ASKED_AT_ONCE]
                marks = ",".join("?" * len(some))
                rows = database.execute(
                    f"SELECT key, vector FROM vectors WHERE key IN ({marks})",  # noqa: S608
                    some,
                ).fetchall()
                found |= {key: np.frombuffer(vector, np.float32) for key, vector in rows}
                if rows:
                    database.execute(
                        f"UPDATE vectors SET asked = ? WHERE key IN ({marks})",  # noqa: S608
                        [time.time(), *some],
                    )
        return found

    def _write(self, fresh: dict[bytes, Floats]) -> None:
        now = time.time()
        with closing(self._open()) as database, database:
            database.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
                [(key, vector.tobytes(), now) for key, vector in fresh.items()],
            )
        # The sum reads the whole database; its pages, which are counted already, are no fewer.
        if self._page_bytes() > self.limit_bytes and self.size_bytes() > self.limit_bytes:
            self._drop()

    def _page_bytes(self) -> int:
        with closing(self._open()) as database:
            sizes = [database.execute(f"PRAGMA {name}").fetchone()[0] for name in _PAGES]
        return int(sizes[0] * sizes[1])

    def _drop(self) -> None:
        """Drop the vectors that were not asked for the longest."""
        with closing(self._open()) as database, database:
            database.execute(
                "DELETE FROM vectors WHERE key IN (SELECT key FROM (SELECT key, "
                "sum(length(vector)) OVER (ORDER BY asked DESC, key) AS total FROM vectors) "
                "WHERE total > ?)",
                [int(self.limit_bytes * _KEPT_SHARE)],
            )


def _key(reference: BackboneReference, content: bytes) -> bytes:
    head = f"{reference.digest}\0{reference.precision}\0".encode()
    return sha256(head + content).digest()
