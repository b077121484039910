"""CSV and its relatives, read as text cells.

PyArrow reads them, so that 200 MB are read in seconds and little more memory, and 007 stays 007.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from crisol.core.data.tables.delimited_format import (
    BLANKS,
    find_separator,
    first_lines,
    first_rows,
    has_header,
    text_encoding,
)
from crisol.core.data.tables.read_params import ReadParams
from crisol.core.errors import MendableError

_BLOCK_BYTES = 1 << 23


@dataclass(frozen=True)
class Delimited:
    """A text table as it was read.

    Attributes:
        table: every column a string column; null where a cell says that there is no value.
        encoding: such as ``utf-8``.
        separator: one character.
        header: whether the first row names the columns.
        notes: sentences about what was detected or assumed.
    """

    table: pa.Table
    encoding: str
    separator: str
    header: bool
    notes: tuple[str, ...]


def read_delimited(path: Path, params: ReadParams, shown: str) -> Delimited:
    """Read a text table.

    Args:
        path: the file.
        params: overrides of what is detected.
        shown: what errors call the file.

    Raises:
        MendableError: it is empty, is no text, has ragged rows, two columns of one name, or does
            not fit ``params``.
    """
    notes: list[str] = []
    encoding = text_encoding(path, params.encoding, shown, notes)
    head = first_lines(path, encoding, shown)
    separator = params.delimiter or find_separator(head)
    rows = first_rows(head, separator)
    if not rows:
        raise MendableError(
            f"{shown}: its first row cannot be read: a cell has more than "
            f"{csv.field_size_limit():,} characters"
            if head.strip()
            else f"{shown}: is empty; it needs a row of column names and rows below it"
        )
    header, why = (params.header, "told") if params.header is not None else has_header(rows)
    if params.header is None:
        notes.append(f"{'the first row names the columns' if header else 'no header'}: {why}")
    table = _table(path, encoding, separator, header, head, shown)
    table = table.rename_columns(_names(table.column_names, header, params, shown, notes))
    if table.num_rows == 0:
        raise MendableError(f"{shown}: holds column names and no rows")
    _check_closed(path, table, shown)
    cleaned = [_cells(column, params.missing) for column in table.columns]
    return Delimited(
        pa.table(cleaned, names=table.column_names), encoding, separator, header, tuple(notes)
    )


def _table(
    path: Path, encoding: str, separator: str, header: bool, head: str, shown: str
) -> pa.Table:
    """Every column as strings."""
    columns = first_rows(head, separator)[0]
    if separator == BLANKS or f'{separator} "' in head:
        return _spaced_table(path, encoding, separator, header, shown)
    bad: list[Any] = []

    def refuse(row: Any) -> str:
        bad.append(row)
        return "error"

    names = columns if header else [f"column_{i}" for i in range(1, len(columns) + 1)]
    try:
        with path.open("rb") as stream:
            return arrow_csv.read_csv(
                stream,
                read_options=arrow_csv.ReadOptions(
                    use_threads=False,  # rows are numbered then
                    block_size=_BLOCK_BYTES,
                    column_names=[str(i) for i in range(len(names))],
                    skip_rows_after_names=int(header),
                    encoding=_codec(encoding),
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=separator,
                    newlines_in_values=True,
                    invalid_row_handler=refuse,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types={str(i): pa.string() for i in range(len(names))},
                    strings_can_be_null=False,
                ),
            ).rename_columns(names)
    except pa.ArrowException as error:
        if bad:
            raise _ragged(path, encoding, separator, bad[0], shown) from error
        raise MendableError(
            f"{shown}: cannot be read as a table: {error}; look for a double quote that is not "
            "closed"
        ) from error


def _codec(encoding: str) -> str:
    """PyArrow takes off UTF-8's mark by itself."""
    return "utf8" if encoding in ("utf-8", "utf-8-sig") else encoding


def _ragged(path: Path, encoding: str, separator: str, row: Any, shown: str) -> MendableError:
    """The error for a row of another length, by its line."""
    place = f"row {row.number}"
    with path.open(encoding=encoding, newline="") as stream:
        lines = csv.reader(stream, delimiter=separator)
        try:
            rows = 0
            for cells in lines:
                rows += bool(cells)
                if rows == row.number:
                    place = f"line {lines.line_num}"
                    break
        except csv.Error:
            pass
    return MendableError(
        f"{shown}, {place}: has {row.actual_columns} cells where {row.expected_columns} are "
        f"expected; a cell that holds {separator!r} or a line break stands between double quotes"
    )


def _spaced_table(path: Path, encoding: str, separator: str, header: bool, shown: str) -> pa.Table:
    """A file whose quotes follow a blank, or whose cells blanks divide: for Python's reader."""
    names: list[str] = []
    columns: list[list[str]] = []
    with path.open(encoding=encoding, newline="") as stream:
        text: Iterable[str] = stream
        if separator == BLANKS:
            text = (line.replace("\t", BLANKS).strip() for line in stream)
        lines = csv.reader(text, delimiter=separator, skipinitialspace=True, strict=True)
        try:
            for cells in lines:
                if not cells:
                    continue
                if not names:
                    names = cells if header else [f"column_{i + 1}" for i in range(len(cells))]
                    columns = [[] for _ in names]
                    if header:
                        continue
                if len(cells) != len(names):
                    raise MendableError(
                        f"{shown}, line {lines.line_num}: has {len(cells)} cells where "
                        f"{len(names)} are expected; a cell that holds {separator!r} or a line "
                        "break stands between double quotes"
                    )
                for column, cell in zip(columns, cells, strict=True):
                    column.append(cell)
        except csv.Error as error:
            raise MendableError(f"{shown}, line {lines.line_num}: {error}") from error
    return pa.table([pa.array(column, pa.string()) for column in columns], names=names)


def _names(
    found: Sequence[str], header: bool, params: ReadParams, shown: str, notes: list[str]
) -> list[str]:
    """The columns' names: given, or of the header; columns without one get a number."""
    if params.names:
        if len(params.names) != len(found):
            raise MendableError(
                f"read.names: {len(params.names)} names for the {len(found)} columns of {shown}"
            )
        names = list(params.names)
    else:
        names = [name.strip() for name in found]
        bare = [i for i, name in enumerate(names) if not name]
        for i in bare:
            names[i] = f"column_{i + 1}"
        if bare and header:
            notes.append(f"{len(bare)} column(s) without a name are called column_{bare[0] + 1}…")
    check_names(names, shown)
    return names


def check_names(names: Sequence[str], shown: str) -> None:
    """Refuse columns that cannot be told apart.

    Raises:
        MendableError: a name is there twice, or there is none.
    """
    if not names:
        raise MendableError(f"{shown}: holds no columns")
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise MendableError(
            f"{shown}: column {name!r} is there {count} times; rename them, give read.names, or "
            "say that there is no header (read.header: false)"
        )


def _check_closed(path: Path, table: pa.Table, shown: str) -> None:
    """Refuse a double quote that is never closed: its cell would swallow the rest of the file."""
    last = table.columns[-1][table.num_rows - 1].as_py()
    if "\n" not in last:
        return
    quotes = 0
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            quotes += block.count(b'"')
    if quotes % 2:
        raise MendableError(
            f"{shown}: a double quote is not closed; the last cell would be {last[:40]!r}"
        )


def _cells(column: pa.ChunkedArray, missing: Sequence[str]) -> pa.ChunkedArray:
    """Cells without the blanks around them; null where they say that there is no value."""
    trimmed = pc.utf8_trim_whitespace(column)
    none = pc.is_in(trimmed, value_set=pa.array(list(missing), pa.string()))
    return pc.if_else(none, pa.scalar(None, pa.string()), trimmed)
