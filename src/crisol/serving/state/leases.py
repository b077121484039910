"""Who of several processes still lives, told by file locks."""

import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from crisol.core.locks import FileLock


class Leases:
    """A name for this process that others can see to be alive, and their names.

    Each name is a locked file. The system lets go of a lock when its process ends, however it ends:
    nobody has to wait for a lease to run out, and none runs out on somebody who is only slow.

    Args:
        path: beside which the files lie. Callers make and look at them one at a time (see
            :class:`~crisol.serving.state.fair_lock.FairLock`), so that no file is seen before it is
            locked.

    Raises:
        OSError: they cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = uuid4().hex
        self._file = self._of(self.name)
        self._lock = FileLock.on(self._file, mode=0o644)
        self._lock.wait()
        for other in path.parent.glob(f"{path.name}.worker-*"):
            self.alive(other.name.rpartition("-")[2])

    def alive(self, name: str) -> bool:
        """Whether whoever has this name still lives; the file of one who does not is removed."""
        if name == self.name:
            return True
        file = self._of(name)
        try:
            descriptor = os.open(file, os.O_RDWR)
        except FileNotFoundError:
            return False
        with FileLock(descriptor) as lock:
            if not lock.attempt():
                return True
            file.unlink(missing_ok=True)
        return False

    def close(self) -> None:
        """Give up the name."""
        with suppress(OSError):
            self._file.unlink(missing_ok=True)
        self._lock.close()

    def _of(self, name: str) -> Path:
        return self._path.with_name(f"{self._path.name}.worker-{name}")
