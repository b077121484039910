"""One run of a family at a time on the same working data.

Nodes hand their results on through files under ``data/``. Two runs at once would read each other's,
and a version would be registered with the record of one run and the predictor of the other.
"""

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

from crisol.registry.store import StoreError


def claim(data_root: Path, families: Iterable[str]) -> list[int]:
    """Take the working data of families, for as long as this process lives or until released.

    Args:
        data_root: the folder the results are written under.
        families: of the run.

    Returns:
        File descriptors for :func:`release`. The operating system closes them when the process
        ends, in whatever way.

    Raises:
        StoreError: another process has one of them.
    """
    claims: list[int] = []
    for family in families:
        path = data_root / "06_models" / family / "run.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
        claims.append(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode() or "unknown"
            release(claims)
            raise StoreError(
                f"another kedro run of {family} is using {data_root} (process {holder}): "
                "wait until it ends, or run in another folder"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return claims


def release(claims: list[int]) -> None:
    """Give back what was claimed; doing it twice does no harm."""
    while claims:
        os.close(claims.pop())
