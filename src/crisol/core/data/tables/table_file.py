"""One table file as people have it: CSV and its relatives, JSON, JSON lines or Parquet.

Every family reads a person's file here. The format is detected and reported; nothing is guessed
silently.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crisol.core.data.cells.words import as_text
from crisol.core.data.tables.delimited import check_names, read_delimited
from crisol.core.data.tables.json_tables import read_json, read_json_lines
from crisol.core.data.tables.read_params import Format, ReadParams
from crisol.core.errors import MendableError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

TABLES: dict[str, Format] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".data": "csv", ".json": "json",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip


@dataclass(frozen=True)
class TableFile:
    """A table file as it was read.

    Attributes:
        frame: one row a row. Columns of text formats hold text cells without the blanks around
            them, missing where :attr:`ReadParams.missing` says so; those of JSON and Parquet are
            as typed.
        format: the format it was read as.
        encoding: of text tables.
        delimiter: likewise.
        header: whether the first row of a text table names the columns.
        notes: sentences about what was detected or assumed, each with the option that changes it.
    """

    frame: "pd.DataFrame"
    format: Format
    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    notes: tuple[str, ...] = ()


def shown_name(path: Path) -> str:
    """The name of a file in messages: relative to the working directory where it lies below it."""
    here = Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()


def read_table(path: Path, params: ReadParams, shown: str) -> TableFile:
    """Read a table file.

    Args:
        path: the file.
        params: what a person knows better.
        shown: what errors call the file.

    Raises:
        MendableError: it cannot be read; names the file, the line where there is one, and the way
            out.
    """
    form = params.format if params.format != "auto" else _format(path, shown)
    if form == "csv":
        cut = read_delimited(path, params, shown)
        file = TableFile(
            _frame(cut.table), "csv", cut.encoding, cut.separator, cut.header, cut.notes
        )
    else:
        if form == "parquet":
            frame = _frame(_parquet(path, shown))
        elif form == "json":
            form, frame = read_json(path, params, shown)
        else:
            frame = read_json_lines(path, params, shown)
        file = TableFile(_renamed(frame, params, shown), form)
    if file.frame.empty:
        raise MendableError(f"{shown}: holds no rows")
    return file


def _format(path: Path, shown: str) -> Format:
    """By the file's ending, else by its first bytes."""
    with path.open("rb") as stream:
        start = stream.read(8)
    if start.startswith(b"PAR1"):
        return "parquet"
    ending = path.suffix.lower()
    if ending in TABLES:
        return TABLES[ending]
    if start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x89HDF", b"\xd0\xcf\x11\xe0")):
        raise MendableError(
            f"{shown}: is packed or of a program's own format; give CSV, JSON, JSON lines, Parquet "
            "or a zip"
        )
    return "json" if start.lstrip()[:1] in (b"{", b"[") else "csv"


def _frame(table: "pa.Table") -> "pd.DataFrame":
    """Arrow to pandas; nested values as JSON text, decimals as floats."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = []
    for column in table.columns:
        kind = column.type
        if pa.types.is_dictionary(kind):
            column = column.cast(kind.value_type)
            kind = column.type
        if pa.types.is_decimal(kind):
            column = column.cast(pa.float64())
        elif pa.types.is_nested(kind) or pa.types.is_binary(kind):
            column = pa.array([as_text(v) for v in column.to_pylist()], pa.string())
        elif pa.types.is_time(kind) or pa.types.is_duration(kind) or pa.types.is_null(kind):
            column = column.cast(pa.string())
        elif pa.types.is_integer(kind) and column.null_count:
            column = _whole_with_gaps(column, pc)
        columns.append(column)
    frame: pd.DataFrame = pa.table(columns, names=table.column_names).to_pandas(
        date_as_object=False
    )
    return frame


def _whole_with_gaps(column: "pa.ChunkedArray", pc: Any) -> "pa.ChunkedArray":
    """Whole numbers with missing ones as floats; as text where floats would blur them."""
    import pyarrow as pa

    bounds = pc.min_max(column).as_py()
    if max(abs(bounds["min"] or 0), abs(bounds["max"] or 0)) >= 2**53:
        return column.cast(pa.string())
    return column.cast(pa.float64())


def _parquet(path: Path, shown: str) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise MendableError(f"{shown}: is no Parquet file that can be read: {error}") from error
    return table


def _renamed(frame: "pd.DataFrame", params: ReadParams, shown: str) -> "pd.DataFrame":
    names = [str(name) for name in frame.columns]
    if params.names:
        if len(params.names) != len(names):
            raise MendableError(
                f"read.names: {len(params.names)} names for the {len(names)} columns of {shown}"
            )
        names = list(params.names)
    check_names(names, shown)
    return frame.set_axis(names, axis=1)
