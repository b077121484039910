"""Lines of comments before a table and in it, and headers that are written as one."""

from collections import Counter
from collections.abc import Sequence

from crisol.core.data.outline import headers
from crisol.core.data.outline.rows import Row
from crisol.core.data.read_params import ReadParams

COMMENT_MARKS = ("#", "%", "//")


def find_comment(rows: Sequence[Row], given: str | None) -> str:
    """The mark of lines of comments: the given one, or that of the first lines."""
    if given is not None:
        return given
    for mark in COMMENT_MARKS:
        plain = [row for row in rows if not row.cells[0].startswith(mark)]
        if not plain or len(plain) == len(rows):
            continue
        usual = usual_width(plain)
        first = rows[0].cells[0].startswith(mark)
        if first and (usual > 1 or says_comment(rows[0].cells[0], mark)):
            return mark
        if usual > 1 and any(is_comment(row, mark, usual) for row in rows):
            return mark
    return ""


def usual_width(rows: Sequence[Row]) -> int:
    """The number of cells that most rows have."""
    widths = Counter(row.width for row in rows)
    return widths.most_common(1)[0][0] if widths else 0


def says_comment(cell: str, mark: str) -> bool:
    """Whether a cell is a comment and no word such as ``#love`` or ``#ff0000``.

    >>> says_comment("# of May", "#"), says_comment("#love", "#")
    (True, False)
    """
    rest = cell.removeprefix(mark)
    return cell.startswith(mark) and (not rest or rest[0] in " \t#%/!-=*")


def is_comment(row: Row, mark: str, width: int) -> bool:
    """Whether a row is a comment, in a table of so many columns."""
    cell = row.cells[0]
    if not cell.startswith(mark):
        return False
    return row.width < width or says_comment(cell, mark)


def without_comments(rows: Sequence[Row], comment: str, given: str | None = None) -> list[Row]:
    """The rows that are no comments."""
    if not comment:
        return list(rows)
    if given:
        return [row for row in rows if not row.cells[0].startswith(comment)]
    plain = [row for row in rows if not row.cells[0].startswith(comment)]
    width = usual_width(plain)
    numbers = headers.number_columns([row.cells for row in plain[1:]])
    if 0 in numbers:  # a line of numbers that is commented out
        return plain
    return [row for row in rows if not is_comment(row, comment, width)]


def hidden_header(
    kept: Sequence[Row], plain: Sequence[Row], comment: str, params: ReadParams
) -> Row | None:
    """The header, where the last comment above the rows is one: ``# x,y`` above ``1,2``."""
    if not comment or not plain or params.comment is not None or params.header is False:
        return None
    above = [row for row in kept if row.line < plain[0].line]
    if not above and plain[0].cells[0].startswith(comment):
        above, plain = [plain[0]], plain[1:]
    if not plain:
        return None
    if not above:
        return None
    row = above[-1]
    if row.cells[0] == comment and row.width == plain[0].width + 1:
        row = Row(row.line, row.end, row.cells[1:])
    if row.width != plain[0].width:
        return None
    name = row.cells[0].removeprefix(comment).lstrip("#% ").strip()
    cells = (name or row.cells[0], *row.cells[1:])
    below = [other.cells for other in plain if other.width == row.width]
    if row.width == 1 and not headers.names_numbers(cells, below):
        return None
    if headers.names_numbers(plain[0].cells, below[1:]):
        return None
    if not headers.has_header([cells, *below])[0]:
        return None
    if len(above) > 1 and not headers.names_numbers(cells, below):
        return None
    return Row(row.line, row.end, cells)
