"""CSV and its relatives: encoding, separator and header are found out; cells stay text.

PyArrow reads them, so that 200 MB are read in seconds and little more memory, and 007 stays 007.
"""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from crisol.core.errors import MendableError
from crisol.models.tabular.data.text_cells import looks_like_number
from crisol.models.tabular.params import ReadParams

SEPARATORS = (",", ";", "\t", "|")
BLANKS = " "
"""Cells in columns of blanks, as older public tables have them; looked for where no mark fits."""
_HEAD_BYTES = 1 << 18
_HEAD_ROWS = 200
_BLOCK_BYTES = 1 << 23
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


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
    encoding = _encoding(path, params.encoding, shown, notes)
    head = _head(path, encoding, shown)
    separator = params.delimiter or _separator(head)
    rows = _rows(head, separator)
    if not rows:
        raise MendableError(f"{shown}: is empty; it needs a row of column names and rows below it")
    header, why = (params.header, "told") if params.header is not None else _header(rows)
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


def _encoding(path: Path, given: str | None, shown: str, notes: list[str]) -> str:
    """The name of the text's encoding: the given one, that of its mark, UTF-8, or Windows' own."""
    with path.open("rb") as stream:
        start = stream.read(4096)
    if not start:
        raise MendableError(f"{shown}: is empty; it needs a row of column names and rows below it")
    marked = next((name for mark, name in _BYTE_ORDER_MARKS if start.startswith(mark)), None)
    if given is not None:
        try:
            codecs.lookup(given)
        except LookupError:
            raise MendableError(
                f"read.encoding: there is no encoding {given!r}; try utf-8, utf-16 or cp1252"
            ) from None
        _decodable(path, given, shown)
        return "utf-8-sig" if marked == "utf-8-sig" and _is_utf8(given) else given
    if marked is not None:
        _decodable(path, marked, shown)
        notes.append(f"{marked} by its byte order mark")
        return marked
    if b"\0" in start:
        raise MendableError(
            f"{shown}: is no text (it holds zero bytes); give a CSV, JSON or Parquet file, or name "
            "its encoding (read.encoding: utf-16-le)"
        )
    for name in ("utf-8", "cp1252"):
        try:
            _decode(path, name)
        except UnicodeDecodeError as error:
            if name == "utf-8":
                notes.append(
                    f"not UTF-8 (byte {error.start}), read as Windows or Latin-1 text: look "
                    "whether accents are right, or name the encoding"
                )
            continue
        return name
    return "latin-1"


def _is_utf8(name: str) -> bool:
    return codecs.lookup(name).name == "utf-8"


def _decode(path: Path, encoding: str) -> None:
    """Decode the whole file, block by block.

    Raises:
        UnicodeDecodeError: it is not in that encoding; ``start`` counts from the file's start.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    at = 0
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                error.start += at
                raise
            at += len(block)
    decoder.decode(b"", final=True)


def _decodable(path: Path, encoding: str, shown: str) -> None:
    try:
        _decode(path, encoding)
    except UnicodeDecodeError as error:
        raise MendableError(
            f"{shown}: is not {encoding} text ({error.reason} at byte {error.start}); name another "
            "encoding (read.encoding) or save it as UTF-8"
        ) from error


def _head(path: Path, encoding: str, shown: str) -> str:
    """The first rows as text, in whole lines where there are more."""
    with path.open(encoding=encoding, newline="") as stream:
        text = stream.read(_HEAD_BYTES)
        more = bool(stream.read(1))
    if "\0" in text:
        raise MendableError(f"{shown}: is no text (it holds zero bytes)")
    return text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text if more else text


def _rows(head: str, separator: str) -> list[list[str]]:
    """The first rows, cut into cells."""
    found: list[list[str]] = []
    stream: Iterable[str] = io.StringIO(head, newline="")
    if separator == BLANKS:
        stream = (line.replace("\t", BLANKS).strip() for line in stream)
    lines = csv.reader(stream, delimiter=separator, skipinitialspace=True)
    try:
        for cells in lines:
            if cells:
                found.append([cell.strip() for cell in cells])
            if len(found) == _HEAD_ROWS:
                break
    except csv.Error:  # PyArrow reads the file, and says what is wrong with it
        pass
    return found


def _separator(head: str) -> str:
    """The mark that cuts the rows into the most columns of which every row has as many."""
    best, score = ",", (0.0, 1)
    for mark in SEPARATORS:
        width, share = _width(_rows(head, mark))
        if width > 1 and (round(share, 1), width) > score:
            best, score = mark, (round(share, 1), width)
    if score[1] == 1 or best == "\t":
        rows = _rows(head, BLANKS)
        width, share = _width(rows)
        cells = [cell for row in rows[1:] for cell in row]
        if (
            width > score[1]
            and share == 1
            and sum(map(looks_like_number, cells)) > 0.5 * len(cells)
        ):
            return BLANKS
    return best


def _width(rows: Sequence[Sequence[str]]) -> tuple[int, float]:
    """The most frequent number of cells, and the share of the rows that have as many."""
    counts = Counter(map(len, rows))
    if not counts:
        return 0, 0.0
    width, count = counts.most_common(1)[0]
    return width, count / counts.total()


def _header(rows: Sequence[Sequence[str]]) -> tuple[bool, str]:
    """Whether the first row names the columns, and why: names are not of their columns' kinds."""
    first, below = rows[0], rows[1:]
    if not below:
        return True, "there is no other row"
    kinds_differ = kinds_agree = repeated = 0
    for at, cell in enumerate(first):
        cells = [row[at] for row in below if at < len(row) and row[at]]
        if not cells:
            continue
        if sum(map(looks_like_number, cells)) >= 0.9 * len(cells):
            if looks_like_number(cell):
                kinds_agree += 1
            elif cell:
                kinds_differ += 1
        elif cell in set(cells):
            repeated += 1
    if kinds_agree > kinds_differ:
        return False, "its cells are numbers like those below"
    if kinds_differ:
        return True, "its cells are words above numbers"
    if repeated:
        return False, "its words occur below it, too"
    return True, "its words occur nowhere below it"


def _table(
    path: Path, encoding: str, separator: str, header: bool, head: str, shown: str
) -> pa.Table:
    """Every column as strings."""
    columns = _rows(head, separator)[0]
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
