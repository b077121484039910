"""Errors of a store that does not answer, or whose database is damaged, and what to say of them."""

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_SQLITE = "sqlite:///"


def is_away(error: BaseException) -> bool:
    """Whether an error means that the store does not answer now, and may answer later.

    It is a database or a tracking server that is down or starting, a connection that was cut, or
    a SQLite file that another process is writing.
    """
    if "mlflow.exceptions" not in sys.modules:  # nothing has called the store: save the import
        return False
    import requests
    from mlflow.exceptions import MlflowException
    from sqlalchemy import exc

    of_mlflow = False
    for cause in _causes(error):
        if isinstance(cause, exc.TimeoutError):
            return True  # no connection of the pool was given back
        if isinstance(cause, exc.DBAPIError):
            if isinstance(cause.orig, sqlite3.Error):
                return _code(cause.orig) in _BUSY
            unreachable = isinstance(cause, exc.OperationalError | exc.InterfaceError)
            return unreachable or cause.connection_invalidated
        if isinstance(cause, MlflowException):
            of_mlflow = True
            if cause.error_code == "TEMPORARILY_UNAVAILABLE" and cause.__cause__ is None:
                return True  # said by a tracking server
        # A download of a pretrained encoder fails in the same way, and is no call of the store.
        if of_mlflow and isinstance(cause, requests.ConnectionError | requests.Timeout):
            return True
    return False


def explained(error: BaseException) -> str | None:
    """One sentence about an error of the store with its remedy; ``None``: it is another error."""
    for cause in _causes(error):
        of_sqlite = getattr(cause, "orig", cause)
        if isinstance(of_sqlite, sqlite3.Error) and _code(of_sqlite) in _DAMAGED:
            return _damaged(str(of_sqlite))
    if is_away(error):
        return (
            "the MLflow store does not answer: start the database or the tracking server that "
            "tracking_uri in mlflow.yml (or MLFLOW_TRACKING_URI) names, and repeat the command"
        )
    return None


def damage(uri: str) -> str | None:
    """Why a SQLite database cannot be used, with the remedy; ``None``: nothing is wrong with it.

    MLflow itself would try ten times, and print a page of errors each time. A database that is
    not there yet, or not SQLite, is not looked at.
    """
    path = Path(uri.removeprefix(_SQLITE))
    if not uri.startswith(_SQLITE) or not path.is_file() or not path.stat().st_size:
        return None
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", timeout=1, uri=True)
        try:
            [size] = connection.execute("PRAGMA page_size").fetchone()
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        return _damaged(str(error), path) if _code(error) in _DAMAGED else None
    with path.open("rb") as file:
        file.seek(28)
        pages = int.from_bytes(file.read(4), "big")
    # A journal beside it means that a writer is at work, or was killed and is rolled back.
    journals = (path.with_name(f"{path.name}-{end}") for end in ("journal", "wal"))
    if pages * size > path.stat().st_size and not any(journal.exists() for journal in journals):
        return _damaged("it was cut off", path)
    return None


def _damaged(why: str, path: Path | None = None) -> str:
    return (
        f"the MLflow database{f' {path}' if path else ''} is damaged ({why}): restore it from a "
        "backup, or move the file away to begin with an empty one"
    )


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary code of an error; 0: it is one of Python's module alone."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
