"""The catalog's entries for raw files, which are only read: tables and folders."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io import AbstractDataset

from crisol.core.data.named_paths import named_path
from crisol.core.data.table_files import read_raw_table
from crisol.core.data.tables.read_params import ReadParams
from crisol.core.errors import MendableError

logger = logging.getLogger(__name__)


def _named(filepath: str | None) -> tuple[Path, MendableError | None]:
    """A path, and why it cannot be one; told on loading, because a catalog has entries unread."""
    try:
        return named_path(filepath or ""), None
    except MendableError as error:
        return Path(filepath or "none"), error


def _options(read: Mapping[str, Any] | None) -> ReadParams:
    """The reading options; only an empty cell is missing, unless they say otherwise."""
    return ReadParams.model_validate({"missing": ("",), **(read or {})})


class RawTableDataset(AbstractDataset[Any, pd.DataFrame]):
    """A table of text; ``attrs["file"]`` of it says where it came from."""

    def __init__(
        self,
        *,
        filepath: str | None,
        read: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Read ``filepath``; ``read`` are the options of :class:`ReadParams`.

        Raises:
            ValidationError: an option that is unknown or wrong.
        """
        self._filepath, self._wrong = _named(filepath)
        self._read = _options(read)
        self.metadata = metadata

    def reads_with(self, options: Mapping[str, Any]) -> bool:
        """Whether the table is read with these options; ``True`` where there are none."""
        return not options or self._read == _options(options)

    def load(self) -> pd.DataFrame:
        """Read the table; the log tells what was detected or assumed."""
        if self._wrong is not None:
            raise self._wrong
        table = read_raw_table(self._filepath, self._read)
        for note in table.attrs["notes"]:
            logger.info("%s: %s", table.attrs["file"], note)
        return table

    def save(self, data: Any) -> None:  # noqa: ARG002
        """Refused: raw data is only read."""
        raise TypeError(f"{self._filepath} is raw data; nothing is saved to it")

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class RawFolderDataset(AbstractDataset[Any, Path]):
    """A folder of raw files, such as pictures. It may be missing: nodes that need it refuse."""

    def __init__(self, *, filepath: str | None, metadata: dict[str, Any] | None = None) -> None:
        """Load the folder ``filepath``."""
        self._filepath, self._wrong = _named(filepath)
        self.metadata = metadata

    def load(self) -> Path:
        """The folder."""
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
