"""Processes that take turns, so that none that is busy keeps the others out."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
            os.open(path.with_name(path.name + end), os.O_CREAT | os.O_RDWR, 0o644)
            for end in (".gate", ".turn")
        )

    @contextmanager
    def mine(self) -> Iterator[None]:
        """Wait for the turn, have it for the block. One thread of a process at a time."""
        fcntl.flock(self._gate, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._turn, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._gate, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the files."""
        os.close(self._gate)
        os.close(self._turn)
