"""Exclusive use of a family's working data by one run at a time.

Nodes pass their results on through files under ``data/``. Two runs at once would read each other's
files, and a version could have the record of one run and the predictor of the other.
"""

from collections.abc import Iterable
from pathlib import Path

from crisol.core.locks import FileLock
from crisol.registry.store import StoreError


def claim(data_root: Path, families: Iterable[str]) -> list[FileLock]:
    """Lock the working data of families until :func:`release`, or until this process ends.

    Args:
        data_root: the folder of the results.
        families: the families of the run.

    Returns:
        The locks, for :func:`release`. They end with the process as well, however it ends.

    Raises:
        StoreError: another process has one of them.
    """
    claims: list[FileLock] = []
    for family in families:
        path = data_root / "06_models" / family / "run.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock.on(path)
        claims.append(lock)
        if not lock.attempt():
            holder = lock.signature
            release(claims)
            raise StoreError(
                f"another kedro run of {family} is using {data_root} (process {holder}): "
                "wait until it ends, or run in another folder"
            )
        lock.sign()
    return claims


def release(claims: list[FileLock]) -> None:
    """Release the locks; a second call does no harm."""
    while claims:
        claims.pop().close()
