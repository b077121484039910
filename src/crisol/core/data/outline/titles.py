"""Titles above a table: rows that are no header and no data."""

from collections.abc import Sequence

from crisol.core.data.outline import headers
from crisol.core.data.outline.blocks import MOST_LINES_BEFORE, RowBlock
from crisol.core.data.outline.rows import Row, blank_before
from crisol.core.data.read_params import ReadParams
from crisol.core.errors import MendableError


def title_rows(body: Sequence[Row], width: int, shown: str) -> int:
    """The number of rows of full width that stand above the header.

    Args:
        body: rows of one width.
        width: their cells.
        shown: what errors call the file.

    Raises:
        MendableError: those above are a table of their own.
    """
    if width < 2:
        return 0
    padded = _padded_rows(body, width)
    if padded:
        return padded
    for at in range(1, min(len(body), MOST_LINES_BEFORE)):
        if not blank_before(body, at):
            continue
        below = [row.cells for row in body[at + 1 :]]
        row = body[at].cells
        if len(below) >= 1 and _is_full_header(row, below):
            if row == body[0].cells:
                return 0  # the header is repeated
            _refuse_two_tables(body, at, shown)
            return at
    return 0


def check_title(
    rows: Sequence[Row], block: RowBlock, begin: int, params: ReadParams, shown: str
) -> None:
    """Refuse one line above rows without a header: a title, or the header of one column.

    Args:
        rows: without comments.
        block: the table's.
        begin: the first row of the table, without titles of the block's width.
        params: what a person knows better.
        shown: what errors call the file.

    Raises:
        MendableError: nothing tells a title from a header.
    """
    if block.begin != 1 or params.skip is not None or begin != block.begin:
        return
    body = [row.cells for row in rows[block.begin : block.end]]
    title = rows[0]
    sure = headers.names_numbers(body[0], body[1:]) and params.header is not False
    if sure or (title.width == 1 and blank_before(rows, block.begin)):
        return
    raise MendableError(
        f"{shown}, line {title.line}: has {title.width} cells where the rows below have "
        f"{block.width}. If it is a title, leave it out (read.skip: {title.line}); if it is "
        "the header, name the mark between cells (read.delimiter) or mend it"
    )


def is_upper(upper: Sequence[str], lower: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether a row with gaps is the upper one of two rows of a header."""
    gaps = "" in upper[1:] and 1 < sum(map(bool, upper)) < len(upper)
    return (
        gaps and not any(map(headers.looks_numeric, lower)) and headers.names_numbers(lower, below)
    )


def _refuse_two_tables(body: Sequence[Row], at: int, shown: str) -> None:
    """Refuse rows above a header that are a table of their own."""
    above = [row.cells for row in body[:at]]
    numbers = headers.number_columns(above[1:])
    whole = len(numbers) == body[0].width
    if at > 2 and headers.names_numbers(above[0], above[1:]) and (whole or at > 8):
        raise MendableError(
            f"{shown}: holds two tables, from line {body[0].line} and from line "
            f"{body[at].line}; leave the first out (read.skip: {body[at].line - 1}), or save "
            "each in a file of its own"
        )


def _padded_rows(body: Sequence[Row], width: int) -> int:
    """Rows at the top of which most cells are empty, above a full header."""
    at = 0
    while at < len(body) and body[at].filled <= width / 2:
        at += 1
    if not 0 < at < min(len(body) - 1, MOST_LINES_BEFORE):
        return 0
    top, below = body[:at], [row.cells for row in body[at + 1 :]]
    row = body[at].cells
    if any(headers.looks_numeric(line.cells[0]) for line in top):
        return 0
    if at == 1 and is_upper(top[0].cells, row, below):
        return 0
    usual = sum(map(bool, below[0])) if below else width
    named = [cell for cell in row if cell]
    names = headers.names_numbers(row, below)
    numeric = any(map(headers.looks_numeric, named[:1])) and not names
    if len(named) < min(width, usual) - 1 or numeric:
        return 0
    differ = names or not headers.number_columns(below)
    if at >= 1 and headers.has_header([row, *below])[0] and differ:
        return at
    return 0


def _is_full_header(row: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether a row in the middle is surely a header: all words, all different, above numbers."""
    return (
        all(row)
        and len(set(row)) == len(row)
        and not any(map(headers.looks_numeric, row))
        and headers.names_numbers(row, below)
    )
