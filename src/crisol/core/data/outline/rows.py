"""The first rows of a text table, cut into cells, with the lines that they stand in."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _csv import Reader

BLANKS = " "
"""Cells in columns of blanks, as older public tables have them; looked for where no mark fits."""
_MAX_ROWS = 200


@dataclass(frozen=True)
class Dialect:
    """The marks of a text table: between its cells, around them, and before a quote in them.

    ``quote`` is empty where cells never stand between quotes.
    """

    mark: str
    quote: str = '"'
    escape: bool = False

    def reader(self, lines: Iterable[str], strict: bool = False) -> "Reader":
        """Python's reader of rows in this dialect."""
        if self.mark == BLANKS:
            lines = (line.replace("\t", BLANKS).strip() for line in lines)
        return csv.reader(
            lines,
            delimiter=self.mark,
            quotechar=self.quote or None,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            escapechar="\\" if self.escape else None,
            skipinitialspace=True,
            strict=strict,
        )


@dataclass(frozen=True)
class Row:
    """A row that is not empty: its first and last line in the file, from 1, and its cells."""

    line: int
    end: int
    cells: tuple[str, ...]

    @property
    def width(self) -> int:
        """The number of its cells."""
        return len(self.cells)

    @property
    def filled(self) -> int:
        """The number of its cells that hold something."""
        return sum(map(bool, self.cells))


def cut(dialect: Dialect, head: str) -> list[Row]:
    """The first rows of a text, without those whose cells are all empty."""
    lines = dialect.reader(io.StringIO(head, newline=""))
    return list(_rows(lines))


def _rows(lines: "Reader") -> Iterator[Row]:
    count, before = 0, 0
    try:
        for cells in lines:
            row = Row(before + 1, lines.line_num, tuple(cell.strip() for cell in cells))
            before = lines.line_num
            if row.filled:
                count += 1
                yield row
            if count == _MAX_ROWS:
                return
    except csv.Error:  # PyArrow reads the file, and says what is wrong with it
        return


def blank_before(rows: Sequence[Row], at: int) -> bool:
    """Whether an empty line stands between a row and the one before it."""
    return at > 0 and rows[at].line > rows[at - 1].end + 1
