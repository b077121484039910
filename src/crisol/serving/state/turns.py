"""Processes that take turns, so that none that is busy keeps the others out."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crisol.core.locks import FileLock


class Turns:
    """A lock between processes that is handed on.

    With one lock, a process that lets go and asks again at once usually has it again before those
    that wait are awake. Here whoever waits next holds the gate, behind which the one that let go
    has to queue. Both locks are files, free as soon as the process that holds them is gone.

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
    def mine(self) -> Iterator[None]:
        """Wait for the turn, have it for the block. One thread of a process at a time."""
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
        """Let go of the files."""
        self._gate.close()
        self._turn.close()
