"""One table file as people have it: CSV and its relatives, sheets, JSON, Parquet, ARFF.

Every family reads a person's file here. The format is detected and reported; nothing is guessed
silently.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from crisol.core.data.cells.words import as_text
from crisol.core.data.read_params import Format, ReadParams
from crisol.core.data.tables.arff import read_arff
from crisol.core.data.tables.delimited import read_delimited
from crisol.core.data.tables.index_columns import frame_index, typed_index
from crisol.core.data.tables.json_tables import read_json, read_json_lines
from crisol.core.data.tables.packed import unpacked
from crisol.core.data.tables.sheets import read_sheet
from crisol.core.data.tables.signatures import Signature, signature
from crisol.core.data.tables.text_columns import NoRowsError, TextTable, check_names
from crisol.core.errors import MendableError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

TABLES: dict[str, Format] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".data": "csv", ".json": "json",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".pq": "parquet",
    ".feather": "feather", ".arrow": "feather", ".arff": "arff", ".xlsx": "sheet", ".xlsm": "sheet",
    ".xlsb": "sheet", ".xls": "sheet", ".ods": "sheet",
}  # fmt: skip

PACKED = (".gz", ".bz2", ".xz")
"""Endings of a packed file, behind that of the table in it."""


def table_ending(name: str) -> str:
    """The ending that tells the format of a file, small and without that of a packed file.

    >>> table_ending("shop/Bars.JSONL.gz"), table_ending("a.csv"), table_ending("readme")
    ('.jsonl', '.csv', '')
    """
    path = PurePosixPath(name.lower())
    return PurePosixPath(path.stem).suffix if path.suffix in PACKED else path.suffix


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
        index: columns that number or name the rows, such as pandas' index; they are no values.
        first_line: of text tables and sheets, the line of the first row of data, from 1.
        gaps: likewise, places of rows from 0, and the number of lines left out above each.
    """

    frame: "pd.DataFrame"
    format: Format
    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    notes: tuple[str, ...] = ()
    index: tuple[str, ...] = ()
    first_line: int | None = None
    gaps: tuple[tuple[int, int], ...] = ()


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
    found = signature(path, shown)
    if found.packed is not None:
        with unpacked(path, found.packed, shown) as inner:
            file = read_table(inner, params, shown)
        return replace(file, notes=(f"unpacked ({found.packed})", *file.notes))
    form = params.format if params.format != "auto" else _format(path, found)
    file = _read(path, form, params, shown)
    if file.frame.empty:
        raise NoRowsError(shown, [str(name) for name in file.frame.columns])
    return file


def _format(path: Path, found: Signature) -> Format:
    """By the file's first bytes, else by its ending."""
    named = TABLES.get(path.suffix.lower())
    if found.format is None or (found.format == "json" and named in ("json", "jsonl")):
        return named if named in ("json", "jsonl", "parquet") else "csv"
    return found.format


def _read(path: Path, form: Format, params: ReadParams, shown: str) -> TableFile:
    """Read a file of a known format."""
    notes: list[str] = []
    named = TABLES.get(path.suffix.lower())
    if named is not None and form != named and {form, named} != {"json", "jsonl"}:
        notes.append(f"its bytes are those of {form}, not of {path.suffix} (read.format)")
    if form == "csv":
        return _of_text(read_delimited(path, params, shown), form, notes)
    if form == "sheet":
        return _of_text(read_sheet(path, params, shown), form, notes)
    if form == "arff":
        return _of_text(read_arff(path, params, shown), form, notes)
    index: tuple[str, ...] = ()
    if form in ("parquet", "feather"):
        table = _parquet(path, shown) if form == "parquet" else _feather(path, shown)
        index = typed_index(table, notes) if not params.names else ()
        frame = _frame(table, notes)
    else:
        if form == "json":
            form, frame = read_json(path, params, shown)
        else:
            frame = read_json_lines(path, params, shown)
        index = frame_index(frame, notes) if not params.names else ()
    return TableFile(_renamed(frame, params, shown), form, notes=tuple(notes), index=index)


def _of_text(cut: TextTable, form: Format, notes: Sequence[str]) -> TableFile:
    """A table of text cells."""
    return TableFile(
        _frame(cut.table, []), form, cut.encoding, cut.delimiter, cut.header, (*notes, *cut.notes),
        cut.index, cut.first_line, cut.gaps,
    )  # fmt: skip


def _frame(table: "pa.Table", notes: list[str]) -> "pd.DataFrame":
    """Arrow to pandas; nested values as JSON text, decimals as floats, durations in seconds."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = []
    gaps: dict[pa.DataType, Any] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if pa.types.is_dictionary(kind):
            column = column.cast(kind.value_type)
            kind = column.type
        if pa.types.is_decimal(kind):
            column = column.cast(pa.float64())
        elif pa.types.is_nested(kind) or pa.types.is_binary(kind):
            column = pa.array([as_text(v) for v in column.to_pylist()], pa.string())
        elif pa.types.is_duration(kind):
            column = _seconds(column)
            notes.append(f"{name}: durations are read in seconds")
        elif pa.types.is_boolean(kind) and column.null_count:
            gaps[kind] = pd.BooleanDtype()
        elif pa.types.is_time(kind) or pa.types.is_null(kind):
            column = column.cast(pa.string())
        elif pa.types.is_integer(kind) and column.null_count:
            column = _whole_with_gaps(column, pc)
        columns.append(column)
    frame: pd.DataFrame = pa.table(columns, names=table.column_names).to_pandas(
        date_as_object=False, types_mapper=gaps.get if gaps else None
    )
    return frame


def _seconds(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """Durations of any unit as seconds."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ticks = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[column.type.unit]
    return pc.divide(pc.cast(column.cast(pa.int64()), pa.float64(), safe=False), ticks)


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


def _feather(path: Path, shown: str) -> "pa.Table":
    import pyarrow as pa
    from pyarrow import feather

    try:
        table: pa.Table = feather.read_table(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise MendableError(f"{shown}: is no Feather file that can be read: {error}") from error
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
