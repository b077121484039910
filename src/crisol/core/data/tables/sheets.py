"""Sheets of spreadsheets (.xlsx, .xlsb, .xls, .ods) as text cells; formulas by their values."""

import zipfile
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from crisol.core.data.outline.layout import find_layout
from crisol.core.data.outline.rows import Row
from crisol.core.data.read_params import ReadParams
from crisol.core.data.tables.text_columns import NoRowsError, TextTable, finished
from crisol.core.errors import MendableError

_HEAD_ROWS = 200
MAX_UNPACKED_BYTES = 1 << 30
MAX_CELLS = 50_000_000


def read_sheet(path: Path, params: ReadParams, shown: str) -> TextTable:
    """Read the one sheet that holds a table, or the named one.

    Raises:
        MendableError: it cannot be read, several sheets hold something, or none does.
    """
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    _check_size(path, shown)
    try:
        # By the stream, since a path would be read as its ending says
        with path.open("rb") as stream, CalamineWorkbook.from_filelike(stream) as book:
            name, notes = _sheet(book, params, shown)
            cells = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except MendableError:
        raise
    except PasswordError as error:
        raise MendableError(f"{shown}: is protected by a password; save it without one") from error
    except (CalamineError, OSError, ValueError) as error:
        raise MendableError(f"{shown}: is no spreadsheet that can be read: {error}") from error
    texts = [[_text(cell) for cell in row] for row in cells]
    return _table(texts, params, f"{shown}, sheet {name!r}", notes)


def _check_size(path: Path, shown: str) -> None:
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as packed:
        size = sum(entry.file_size for entry in packed.infolist())
    if size > MAX_UNPACKED_BYTES:
        raise MendableError(
            f"{shown}: unpacks to {size:,} bytes, more than {MAX_UNPACKED_BYTES:,}; save it as CSV"
        )


def _sheet(book: Any, params: ReadParams, shown: str) -> tuple[str, list[str]]:
    """The name of the sheet to read, and what to tell."""
    names = list(book.sheet_names)
    if params.sheet is not None:
        if params.sheet not in names:
            raise MendableError(
                f"read.sheet: {shown} has no sheet {params.sheet!r}; there are: "
                f"{', '.join(names[:12])}"
            )
        return params.sheet, []
    hidden = {sheet.name for sheet in book.sheets_metadata if _visible(sheet) != "Visible"}
    full = [name for name in names if book.get_sheet_by_name(name).height > 0]
    shown_ones = [name for name in full if name not in hidden] or full
    if not shown_ones:
        raise MendableError(f"{shown}: no sheet holds anything")
    if len(shown_ones) > 1:
        raise MendableError(
            f"{shown}: {len(shown_ones)} sheets hold something: {', '.join(shown_ones[:12])}; name "
            "one (read.sheet)"
        )
    others = len(names) - 1
    said = f"sheet {shown_ones[0]!r} is read; {others} other(s) are empty or hidden (read.sheet)"
    return shown_ones[0], [said] if others else []


def _visible(sheet: Any) -> str:
    return str(sheet.visible).rpartition(".")[2]


def _text(cell: Any) -> str:
    """A cell as it would stand in a text table."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime):
        midnight = cell.time() == time(0)
        return cell.date().isoformat() if midnight else cell.isoformat(" ", "seconds")
    if isinstance(cell, (date, time)):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return str(cell)
    return "" if cell is None else str(cell)


def _table(texts: list[list[str]], params: ReadParams, shown: str, notes: list[str]) -> TextTable:
    """The rows below the header as columns."""
    width = max(map(len, texts), default=0)
    begin = _first_column(texts, width)
    while width > begin and not any(row[width - 1].strip() for row in texts if len(row) >= width):
        width -= 1
    if len(texts) * width > MAX_CELLS:
        raise MendableError(f"{shown}: has more than {MAX_CELLS:,} cells; save it as CSV")
    padded = [(row + [""] * (width - len(row)))[begin:width] for row in texts]
    rows = [
        Row(at, at, tuple(cell.strip() for cell in row))
        for at, row in enumerate(padded, start=1)
        if any(cell.strip() for cell in row)
    ]
    if not rows:
        raise MendableError(f"{shown}: is empty; it needs a row of column names and rows below it")
    layout = find_layout(rows[:_HEAD_ROWS], params, shown, len(rows) <= _HEAD_ROWS)
    notes = [*notes, *layout.notes]
    body = padded[layout.data_line - 1 :]
    if not body:
        raise NoRowsError(shown, layout.names or layout.raw)
    table = pa.table(
        [pa.array(column, pa.string()) for column in zip(*body, strict=True)],
        names=[str(i) for i in range(width - begin)],
    )
    first = layout.data_line
    return finished(table, layout, params, shown, notes, place=lambda row: f"row {first + row}")


def _first_column(texts: list[list[str]], width: int) -> int:
    """The first column that holds something."""
    for at in range(width):
        if any(len(row) > at and row[at].strip() for row in texts):
            return at
    return 0
