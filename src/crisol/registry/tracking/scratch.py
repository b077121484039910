"""Temporary folders that the next command can clear away when a kill left them."""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

_NAME = re.compile(r"crisol-scratch-[0-9a-f]{32}")


@contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder, locked while this process lives; removed at the end of the block."""
    made = Path(tempfile.mkdtemp(prefix=".crisol-"))
    lock = os.open(made, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    # It gets the name that the sweep looks for once it is locked.
    path = made.rename(made.with_name(f"crisol-scratch-{uuid4().hex}"))
    try:
        yield path
    finally:
        shutil.rmtree(path)
        os.close(lock)


def sweep() -> list[str]:
    """Remove this user's temporary folders whose process is gone; one sentence for each."""
    said = []
    for path in sorted(Path(tempfile.gettempdir()).glob("crisol-scratch-*")):
        if _NAME.fullmatch(path.name) is None:
            continue
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # no folder, not ours to read, or just removed by its owner
            continue
        try:
            if os.fstat(lock).st_uid == os.getuid() and _free(lock):
                shutil.rmtree(path)
                said.append(f"removed {path}, left by a process that is gone")
        finally:
            os.close(lock)
    return said


def _free(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
