"""A project folder that was moved, renamed or copied: its MLflow store still names the old place.

MLflow keeps the place of artefacts as absolute addresses. So a moved project finds none of its
versions, and its next run would write into the old folder, which may be another project by now.
This is about a SQLite database and artefacts inside the project; a tracking server, PostgreSQL and
an object store do not move with it.
"""

import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from crisol.core.files import replacing_file, replacing_folder

_SQLITE = "sqlite:///"
_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
    ("datasets", "dataset_source"),
)
"""The columns of MLflow's database with an address; those of a later MLflow may lack one."""
_RECORDS = ("*/*/artifacts/parameters/*.json", "*/*/artifacts/job/request.json")
"""Files below the artefact root whose paths are read again: parameters, requests of jobs."""


@dataclass(frozen=True)
class Place:
    """The store of a project, where it is inside the project.

    Attributes:
        project: the folder of the project.
        database: the SQLite file.
        artefacts: the artefact root, relative to the project.
    """

    project: Path
    database: Path
    artefacts: Path

    @classmethod
    def of(cls, tracking_uri: str, artifact_root: str | None, project: str) -> "Place | None":
        """The place of a store; ``None``: its database or its artefacts are not in the project."""
        folder = Path(project)
        if not tracking_uri.startswith(_SQLITE) or artifact_root is None:
            return None
        database, root = Path(tracking_uri.removeprefix(_SQLITE)), local_path(artifact_root)
        if root is None or not database.is_relative_to(folder) or not root.is_relative_to(folder):
            return None
        return cls(folder, database, root.relative_to(folder))

    def old_roots(self) -> list[Path]:
        """The folders that the project had when its experiments were made, without this one."""
        if not self.database.is_file() or not self.database.stat().st_size:
            return []
        found: dict[Path, None] = {}
        for name, address in _experiments(self.database):
            path = local_path(address)
            tail = (*self.artefacts.parts, *Path(name).parts)
            if path is None or path.parts[-len(tail) :] != tail:
                continue
            root = Path(*path.parts[: -len(tail)])
            if not _same(root, self.project):
                found[root] = None
        return list(found)


def told(place: Place | None) -> str | None:
    """One line about a moved project, with the remedy; ``None``: it is where it was."""
    if place is None:
        return None
    roots = place.old_roots()
    if not roots:
        return None
    return (
        f"this project was moved or copied from {roots[0]} to {place.project}, and its MLflow "
        "store names the old place, where runs would write: kedro relocate puts the new one in"
    )


@dataclass(frozen=True)
class Relocation:
    """The result of :func:`relocate`.

    Attributes:
        old: the folders that were named.
        new: the folder that is named now.
        addresses: changed in the database.
        files: records beside the database in which a path was changed.
        fetched: runs whose artefacts were still at the old place, and were copied from there.
        missing: runs whose artefacts are at neither place.
    """

    old: tuple[Path, ...]
    new: Path
    addresses: int
    files: int
    fetched: int
    missing: int


class RelocationError(ValueError):
    """A store that cannot be relocated; the message says why."""


def relocate(place: Place) -> Relocation:
    """Put the folder of the project into its store; a second call finds nothing to do.

    Only addresses below an old folder change. The database changes last and in one transaction, so
    that a call that was cut short is repeated.

    Raises:
        RelocationError: the artefacts are at neither place.
    """
    roots = tuple(place.old_roots())
    if not roots:
        return Relocation((), place.project, 0, 0, 0, 0)
    move = _Move(roots, place.project)
    runs = [uri for uri in _addresses(place.database, "runs", "artifact_uri") if move(uri) != uri]
    fetched = missing = 0
    for uri in runs:
        old, new = local_path(uri), local_path(move(uri))
        assert old is not None
        assert new is not None
        if new.exists():
            continue
        if old.is_dir():
            with replacing_folder(new) as scratch:
                shutil.copytree(old, scratch, dirs_exist_ok=True)
            fetched += 1
        else:
            missing += 1
    if runs and missing == len(runs):
        raise RelocationError(
            f"{place.project / place.artefacts} has none of the artefacts of {len(runs)} runs, and "
            f"{roots[0] / place.artefacts} is gone: move that folder here as well, or move "
            f"{place.database.name} away to begin with an empty store"
        )
    records = [
        *(path for pattern in _RECORDS for path in (place.project / place.artefacts).glob(pattern)),
        *(place.project / "data").rglob("*.origin.json"),
    ]
    files = sum(move.rewrite(path) for path in records)
    return Relocation(roots, place.project, move.update(place.database), files, fetched, missing)


class _Move:
    """Replaces old folders by the new one in addresses and paths."""

    def __init__(self, old: Iterable[Path], new: Path) -> None:
        self._old, self._new = tuple(old), new

    def __call__(self, address: str) -> str:
        """The address at the new place: a path, or a URI with ``file:`` or ``sqlite:``.

        >>> _Move([Path("/old")], Path("/a b"))("file:///old/mlartifacts/x")
        'file:///a%20b/mlartifacts/x'
        """
        if address.startswith(_SQLITE):
            return _SQLITE + self(address.removeprefix(_SQLITE))
        path = local_path(address)
        if path is None:
            return address
        for old in self._old:
            # A project that was moved into a subfolder of its own: the new place is below the old.
            there = self._new.is_relative_to(old) and path.is_relative_to(self._new)
            if path.is_relative_to(old) and not there:
                moved = self._new / path.relative_to(old)
                return moved.as_uri() if address.startswith("file:") else str(moved)
        return address

    def in_json(self, value: Any) -> Any:
        """The texts of nested mappings and lists, at the new place."""
        if isinstance(value, dict):
            return {key: self.in_json(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.in_json(item) for item in value]
        return self(value) if isinstance(value, str) else value

    def text(self, text: str | None) -> str | None:
        """An address, or JSON with addresses in it."""
        if text is None or not text.startswith("{"):
            return text if text is None else self(text)
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            return text
        moved = self.in_json(value)
        return text if moved == value else json.dumps(moved)

    def rewrite(self, path: Path) -> bool:
        """Change the paths in a JSON file; whether there were any."""
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError):
            return False
        moved = self.in_json(value)
        if moved == value:
            return False
        with replacing_file(path) as scratch:
            scratch.write_text(json.dumps(moved, indent=2), encoding="utf-8")
        return True

    def update(self, database: Path) -> int:
        """Change every address in the database, in one transaction; how many."""
        with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.create_function("moved", 1, self.text, deterministic=True)
            changed = 0
            for table, column in _existing(connection):
                done = connection.execute(
                    f"UPDATE {table} SET {column} = moved({column}) "  # noqa: S608 - our own names
                    f"WHERE moved({column}) IS NOT {column}"
                )
                changed += done.rowcount
            return changed


def local_path(address: str) -> Path | None:
    """The absolute path of an address of this machine; ``None`` for any other.

    >>> local_path("file:///a%20b/c"), local_path("/a b/c"), local_path("s3://bucket/c")
    (PosixPath('/a b/c'), PosixPath('/a b/c'), None)
    """
    if address.startswith("file:"):
        return Path(unquote(urlsplit(address).path))
    return Path(address) if address.startswith("/") else None


def _same(one: Path, other: Path) -> bool:
    """Whether two names, one of which may be a link, are of one folder."""
    if one == other:
        return True
    try:
        return one.samefile(other)
    except OSError:  # the old folder is gone
        return False


def _experiments(database: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", timeout=30, uri=True)) as opened:
        if ("experiments", "artifact_location") not in _existing(opened):
            return []  # a database that MLflow has not filled yet
        rows = opened.execute("SELECT name, artifact_location FROM experiments")
        return [(name, location) for name, location in rows if name and location]


def _addresses(database: Path, table: str, column: str) -> list[str]:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", timeout=30, uri=True)) as opened:
        rows = opened.execute(f"SELECT {column} FROM {table}")  # noqa: S608 - our own names
        return [address for (address,) in rows if address]


def _existing(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    def columns(table: str) -> Iterator[str]:
        return (row[1] for row in connection.execute(f"PRAGMA table_info({table})"))

    return [(table, column) for table, column in _COLUMNS if column in columns(table)]
