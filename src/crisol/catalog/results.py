"""Kedro datasets for plain results: tables, metrics, reports, figures, folders.

Each is replaced in one step: a kill leaves the old file or the new one, never half of one.
"""

import json
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from kedro.io import AbstractDataset

from crisol.core.candidate import Report
from crisol.core.files import replacing_file, replacing_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class _AtomicFile(AbstractDataset[Any, Any]):
    """A file that is replaced in one step."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    @abstractmethod
    def _write(self, data: Any, path: Path) -> None:
        """Write ``data`` to the scratch ``path``."""

    def _store(self, data: Any) -> None:
        with replacing_file(self._filepath) as scratch:
            self._write(data, scratch)

    def _exists(self) -> bool:
        return self._filepath.exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class TableDataset(_AtomicFile):
    """A pandas table as Parquet."""

    def load(self) -> pd.DataFrame:
        """Read the table."""
        return pd.read_parquet(self._filepath)

    def save(self, data: pd.DataFrame) -> None:
        """Write the table."""
        if not isinstance(data, pd.DataFrame):
            raise TypeError(f"{self._filepath.name} takes a table, not {type(data).__name__}")
        self._store(data)

    def _write(self, data: pd.DataFrame, path: Path) -> None:
        data.to_parquet(path, index=False)


class MetricsDataset(_AtomicFile):
    """Flat metrics (name to number) as JSON."""

    def load(self) -> dict[str, float]:
        """Read the metrics."""
        metrics: dict[str, float] = json.loads(self._filepath.read_text())
        return metrics

    def save(self, data: Mapping[str, float]) -> None:
        """Write the metrics."""
        self._store({name: float(value) for name, value in data.items()})

    def _write(self, data: Mapping[str, float], path: Path) -> None:
        path.write_text(json.dumps(data, indent=2))


class ReportDataset(_AtomicFile):
    """A :class:`crisol.core.candidate.Report` as JSON."""

    def load(self) -> Report:
        """Read the report."""
        return Report.model_validate_json(self._filepath.read_text())

    def save(self, data: Report) -> None:
        """Write the report."""
        self._store(data)

    def _write(self, data: Report, path: Path) -> None:
        path.write_text(data.model_dump_json(indent=2))


class FiguresDataset(AbstractDataset[Any, Any]):
    """Named figures as PNG files of one folder, which is replaced in one step."""

    def __init__(
        self, *, filepath: str, dpi: int = 130, metadata: dict[str, Any] | None = None
    ) -> None:
        """Keep the figures in the folder ``filepath``, at ``dpi`` dots an inch."""
        self._filepath = Path(filepath)
        self._dpi = dpi
        self.metadata = metadata

    def load(self) -> dict[str, Path]:
        """The PNG files by the names of the figures."""
        return {path.stem: path for path in sorted(self._filepath.glob("*.png"))}

    def save(self, data: "Mapping[str, Figure]") -> None:
        """Write every figure; those of an earlier run disappear."""
        with replacing_folder(self._filepath) as scratch:
            for name, figure in data.items():
                path = scratch / f"{name.replace('/', '_')}.png"
                figure.savefig(path, dpi=self._dpi, bbox_inches="tight")

    def _exists(self) -> bool:
        return self._filepath.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class FolderDataset(AbstractDataset[Any, Path]):
    """A folder that exists, for work in progress such as checkpoints."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Load the folder ``filepath``."""
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Path:
        """The folder, made when it is not there."""
        self._filepath.mkdir(parents=True, exist_ok=True)
        return self._filepath

    def save(self, data: Any) -> None:  # noqa: ARG002
        """Refused: nodes write into the folder themselves."""
        raise TypeError(f"{self._filepath} is a folder to work in; nothing can be saved to it")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
