"""The beginning of a table: the lines before it, its header, and the units below the header.

A person's file may begin with a title, a date of export, comments, or ``key: value`` lines, and a
spreadsheet pads them with empty cells. The rows decide: a table is the block of rows that have as
many cells as one another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from crisol.core.data.outline import headers
from crisol.core.data.outline.blocks import RowBlock, ends_empty, find_block, uneven_block
from crisol.core.data.outline.comments import (
    find_comment,
    hidden_header,
    without_comments,
)
from crisol.core.data.outline.rows import Row
from crisol.core.data.outline.titles import check_title, is_upper, title_rows
from crisol.core.data.read_params import ReadParams
from crisol.core.errors import MendableError

_MOST_LEVELS = 3


@dataclass(frozen=True)
class Layout:
    """The layout of a table's first rows.

    Attributes:
        data_line: the line of the first row of data, from 1.
        names: of the header, as many as :attr:`width`; ``None`` if there is none.
        width: the number of cells in a row of data.
        raw: the header's row as it stands in the file, to find it again below.
        units: the row of units, likewise.
        rule: the line drawn below the header, likewise.
        row_names: whether the first column has no name in the header, as R writes row names.
        extra: whether rows end with a mark, so that their last cell is empty and has no name.
        comment: the mark of lines of comments; ``""`` if there are none.
        notes: sentences about what was found.
    """

    data_line: int
    names: tuple[str, ...] | None
    width: int
    raw: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    rule: tuple[str, ...] = ()
    row_names: bool = False
    extra: bool = False
    comment: str = ""
    notes: tuple[str, ...] = ()


def find_layout(
    rows: Sequence[Row], params: ReadParams, shown: str, whole: bool, first: int = 0
) -> Layout:
    """The place where the table begins.

    Args:
        rows: the first ones of the file.
        params: what a person knows better.
        shown: what errors call the file.
        whole: whether ``rows`` are all the file has.
        first: lines that are no part of the table, such as ``sep=;``.

    Raises:
        MendableError: the lines above the rows may be a title or a header, and nothing tells.
    """
    skip = params.skip if params.skip is not None else first
    kept = [row for row in rows if row.line > skip]
    if not kept:
        raise MendableError(f"read.skip: {shown} has no rows below line {skip:,}")
    comment = find_comment(kept, params.comment)
    plain = without_comments(kept, comment, params.comment)
    hidden = hidden_header(kept, plain, comment, params)
    if hidden is not None:
        kept = plain = [hidden, *(row for row in plain if row.line > hidden.line)]
    if not plain:
        raise MendableError(f"{shown}: holds comments ({comment}) and no rows (read.comment)")
    found = _Finder(plain, params, shown, whole).layout()
    notes = list(found.notes)
    if comment:
        count = len(kept) - len(plain)
        notes.insert(0, f"lines that begin with {comment} are comments (read.comment)")
        if hidden is not None:
            notes[0] = f"the header is a line that begins with {comment} (read.comment)"
        elif not count:
            notes.pop(0)
    return replace(found, comment=comment, notes=tuple(notes))


class _Finder:
    """The search for the header among rows that are no comments."""

    def __init__(self, rows: Sequence[Row], params: ReadParams, shown: str, whole: bool) -> None:
        self._rows, self._params, self._shown, self._whole = rows, params, shown, whole
        self._notes: list[str] = []

    def layout(self) -> Layout:
        block = find_block(self._rows, self._whole)
        if block is None or (self._params.skip is not None and block.begin > 1):
            block = uneven_block(self._rows, self._params.skip is not None)
        short = self._short_header(block)
        if short is not None:
            return short
        begin = block.begin
        body = self._rows[block.begin : block.end]
        if self._params.skip is None and self._params.header is not False:
            begin += title_rows(body, block.width, self._shown)
        check_title(self._rows, block, begin, self._params, self._shown)
        return self._from(begin, block)

    def _short_header(self, block: RowBlock) -> Layout | None:
        """The layout where the row above the block is its header, with one cell more or less."""
        if block.begin == 0 or self._params.header is False:
            return None
        row, width = self._rows[block.begin - 1], block.width
        body = self._rows[block.begin : block.end]
        cells = [other.cells for other in body]
        if ends_empty(row, width):
            return self._headed(block.begin - 1, block.begin, row.cells[:-1], block)
        if row.width != width - 1 or not all(row.cells):
            return None
        if all(not other[-1] for other in cells):
            self._notes.append("rows end with a mark: their last cell, which is empty, is left out")
            return self._headed(block.begin - 1, block.begin, (*row.cells, ""), block, extra=True)
        if headers.names_numbers(cells[0], cells[1:]):
            return None  # the row above is a title
        first = [other[0] for other in cells]
        names = len(set(first)) == len(first) and (width > 2 or _are_row_names(first))
        if not names or not headers.has_header([("", *row.cells), *cells])[0]:
            return None
        if width == 2 and not headers.names_numbers(row.cells, [c[1:] for c in cells]):
            return None
        if any(headers.looks_numeric(cell) for cell in row.cells):
            return None
        self._notes.append(
            "the header has one cell less than the rows: the first column, row_names, holds the "
            "names of rows, as R writes them"
        )
        return self._headed(
            block.begin - 1, block.begin, ("row_names", *row.cells), block, row_names=True
        )

    def _from(self, begin: int, block: RowBlock) -> Layout:
        """The layout from the first row of the table on."""
        rows = self._rows[begin : block.end]
        if begin:
            said = ", ".join(rows[0].cells)
            shown = said if len(said) <= 60 else f"{said[:60]}…"
            self._notes.append(f"the table begins in line {rows[0].line}: {shown} (read.skip)")
        cells = [row.cells for row in rows]
        if self._params.header is not None:
            header = self._params.header
        elif len(cells) > 2 and is_upper(cells[0], cells[1], cells[2:]):
            header = True
        else:
            header, why = headers.has_header(cells)
            said = "the first row names the columns" if header else "no header"
            self._notes.append(f"{said}: {why} (read.header)")
        if not header:
            return Layout(rows[0].line, None, block.width, notes=tuple(self._notes))
        return self._headed(begin, begin + 1, rows[0].cells, block)

    def _headed(
        self, header: int, data: int, names: tuple[str, ...], block: RowBlock,
        row_names: bool = False, extra: bool = False,
    ) -> Layout:  # fmt: skip
        """The layout with a header, after the rows that belong to it."""
        raw = self._rows[header].cells
        units: tuple[str, ...] = ()
        if self._rows[header].width != block.width:
            if header and self._params.skip is None:
                self._notes.append(
                    f"the table begins in line {self._rows[header].line}: "
                    f"{', '.join(raw)[:60]} (read.skip)"
                )
            if self._params.header is None:
                self._notes.append("the first row names the columns (read.header)")
        rule: tuple[str, ...] = ()
        for _ in range(_MOST_LEVELS):
            rule, data = self._rule(rule, data, block)
            names, data, more = self._levels(names, data, block)
            if not more:
                break
        below = [row.cells for row in self._rows[data : block.end]]
        if self._params.units is not False and below and (
            self._params.units or (len(below) > 1 and headers.are_units(below[0], below[1:]))
        ):  # fmt: skip
            units = below[0]
            listed = [f"{n}: {u}" for n, u in zip(names, units, strict=True) if u]
            shown = ", ".join(listed[:8]) + ("…" if len(listed) > 8 else "")
            self._notes.append(f"the row below the header holds units, {shown} (read.units)")
            data += 1
        line = self._rows[data].line if data < len(self._rows) else self._rows[data - 1].end + 1
        return Layout(
            line, names, block.width, raw, units, rule, row_names, extra,
            notes=tuple(self._notes),
        )  # fmt: skip

    def _rule(
        self, known: tuple[str, ...], data: int, block: RowBlock
    ) -> tuple[tuple[str, ...], int]:
        """The line drawn below a header, and the first row below it."""
        if data >= block.end - 1 or not headers.is_rule(self._rows[data].cells):
            return known, data
        row = self._rows[data]
        self._notes.append(f"line {row.line} is drawn below the header, and is left out")
        return row.cells, data + 1

    def _levels(
        self, names: tuple[str, ...], data: int, block: RowBlock
    ) -> tuple[tuple[str, ...], int, bool]:
        """Names out of one more row of a header, the first row below it, and whether it is one."""
        below = [row.cells for row in self._rows[data : block.end]]
        if len(below) < 2 or self._params.units or len(names) != len(below[0]):
            return names, data, False
        second, rest = below[0], below[1:]
        if second == self._rows[data - 1].cells:
            return names, data, False  # the header is repeated
        named_index = sum(map(bool, rest[0])) == 1 and bool(rest[0][0]) and len(rest) > 1
        body = rest[1:] if named_index else rest
        numbers = [at for at in headers.number_columns(body) if at or second[0]]
        part = [[row[at] for at in numbers] for row in body]
        cells = [second[at] for at in numbers]
        if headers.are_units(cells, part):
            return names, data, False
        gaps = "" in names[1:] or len(set(names)) < len(names)
        surely = headers.names_numbers(cells, part) and (len(numbers) > 1 or gaps)
        if not surely and not headers.is_lower_header(second, body, names):
            return names, data, False
        if all(cell.startswith("{") for cell in second if cell):  # Qualtrics' keys
            self._notes.append(
                f"line {self._rows[data].line} holds keys of the columns, and is left out: "
                f"{second[-1][:60]} (read.skip)"
            )
            return names, data + 1, True
        both = headers.joined(names, second)
        lines = f"lines {self._rows[data - 1].line} and {self._rows[data].line}"
        self._notes.append(
            f"the header has two rows: names are joined from {lines}, such as {both[-1]!r} "
            "(read.skip leaves the first out, read.names names the columns)"
        )
        data += 1
        data += named_index  # pandas writes the index' name in a row of its own
        return both, data, True


def _are_row_names(cells: Sequence[str]) -> bool:
    """Whether the first cells of rows are names: words, or a count from 1."""
    if not any(map(headers.looks_numeric, cells)):
        return True
    return list(cells) == [str(i) for i in range(1, len(cells) + 1)] and len(cells) > 2
