"""Profiles an uploaded dataset for whoever stores and lists datasets."""

from pathlib import Path

from crisol.core.data.profile import DatasetProfile, check_width
from crisol.models.tabular.data import leakage
from crisol.models.tabular.data.columns.inference import infer
from crisol.models.tabular.data.profiling import profile
from crisol.models.tabular.data.source_table import read
from crisol.models.tabular.params import DataParams, DatasetOptions


def profile_dataset(
    file: Path, options: DatasetOptions, max_columns: int | None = None
) -> DatasetProfile:
    """Read a dataset, infer its schema and describe its columns.

    Args:
        file: the data, or a folder with ``train.*`` and ``test.*``.
        options: how it is read and what its columns are.
        max_columns: the most it may have.

    Raises:
        MendableError: it cannot be read, is too wide, or the options do not fit it.
    """
    params = DataParams.model_validate({**dict(options), "file": str(file)})
    table = read(file, params.read)
    check_width(len(table.columns), max_columns)
    schema = infer(table, params)
    warnings = (*schema.warnings, *leakage.leaks(table, schema, params))
    return DatasetProfile(
        task=schema.task,
        target=None if schema.target is None else schema.target.name,
        format=table.found.format,
        rows=schema.rows,
        columns=len(schema.columns),
        warnings=warnings,
        columns_found={
            **schema.model_dump(mode="json"),
            "warnings": list(warnings),
            "found": table.found.tell(),
        },
        content=profile(table, schema, params),
    )
