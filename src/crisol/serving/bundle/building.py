"""The scratch folder of a build, and the step that moves a bundle into BentoML's stores.

A build holds a file lock on its folder for as long as one of its processes lives, so a folder whose
lock is free was left by a build that was killed.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from crisol.core.errors import MendableError
from crisol.core.locks import FileLock
from crisol.serving.bento_home import bento_home

BUILDING = "crisol-building"
_LOCK = "lock"
_RETIRED = "retired"


@dataclass(frozen=True)
class Scratch:
    """The folder of one build.

    Attributes:
        path: to build in.
        lock: its descriptor is passed on to child processes, so that they keep the folder from the
            sweep.
    """

    path: Path
    lock: FileLock


@contextmanager
def scratch() -> Iterator[Scratch]:
    """A folder to build in, on the file system of the stores; removed at the end of the block.

    Raises:
        MendableError: BentoML's home is in a hidden folder, which BentoML builds nothing from, or
            cannot be written.
    """
    home = bento_home()
    hidden = next((part for part in home.parts if part.startswith(".")), None)
    if hidden is not None:
        raise MendableError(
            f"BentoML builds nothing in a hidden folder, and {home} is inside {hidden}: "
            "set BENTOML_HOME to a folder whose path has no name that begins with a dot"
        )
    folder = home / BUILDING
    path = folder / f"{os.getpid()}-{uuid4().hex[:8]}"
    try:
        with _one_at_a_time(folder):
            path.mkdir()
            lock = FileLock.on(path / _LOCK)
            lock.wait()
    except OSError as error:
        raise MendableError(
            f"cannot write to {folder} ({error.strerror}): set BENTOML_HOME to a folder that you "
            "may write to"
        ) from None
    try:
        yield Scratch(path, lock)
    finally:
        _restore(path)
        shutil.rmtree(path, ignore_errors=True)
        lock.close()


def publish(built: Path, store: str, aside: Scratch) -> Path:
    """Move ``<name>/<version>`` into a store, replacing what had the tag; make it `latest`."""
    name, version = built.parent.name, built.name
    target = bento_home() / store / name / version
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        retired = aside.path / _RETIRED / store / name / version
        retired.parent.mkdir(parents=True)
        target.rename(retired)
    built.rename(target)
    latest = aside.path / f"latest-{store}"
    latest.write_text(version, encoding="utf-8")
    latest.replace(target.parent / "latest")
    return target


def sweep() -> list[str]:
    """Remove what builds left that were killed; say what was removed, one line each."""
    folder = bento_home() / BUILDING
    if not folder.is_dir():
        return []
    lines: list[str] = []
    with _one_at_a_time(folder):
        for leftover in sorted(folder.glob("*-*")):
            with FileLock.on(leftover / _LOCK) as lock:
                if not lock.attempt():  # being built
                    continue
                lines += [
                    f"put {tag} back, which an interrupted bundle build was about to replace"
                    for tag in _restore(leftover)
                ]
                shutil.rmtree(leftover)
                lines.append(
                    f"removed {leftover.name}, left by a bundle build that was interrupted"
                )
    return lines


def _restore(path: Path) -> list[str]:
    """Put back what was retired and has no successor; says its tags."""
    restored = []
    for retired in sorted((path / _RETIRED).glob("*/*/*")):
        store, name, version = retired.parts[-3:]
        target = bento_home() / store / name / version
        if not target.exists():
            retired.rename(target)
            restored.append(f"{name}:{version} ({store})")
    return restored


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold a lock that keeps a sweep from a folder that is made but not locked yet."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock.on(folder) as lock:
        lock.wait()
        yield
