"""Temporary folders that the next command removes when a kill left them."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from crisol.core.locks import FileLock

_NAME = re.compile(r"crisol-scratch-[0-9a-f]{32}")


@contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder, locked while this process lives; removed at the end of the block."""
    made = Path(tempfile.mkdtemp(prefix=".crisol-"))
    with FileLock.on(made) as lock:
        lock.wait()
        # Locked first, then renamed to a name that the sweep looks for.
        path = made.rename(made.with_name(f"crisol-scratch-{uuid4().hex}"))
        try:
            yield path
        finally:
            shutil.rmtree(path)


def sweep() -> list[str]:
    """Remove this user's temporary folders whose process is gone; one sentence for each."""
    said = []
    for path in sorted(Path(tempfile.gettempdir()).glob("crisol-scratch-*")):
        if _NAME.fullmatch(path.name) is None:
            continue
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # no folder, not ours to read, or just removed by its owner
            continue
        with FileLock(descriptor) as lock:
            if os.fstat(descriptor).st_uid == os.getuid() and lock.attempt():
                shutil.rmtree(path)
                said.append(f"removed {path}, left by a process that is gone")
    return said
