"""The scratch folder of a build, and the step that moves a bundle into BentoML's stores.

A build holds a file lock on its folder for as long as one of its processes lives, so a folder whose
lock is free was left by a build that was killed.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from crisol.serving.bento_home import bento_home

BUILDING = "crisol-building"
_LOCK = "lock"
_RETIRED = "retired"


@dataclass(frozen=True)
class Scratch:
    """The folder of one build.

    Attributes:
        path: to build in.
        lock: file descriptor to pass on to child processes: they keep the folder from the sweep.
    """

    path: Path
    lock: int


@contextmanager
def scratch() -> Iterator[Scratch]:
    """A folder to build in, on the file system of the stores; removed at the end of the block."""
    folder = bento_home() / BUILDING
    path = folder / f"{os.getpid()}-{uuid4().hex[:8]}"
    with _one_at_a_time(folder):
        path.mkdir()
        lock = os.open(path / _LOCK, os.O_CREAT | os.O_RDWR)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield Scratch(path, lock)
    finally:
        _restore(path)
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


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
            lock = os.open(leftover / _LOCK, os.O_CREAT | os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # being built
                continue
            else:
                lines += [
                    f"put {tag} back, which an interrupted bundle build was about to replace"
                    for tag in _restore(leftover)
                ]
                shutil.rmtree(leftover)
                lines.append(
                    f"removed {leftover.name}, left by a bundle build that was interrupted"
                )
            finally:
                os.close(lock)
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
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
