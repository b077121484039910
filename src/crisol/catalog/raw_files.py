"""The catalog's entry for raw files and folders, which are only read."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from crisol.core.data.named_paths import named_path
from crisol.core.errors import MendableError


def _named(filepath: str | None) -> tuple[Path, MendableError | None]:
    """A path, and why it cannot be one; told on loading, because a catalog has entries unread."""
    try:
        return named_path(filepath or ""), None
    except MendableError as error:
        return Path(filepath or "none"), error


class RawFolderDataset(AbstractDataset[Any, Path]):
    """The path of a raw file, or of a folder of them, such as pictures.

    It may be missing: nodes that need it refuse. They read it, with the reading options of their
    family.
    """

    def __init__(self, *, filepath: str | None, metadata: dict[str, Any] | None = None) -> None:
        """Load the path ``filepath``."""
        self._filepath, self._wrong = _named(filepath)
        self.metadata = metadata

    def load(self) -> Path:
        """The path."""
        if self._wrong is not None:
            raise self._wrong
        return self._filepath

    def save(self, data: Any) -> None:  # noqa: ARG002
        """Refused: raw data is only read."""
        raise TypeError(f"{self._filepath} is raw data; nothing is saved to it")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
