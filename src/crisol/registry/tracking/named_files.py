"""Files that parameters name, compared with the files that the catalog reads.

The parameter names a file in reports and in the record of a version, and the catalog reads one. An
entry of an environment may read another file than the parameter says.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kedro.framework.project import pipelines
from kedro.io import DataCatalog

from crisol import models
from crisol.core.data.named_paths import named_path
from crisol.core.params import NAMES_A_FILE, operator_only
from crisol.registry.store import StoreError
from crisol.registry.tracking.provenance import filepath


def refuse_unread(
    given: Mapping[str, Any], families: Sequence[str], catalog: DataCatalog, project: Path
) -> None:
    """Refuse a parameter that names a file which the catalog does not read.

    Args:
        given: every parameter of the configuration and the command line, each section valid.
        families: the families of the run.
        catalog: of the run.
        project: the folder at which relative paths begin.

    Raises:
        StoreError: names the parameter, its file and those that are read.
    """
    for family in families:
        data = given[family]["data"]
        _refuse_unread_options(family, data, catalog)
        marked = operator_only(models.family(family).DataParams, data)
        read = _read_files(family, catalog, project)
        for (name, *deeper), mark in marked.items():
            value = data[name]
            if deeper or mark.reason != NAMES_A_FILE or not value or not read:
                continue
            if (project / named_path(value)).resolve() not in read:
                raise StoreError(
                    f"{family}.data.{name} names {value}, and the catalog of this environment "
                    f"reads {', '.join(_shown(path, project) for path in read)}: an environment "
                    "for one data set, such as conf/real, or an entry of conf/local reads no other "
                    f"file. Say --params {family}.data.{name}=… without --env, or name the file in "
                    "the catalog alone"
                )


def _refuse_unread_options(family: str, data: Mapping[str, Any], catalog: DataCatalog) -> None:
    """Refuse options of the reader that stand in a file alone, where the catalog reads."""
    from crisol.catalog.raw_files import RawTableDataset

    names = [name for name in pipelines[family].inputs() if not name.startswith("params:")]
    tables = [d for name in names if isinstance(d := catalog.get(name), RawTableDataset)]
    for field in (name for name in data if name == "read" or name.endswith("_read")):
        options = data[field] or {}
        if not tables or any(table.reads_with(options) for table in tables):
            continue
        said = ", ".join(sorted(options))
        raise StoreError(
            f"{family}.data.{field} ({said}) is not what the catalog reads with: give it with "
            f"--params, in base's catalog, or as `read` of the entries in conf/local/catalog.yml"
        )


def _read_files(family: str, catalog: DataCatalog, project: Path) -> list[Path]:
    """The paths of the raw datasets that have one."""
    from crisol.catalog.results import FolderDataset

    names = sorted(n for n in pipelines[family].inputs() if not n.startswith("params:"))
    raw = [dataset for n in names if not isinstance(dataset := catalog.get(n), FolderDataset)]
    paths = [path for dataset in raw if (path := filepath(dataset)) is not None]
    return [(project / path).resolve() for path in paths]


def _shown(path: Path, project: Path) -> str:
    """The path, relative to the project where it lies in it."""
    root = project.resolve()
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
