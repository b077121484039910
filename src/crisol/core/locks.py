"""Advisory locks between processes on files and folders (``flock``).

The system releases a lock when the last copy of its descriptor is closed. A lock is therefore free
as soon as its process is gone, however it ended. A forked child and a process that is passed the
descriptor hold the lock as well.

The packages for file locks do not serve here: ``filelock`` and ``fasteners`` lock neither folders
nor descriptors that child processes inherit, and cannot test a lock without taking it.
"""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_RETRY_S = 0.02


class FileLock:
    """An exclusive lock on an open file or folder; taken by :meth:`wait` or :meth:`attempt`.

    As a context manager it closes itself at the end of the block.

    Args:
        descriptor: of the open file or folder; the lock closes it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, FileLock.on(Path(folder) / "lock") as lock:
    ...     taken = lock.attempt()
    ...     taken, is_locked(Path(folder) / "lock")
    (True, True)
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def on(cls, path: Path, mode: int = 0o666) -> Self:
        """The lock of a file, which is made with ``mode`` if it is missing, or of a folder.

        Raises:
            OSError: the file cannot be opened or made.
        """
        if path.is_dir():
            return cls(os.open(path, os.O_RDONLY))
        return cls(os.open(path, os.O_CREAT | os.O_RDWR, mode))

    def wait(self) -> None:
        """Take the lock, as soon as nobody else holds it."""
        fcntl.flock(self.descriptor, fcntl.LOCK_EX)

    def attempt(self, patience_s: float = 0.0) -> bool:
        """Take the lock unless somebody else holds it for longer than ``patience_s``.

        Returns:
            Whether the lock is taken.
        """
        deadline = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(_RETRY_S)
            else:
                return True

    def is_at(self, path: Path) -> bool:
        """Whether the path leads to the locked file still: its last holder may have removed it."""
        try:
            return os.path.samestat(os.fstat(self.descriptor), path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Release the lock for every process that shares the descriptor, and keep the file open."""
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file, which releases the lock unless another process shares the descriptor."""
        os.close(self.descriptor)

    def sign(self) -> None:
        """Write this process's id into the file, for :attr:`signature`."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, str(os.getpid()).encode(), 0)

    @property
    def signature(self) -> str:
        """The process id that the last holder wrote with :meth:`sign`, or ``unknown``."""
        return os.pread(self.descriptor, 20, 0).decode() or "unknown"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock of a file; a missing file is not locked.

    The test takes a shared lock for a moment: other tests do not disturb it, an exclusive
    :meth:`FileLock.attempt` at the same moment fails.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
