"""A fair lock between processes: a busy process does not keep the others out."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crisol.core.locks import FileLock


class FairLock:
    """A lock between processes that the next waiting process gets.

    With one file lock, a process that releases it and waits again at once usually gets it back
    before the waiting processes are awake. Here the next waiting process holds a second lock, the
    gate, and the releasing process has to wait for the gate first. Both locks are files, and are
    free as soon as the process that holds them is gone.

    Args:
        path: beside which the two lock files lie.

    Raises:
        OSError: they cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._gate, self._turn = (
            FileLock.on(path.with_name(path.name + end), mode=0o644) for end in (".gate", ".turn")
        )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait for the lock and hold it for the block; one thread of a process at a time."""
        self._gate.wait()
        try:
            self._turn.wait()
        finally:
            self._gate.release()
        try:
            yield
        finally:
            self._turn.release()

    def close(self) -> None:
        """Close the lock files."""
        self._gate.close()
        self._turn.close()
