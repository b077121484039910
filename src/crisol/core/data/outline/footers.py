"""Rows at the end of a table, or repeated in it, that are no data: notes and headers."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crisol.core.data.outline.headers import looks_numeric
from crisol.core.data.outline.left_rows import Left, last_rows, places, row_cells
from crisol.core.data.outline.totals import leave_out_totals
from crisol.core.data.read_params import ReadParams

if TYPE_CHECKING:
    import pyarrow as pa

_NOTE = re.compile(
    r"\(?\d+\)\s*\D.*|-{2,}.*|_{2,}|\(c\).*|={2,}.*|\*+\s*\S.*|[†‡©¹²³].*|.*\b\d+\s+(rows?|records?|lines?|zeilen"
    r"|filas|datensätze|lignes|entries)\b.*|(source|sources|notes?|quelle|hinweis|anmerkung|fuente|"
    r"nota|notas|remarks?|legend|disclaimer|fußnote|fonte|stand|copyright)\s*[:.\-].*|"
    r"(generated|printed|exported|created|erstellt|exportiert|end of|ende|fin|report)\b.*|"
    r"(total )?(rows?|records?)\s*[:=]\s*\d+.*|eof|end",
    re.IGNORECASE | re.DOTALL,
)
_COUNT = re.compile(
    r"\(?[\d,.]+ (rows?|records?|lines?|zeilen|filas|lignes)( \w+){0,2}\.?\)?", re.IGNORECASE
)
_SOURCE = re.compile(
    r"(source|sources|notes?|quelle|hinweis|anmerkung|fuente|nota|notas|fonte|copyright)\s*:\s*\S.*",
    re.IGNORECASE | re.DOTALL,
)


def is_note(text: str, after_blank: bool) -> bool:
    """Whether a line with one cell, below a table, is a note on it and no short row.

    >>> is_note("(1) preliminary", False), is_note("b", False), is_note("3", True)
    (True, False, False)
    """
    text = text.strip()
    if _NOTE.fullmatch(text):  # before numbers: "9 rows" may be one with a unit
        return True
    return after_blank and len(text.split()) > 1 and not looks_numeric(text)


def rows_to_leave_out(
    table: "pa.Table",
    header: Sequence[str],
    lines: tuple[Sequence[str], Sequence[str]],
    comment: str,
    params: ReadParams,
    place: Any,
) -> Left:
    """The rows that are no data.

    Args:
        table: text columns without blanks around their cells.
        header: the row of names as it stands in the file; empty if there is none.
        lines: the row of units and the line drawn below the header, likewise.
        comment: the mark of lines of comments.
        params: what a person knows better.
        place: the words for the place of a row, by its number from 0.
    """
    left = Left()
    if comment:
        marked = _comments(table, comment, bool(params.comment))
        left.out(marked, f"{len(marked):,} row(s) that begin with {comment} are left out, "
                 f"the first {place(marked[0]) if marked else ''} (read.comment)")  # fmt: skip
    units, rule = lines
    for row, called in ((header, "header"), (units, "row of units"), (rule, "drawn line")):
        again = _equal(table, row) if len(row) == table.num_columns > 0 else []
        if called == "header" and len(row) == 1 and row and looks_numeric(row[0]):
            continue
        if again:
            left.out(again, f"the {called} is repeated {len(again):,} time(s), first in "
                     f"{place(again[0])}: these rows are left out")  # fmt: skip
    if table.num_columns == 1:
        _notes_below_numbers(table, left, place)
    else:
        _empty_rows(table, left, place)
        _padded_notes(table, left, place)
        leave_out_totals(table, left, params, place)
    return left


def _comments(table: "pa.Table", mark: str, given: bool) -> list[int]:
    """The rows as wide as the others that are comments."""
    import pyarrow.compute as pc

    first = table.column(0)
    marked = pc.starts_with(first, pattern=mark)
    if given:
        return places(marked)
    if table.num_columns == 1:
        return []
    found = places(marked)
    if 0 < len(found) < 0.1 * table.num_rows and sum(
        looks_numeric(cell) for cell in first.slice(0, 200).to_pylist()
    ) > 0.5 * min(200, table.num_rows):
        return found
    blank = pc.match_substring_regex(first, f"^{re.escape(mark)}($|[ \\t#%/!=*-])")
    return places(blank)


def _equal(table: "pa.Table", row: Sequence[str]) -> list[int]:
    """The rows whose cells are those of a given one."""
    import pyarrow.compute as pc

    same = pc.equal(table.column(0), row[0])
    if not pc.any(same).as_py():
        return []
    for at in range(1, len(row)):
        same = pc.and_(same, pc.equal(table.column(at), row[at]))
    return places(same)


def _empty_rows(table: "pa.Table", left: Left, place: Any) -> None:
    """Leave out rows without a single value."""
    import pyarrow.compute as pc

    empty = pc.equal(table.column(0), "")
    for at in range(1, table.num_columns):
        if not pc.any(empty).as_py():
            return
        empty = pc.and_(empty, pc.equal(table.column(at), ""))
    found = places(empty)
    if len(found) == table.num_rows:
        return
    if found:
        left.out(found, f"{len(found):,} row(s) without a value are left out, the first "
                 f"{place(found[0])}")  # fmt: skip


def _padded_notes(table: "pa.Table", left: Left, place: Any) -> None:
    """Leave out note(s) below the table, whose other cells are empty."""
    notes: list[int] = []
    for at in last_rows(table, left, 10):
        cells = row_cells(table, at)
        filled = [cell for cell in cells if cell]
        blank = any(row in left.rows for row in (at - 1, *(n - 1 for n in notes)))
        first = bool(cells[0]) or table.num_columns > 2
        alone = len(filled) == 1 and first and is_note(filled[0], blank)
        count = _COUNT.fullmatch(" ".join(filled))
        if not alone and not count and not _SOURCE.fullmatch(cells[0]):
            break
        notes.append(at)
    if notes and len(notes) < table.num_rows - len(left.rows):
        at = notes[-1]
        said = " ".join(cell for cell in row_cells(table, at) if cell)[:60]
        left.out(notes, f"{len(notes)} note(s) below the table are left out, the first "
                 f"{place(at)}: {said!r}")  # fmt: skip


def _notes_below_numbers(table: "pa.Table", left: Left, place: Any) -> None:
    """Leave out notes below a single column of numbers."""
    cells = table.column(0).slice(0, 200).to_pylist()
    if sum(map(looks_numeric, cells)) < 0.8 * len(cells):
        return
    notes = []
    for at in last_rows(table, left, 10):
        if not is_note(row_cells(table, at)[0], False):
            break
        notes.append(at)
    if notes:
        said = row_cells(table, notes[-1])[0][:60]
        left.out(notes, f"{len(notes)} note(s) below the table are left out, the first "
                 f"{place(notes[-1])}: {said!r}")  # fmt: skip
