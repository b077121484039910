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
        data, package = given.get(family, {}).get("data"), models.family(family)
        if data is None or "DataParams" not in dir(package):
            continue
        marked = operator_only(package.DataParams, data)
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
