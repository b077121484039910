"""From a source to typed rows, their schema and their pictures.

rows: ``__row__`` (number in the source, from 1), ``__part__`` (what the source's files say), and
the columns that are not ignored: number float64, boolean ``boolean``, date datetime64[us, UTC], all
others str, an image's being the key of its picture. images: ``image`` (key) and ``pixels`` (bytes
of uint8 [S, S, 3]).
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from crisol.core.data import pictures
from crisol.core.errors import FieldError, MendableError
from crisol.models.tabular.data import leakage
from crisol.models.tabular.data.columns import inference
from crisol.models.tabular.data.source_table import PART, ROW, SourceTable, read
from crisol.models.tabular.data.tables import schema_table
from crisol.models.tabular.params import DataParams
from crisol.models.tabular.schema import Schema

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)
MIN_ROWS = 10
MAX_BROKEN = 0.05
"""Share of pictures that may be broken; they are left out, with a warning."""


@dataclass(frozen=True)
class Cleaned:
    """Three tables; see the module."""

    rows: "pd.DataFrame"
    schema_table: "pd.DataFrame"
    images: "pd.DataFrame"


def clean(path: Path, data: DataParams) -> Cleaned:
    """Read a source and type its rows.

    Rows without a target are left out. The warnings of the schema are logged, too.

    Raises:
        MendableError: the source cannot be read, does not fit ``data``, or has too few rows.
    """
    table = read(Path(path), data.read)
    schema = inference.infer(table, data)
    rows, schema = typed_rows(table, schema, data)
    rows, images, broken = _pictures(rows, schema, table, data.image_size)
    if len(rows) < MIN_ROWS:
        raise MendableError(
            f"{table.where}: {len(rows)} usable rows; at least {MIN_ROWS} are needed"
        )
    warnings = (*schema.warnings, *broken, *leakage.warnings(rows, schema))
    for said in warnings:
        logger.warning("%s", said)
    schema = schema.model_copy(update={"warnings": warnings, "rows": len(rows)})
    return Cleaned(rows, schema_table(schema), images)


def typed_rows(
    table: SourceTable, schema: Schema, data: DataParams
) -> "tuple[pd.DataFrame, Schema]":
    """The rows that have a target, typed; and the schema with what happened to the others."""
    import pandas as pd

    rows = inference.typed(table, schema, data)
    rows = pd.concat([table.frame[[ROW, PART]], rows], axis=1)
    target = schema.target
    if target is not None:
        rows = rows[rows[target.name].notna()]
    rows = rows.reset_index(drop=True)
    if table.found.parts and set(rows[PART].dropna()) != {"train", "test"}:
        rows[PART] = pd.Series([None] * len(rows), dtype="str")
        said = "no test row has a target: the split is made anew"
        if "test" in table.found.parts:
            schema = schema.model_copy(update={"warnings": (*schema.warnings, said)})
    return rows, schema


def _pictures(
    rows: "pd.DataFrame", schema: Schema, table: SourceTable, size: int
) -> "tuple[pd.DataFrame, pd.DataFrame, list[str]]":
    """The rows, the decoded pictures, and warnings about pictures that are left out."""
    columns = [c.name for c in schema.of_kind("image")]
    if not columns:
        return rows, _image_table([], []), []
    name = columns[0]
    if table.files is None:
        raise MendableError(
            f"data.columns.{name}.kind: there are no picture files beside {table.where}; give a "
            "folder or zip that holds the table and its pictures"
        )
    keys = [str(key) for key in rows[name].dropna().unique()]
    with ThreadPoolExecutor(max_workers=4) as pool:
        found = list(pool.map(_reader(table, size), keys))
    bad = {k: f for k, f in zip(keys, found, strict=True) if isinstance(f, str)}
    if bad:
        key, why = next(iter(bad.items()))
        said = f"{len(bad)} of {len(keys)} pictures cannot be used, such as {key}: {why}"
        if len(bad) > MAX_BROKEN * len(keys):
            raise MendableError(f"{table.where}: {said}")
        rows = rows[~rows[name].isin(list(bad))].reset_index(drop=True)
    good = [(k, f) for k, f in zip(keys, found, strict=True) if isinstance(f, bytes)]
    images = _image_table([k for k, _ in good], [f for _, f in good])
    if rows[ROW].empty:
        raise MendableError(f"{table.where}: no picture can be used")
    return rows, images, [f"{said}; their rows are left out"] if bad else []


def _reader(table: SourceTable, size: int) -> Callable[[str], bytes | str]:
    """A function from a picture's key to its pixels, or to what is wrong with it."""
    files = table.files
    assert files is not None

    def picture(key: str) -> bytes | str:
        name = key if not table.folder else (PurePosixPath(table.folder) / key).as_posix()
        try:
            data = files.read(name, pictures.MAX_BYTES)
            return pictures.decode(data, size).pixels.tobytes()
        except KeyError:
            return "there is no such file"
        except (FieldError, MendableError) as error:
            return str(error)

    return picture


def _image_table(keys: list[str], pixels: list[bytes]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(
        {"image": pd.Series(keys, dtype="str"), "pixels": pd.Series(pixels, dtype="object")}
    )
