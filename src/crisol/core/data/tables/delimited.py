"""CSV and its relatives, read as text cells.

PyArrow reads them, so that 200 MB are read in seconds and little more memory, and 007 stays 007.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv as arrow_csv

from crisol.core.data.outline.comments import COMMENT_MARKS
from crisol.core.data.outline.footers import is_note
from crisol.core.data.outline.layout import Layout, find_layout
from crisol.core.data.outline.rows import BLANKS, Dialect
from crisol.core.data.read_params import ReadParams
from crisol.core.data.tables.delimited_format import first_lines, text_encoding
from crisol.core.data.tables.dialect import ONE_COLUMN, find_dialect
from crisol.core.data.tables.text_columns import NoRowsError, TextTable, finished
from crisol.core.data.tables.text_stream import lines_from, utf8_from
from crisol.core.errors import MendableError

_BLOCK_BYTES = 1 << 23
_MOST_ODD_ROWS = 200
_MOST_LINES_COUNTED = 500_000


@dataclass(frozen=True)
class _OddRow:
    """A row with another number of cells than the others have."""

    number: int
    """From 1, of the rows from the layout's first line on that are not empty."""
    cells: int
    text: str


@dataclass(frozen=True)
class _Source:
    """A text table and the way it is read."""

    path: Path
    encoding: str
    dialect: Dialect
    layout: Layout
    shown: str
    comments: tuple[str, ...]
    """Marks of lines of comments among the rows."""

    def line(self, number: int) -> str:
        """The place of a row that is not empty, from 1."""
        if number <= _MOST_LINES_COUNTED:
            begin = self.layout.data_line
            with lines_from(self.path, self.encoding, begin) as text:
                lines = self.dialect.reader(text)
                try:
                    rows = 0
                    for cells in lines:
                        rows += bool(cells)
                        if rows == number:
                            return f"line {begin - 1 + lines.line_num}"
                except csv.Error:
                    pass
        return f"row {number}"


def read_delimited(path: Path, params: ReadParams, shown: str) -> TextTable:
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
    head, whole = first_lines(path, encoding, shown)
    guess = find_dialect(path, head, whole, params, shown)
    if not guess.rows and params.skip and head.strip():
        raise MendableError(f"read.skip: {shown} has no rows below line {params.skip:,}")
    if not guess.rows:
        raise MendableError(
            f"{shown}: its first row cannot be read: a cell has more than "
            f"{csv.field_size_limit():,} characters"
            if head.strip()
            else f"{shown}: is empty; it needs a row of column names and rows below it"
        )
    layout = find_layout(guess.rows, params, shown, whole, guess.before)
    notes += [*guess.notes, *layout.notes]
    marks = (layout.comment,) if layout.comment else COMMENT_MARKS
    comments = marks if params.comment != "" else ()
    source = _Source(path, encoding, guess.dialect, layout, shown, comments)
    if whole and layout.data_line > guess.rows[-1].line:
        raise NoRowsError(shown, layout.names or layout.raw)
    _check_quotes(source)
    table, odd = _table(source, head)
    rest = _odd_rows_left_out(source, table.num_rows, odd, notes)
    _check_closed(source, table)
    mark = guess.dialect.mark
    return finished(
        table, layout, params, shown, notes,
        encoding=encoding, delimiter=mark if mark != ONE_COLUMN else None,
        place=lambda row: source.line(_number(row, rest)), odd=rest,
    )  # fmt: skip


def _number(row: int, odd: Sequence[int]) -> int:
    """The number of a row of the table, from 1, where rows of other widths are counted, too."""
    number = row + 1
    for other in odd:
        number += other <= number
    return number


def _table(source: _Source, head: str) -> tuple[pa.Table, list[_OddRow]]:
    """Every column as strings, and the rows of other widths."""
    dialect = source.dialect
    if dialect.mark == BLANKS or (dialect.quote and f"{dialect.mark} {dialect.quote}" in head):
        return _spaced_table(source)
    odd: list[_OddRow] = []

    def note(row: Any) -> str:
        odd.append(_OddRow(row.number, row.actual_columns, row.text))
        return "skip" if len(odd) < _MOST_ODD_ROWS else "error"

    names = [str(i) for i in range(source.layout.width)]
    try:
        with utf8_from(source.path, source.encoding, source.layout.data_line) as stream:
            table = arrow_csv.read_csv(
                stream,
                read_options=arrow_csv.ReadOptions(
                    use_threads=False,  # rows are numbered then
                    block_size=_BLOCK_BYTES,
                    column_names=names,
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=dialect.mark,
                    quote_char=dialect.quote or False,
                    escape_char="\\" if dialect.escape else False,
                    newlines_in_values=True,
                    invalid_row_handler=note,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types={name: pa.string() for name in names},
                    strings_can_be_null=False,
                ),
            )
    except pa.ArrowException as error:
        if odd:
            raise _ragged(source, odd[0]) from error
        raise MendableError(
            f"{source.shown}: cannot be read as a table: {error}; look for a double quote that is "
            "not closed"
        ) from error
    return table, odd


def _ragged(source: _Source, row: _OddRow) -> MendableError:
    """The error for a row of another length, by its line."""
    mark, width = source.dialect.mark, source.layout.width
    ends = " (the row ends with a mark)" if row.text.rstrip().endswith(mark) else ""
    return MendableError(
        f"{source.shown}, {source.line(row.number)}: has {row.cells} cells where {width} are "
        f"expected{ends}. Rows are cut at {mark!r} (read.delimiter); a cell that holds {mark!r} or "
        "a line break stands between double quotes"
    )


def _odd_rows_left_out(
    source: _Source, rows: int, odd: Sequence[_OddRow], notes: list[str]
) -> list[int]:
    """The numbers of the rows of other widths, which are comments or notes below the table.

    Raises:
        MendableError: a row is neither.
    """
    end = rows + len(odd)
    below = 0
    for row in reversed(odd):
        if row.number != end - below or not _is_note(source, row, odd):
            break
        below += 1
    inside = odd[: len(odd) - below]
    for row in inside:
        if not _is_comment(source, row):
            raise _ragged(source, row)
    if inside:
        notes.append(
            f"{len(inside):,} line(s) of comments among the rows are left out, the first "
            f"{source.line(inside[0].number)}: {inside[0].text.strip()[:60]!r} (read.comment)"
        )
    if below:
        first = odd[len(odd) - below]
        notes.append(
            f"{below} line(s) below the table are left out, the first {source.line(first.number)}: "
            f"{first.text.strip()[:60]!r}"
        )
    return [row.number for row in odd]


def _is_comment(source: _Source, row: _OddRow) -> bool:
    return row.text.lstrip().startswith(source.comments)


def _is_note(source: _Source, row: _OddRow, odd: Sequence[_OddRow]) -> bool:
    """Whether a row of another width, at the end, is a note."""
    if _is_comment(source, row):
        return True
    if row.cells > 1 and row.cells >= source.layout.width:
        return False
    blank = _after_blank(source, odd)
    text = row.text.strip().strip('"')
    return is_note(text, blank) and (row.cells == 1 or blank or text[:1] in "(*-")


def _after_blank(source: _Source, odd: Sequence[_OddRow]) -> bool:
    """Whether an empty line stands above the last rows of another width."""
    tail = _tail(source)
    first = odd[-1].text.strip()
    for row in odd:
        if row.text.strip() and row.text.strip() in tail:
            first = row.text.strip()
            break
    above = tail.partition(first)[0]
    lines = above.splitlines()
    return len(lines) > 1 and not lines[-1].strip()


def _tail(source: _Source) -> str:
    """The last characters of the file."""
    with source.path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - (1 << 14)) & ~3)
        return stream.read().decode(source.encoding, "replace")


def _spaced_table(source: _Source) -> tuple[pa.Table, list[_OddRow]]:
    """A file whose quotes follow a blank, or whose cells blanks divide: for Python's reader."""
    width, begin = source.layout.width, source.layout.data_line
    columns: list[list[str]] = [[] for _ in range(width)]
    odd: list[_OddRow] = []
    number = 0
    with lines_from(source.path, source.encoding, begin) as text:
        lines = source.dialect.reader(text, strict=True)
        try:
            for cells in lines:
                if not cells:
                    continue
                number += 1
                if len(cells) != width:
                    row = _OddRow(number, len(cells), source.dialect.mark.join(cells))
                    odd.append(row)
                    if len(odd) == _MOST_ODD_ROWS:
                        raise _ragged(source, odd[0])
                    continue
                for column, cell in zip(columns, cells, strict=True):
                    column.append(cell)
        except csv.Error as error:
            line = begin - 1 + lines.line_num
            raise MendableError(
                f"{source.shown}, line {line}: {error}; rows are cut at {source.dialect.mark!r} "
                "(read.delimiter)"
            ) from error
    names = [str(i) for i in range(width)]
    return pa.table([pa.array(column, pa.string()) for column in columns], names=names), odd


def _check_quotes(source: _Source) -> None:
    """Refuse a quote within a cell between quotes, of which PyArrow would make another cell."""
    dialect = source.dialect
    if not dialect.quote or dialect.escape or dialect.mark == BLANKS or not _has_inner(source):
        return
    with lines_from(source.path, source.encoding, source.layout.data_line) as text:
        lines = dialect.reader(text, strict=True)
        try:
            for _ in lines:
                pass
        except csv.Error as error:
            line = source.layout.data_line - 1 + lines.line_num
            if "end of data" in str(error):
                return  # told with its cell once the table is read
            raise MendableError(
                f"{source.shown}, line {line}: a cell between quotes holds a quote ({error}); "
                'write it twice (""), or name the marks (read.quote, read.escape)'
            ) from error


def _has_inner(source: _Source) -> bool:
    """Whether text stands after the quote that would close a cell, perhaps."""
    mark, quote = source.dialect.mark.encode(), source.dialect.quote.encode()
    rest = rb"[^%b\n]*%b[^%b%b\r\n ]" % (quote, quote, quote, re.escape(mark))
    # Two patterns that begin with literals are ten times as fast as one that chooses
    inner = [re.compile(re.escape(begin + quote) + rest) for begin in (mark, b"\n")]
    tail = b""
    with source.path.open("rb") as stream:
        while block := stream.read(1 << 22):
            if quote in block and any(one.search(tail + block) for one in inner):
                return True
            tail = block[-1000:]
    return False


def _check_closed(source: _Source, table: pa.Table) -> None:
    """Refuse a double quote that is never closed: its cell would swallow the rest of the file."""
    if table.num_rows == 0:
        return
    last = table.columns[-1][table.num_rows - 1].as_py()
    if "\n" not in last or not source.dialect.quote:
        return
    quotes = 0
    quote = source.dialect.quote.encode()
    with source.path.open("rb") as stream:
        while block := stream.read(1 << 20):
            quotes += block.count(quote)
    if quotes % 2:
        raise MendableError(
            f"{source.shown}: a double quote is not closed; the last cell would be {last[:40]!r}"
        )
