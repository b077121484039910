"""File digests, and files and folders that are replaced in one step.

A reader, or a process that comes after a kill, finds the old content or the new one, never half of
one. The new content is written under a hidden name beside its place, ``.<name>.<8 hex>.tmp``.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from uuid import uuid4


def file_sha256(path: Path | str) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def replacing_file(target: Path, *, fsync: bool = False) -> Iterator[Path]:
    """A path to write a file to, which takes the place of ``target`` at the end of the block.

    Args:
        target: the file to make or replace; its folder is made if missing.
        fsync: have the content on the disk before the file takes its name, so that it survives a
            power cut as well.

    Yields:
        The scratch path; it is removed when the block raises.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = Path(folder) / "a.txt"
    ...     with replacing_file(target) as scratch:
    ...         _ = scratch.write_text("whole")
    ...     target.read_text(), len(list(Path(folder).iterdir()))
    ('whole', 1)
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = _scratch(target)
    try:
        yield scratch
        if fsync:
            with scratch.open("rb") as stream:
                os.fsync(stream.fileno())
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def replacing_folder(target: Path) -> Iterator[Path]:
    """An empty folder to fill, which takes the place of ``target`` at the end of the block.

    Args:
        target: the folder to make or replace; its parents are made if missing.

    Yields:
        The scratch folder; it is removed when the block raises.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = _scratch(target)
    scratch.mkdir()
    try:
        yield scratch
        if target.exists():
            retired = _scratch(target)
            target.rename(retired)
            scratch.rename(target)
            shutil.rmtree(retired, ignore_errors=True)
        else:
            scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def remove_scratch(target: Path) -> None:
    """Remove the scratch paths of killed writers of ``target``, which nobody may be writing."""
    for leftover in target.parent.glob(f".{escape(target.name)}.????????.tmp"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def _scratch(target: Path) -> Path:
    return target.with_name(f".{target.name}.{uuid4().hex[:8]}.tmp")
