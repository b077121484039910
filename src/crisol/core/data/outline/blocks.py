"""The block of rows of one width, which a table is."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from crisol.core.data.outline.comments import usual_width
from crisol.core.data.outline.footers import is_note
from crisol.core.data.outline.rows import Row, blank_before

_MOST_NOTES = 10
MOST_LINES_BEFORE = 60
"""Lines above a table, at most."""


@dataclass(frozen=True)
class RowBlock:
    """Rows of one width: ``rows[begin:end]``, of which every one has ``width`` cells."""

    begin: int
    end: int
    width: int


def find_block(rows: Sequence[Row], whole: bool) -> RowBlock | None:
    """The rows of a table among the first of a file; ``None`` where they do not agree in width.

    Args:
        rows: without comments.
        whole: whether they are all the file has, so that notes may follow the table.
    """
    counts = Counter(row.width for row in rows)
    for width, count in sorted(counts.items(), key=lambda item: (-item[1], -item[0])):
        if width < 2 and len(counts) > 1:
            continue
        at = [i for i, row in enumerate(rows) if row.width == width]
        before, after = rows[: at[0]], rows[at[-1] + 1 :]
        if count < at[-1] - at[0] + 1 or count < min(2, len(rows)):
            continue
        if after and not (whole and len(after) <= _MOST_NOTES and _are_notes(rows, at[-1] + 1)):
            continue
        if any(row.width > width for row in before[:-1]) or len(before) > MOST_LINES_BEFORE:
            continue
        if before and before[-1].width > width and not ends_empty(before[-1], width):
            continue
        return RowBlock(at[0], at[-1] + 1, width)
    return None


def uneven_block(rows: Sequence[Row], skipped: bool) -> RowBlock:
    """The first rows of most rows' width; the reader of the file says which do not agree.

    Args:
        rows: without comments.
        skipped: whether a person said how many lines stand before the table.
    """
    begin, usual = 0, usual_width(rows)
    if not skipped and usual > 1:
        first = [row.width for row in rows].index(usual)
        begin = first if all(row.width < usual for row in rows[:first]) else 0
    width = rows[begin].width
    end = begin
    while end < len(rows) and rows[end].width == width:
        end += 1
    return RowBlock(begin, end, width)


def _are_notes(rows: Sequence[Row], begin: int) -> bool:
    """Whether every row from one on is a note below a table."""
    blank = blank_before(rows, begin)
    return all(row.width == 1 and is_note(row.cells[0], blank) for row in rows[begin:])


def ends_empty(row: Row, width: int) -> bool:
    """Whether a row has one cell more than a table, which is empty."""
    return row.width == width + 1 and not row.cells[-1]
