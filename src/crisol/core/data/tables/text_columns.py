"""Text columns as they leave a reader: named, without rows that are no data, missing marked."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from crisol.core.data.outline.footers import rows_to_leave_out
from crisol.core.data.outline.layout import Layout
from crisol.core.data.read_params import ReadParams
from crisol.core.data.tables.index_columns import text_index
from crisol.core.errors import MendableError


class NoRowsError(MendableError):
    """A table that holds column names alone.

    Attributes:
        names: of its columns.
    """

    def __init__(self, shown: str, names: Sequence[str]) -> None:
        super().__init__(f"{shown}: holds column names and no rows")
        self.names = tuple(names)


@dataclass(frozen=True)
class TextTable:
    """A table of text cells as it was read.

    Attributes:
        table: every column a string column; null where a cell says that there is no value.
        header: whether a row names the columns.
        notes: sentences about what was detected or assumed.
        first_line: the line of the first row.
        gaps: places of rows, from 0, and the number of lines left out above each.
        index: the columns that number the rows.
        encoding: of text files.
        delimiter: likewise.
    """

    table: pa.Table
    header: bool
    notes: tuple[str, ...]
    first_line: int = 2
    gaps: tuple[tuple[int, int], ...] = ()
    index: tuple[str, ...] = ()
    encoding: str | None = None
    delimiter: str | None = None


def finished(
    table: pa.Table,
    layout: Layout,
    params: ReadParams,
    shown: str,
    notes: list[str],
    *,
    place: Callable[[int], str],
    odd: Sequence[int] = (),
    encoding: str | None = None,
    delimiter: str | None = None,
) -> TextTable:
    """Name the columns, leave out what is no data, and mark what is missing.

    Args:
        table: text columns, as many as the layout says.
        layout: of the first rows.
        params: what a person knows better.
        shown: what errors call the file.
        notes: sentences so far; more are added.
        place: the words for the place of a row, by its number from 0.
        odd: numbers of rows that are left out already, from 1.
        encoding: of the file.
        delimiter: of the file.

    Raises:
        MendableError: there is no row, or two columns have the same name.
    """
    trimmed = pa.table(
        [pc.utf8_trim_whitespace(column) for column in table.columns], names=table.column_names
    )
    left = rows_to_leave_out(
        trimmed, layout.raw, (layout.units, layout.rule), layout.comment, params, place
    )
    notes += left.notes
    if left.rows:
        keep = pa.array([row not in left.rows for row in range(trimmed.num_rows)])
        trimmed = trimmed.filter(keep)
    trimmed, found = _without_extra(trimmed, layout, shown, notes)
    unnamed = [i for i, name in enumerate(found) if not name.strip()] if layout.names else []
    names = _names(found, layout.names is not None, params, shown, notes)
    trimmed = trimmed.rename_columns(names)
    if trimmed.num_rows == 0:
        raise NoRowsError(shown, names)
    cleaned = [_missing(column, params.missing) for column in trimmed.columns]
    known = [names[0]] if layout.row_names and not params.names else []
    index = text_index(trimmed, [names[i] for i in unnamed], known, notes)
    return TextTable(
        pa.table(cleaned, names=names), layout.names is not None, tuple(notes), layout.data_line,
        _gaps(left.rows, odd, table.num_rows), index, encoding, delimiter,
    )  # fmt: skip


def _without_extra(
    table: pa.Table, layout: Layout, shown: str, notes: list[str]
) -> tuple[pa.Table, Sequence[str]]:
    """The table without the empty column that a mark at the end of rows makes, and its names."""
    names = layout.names or tuple(f"column_{i + 1}" for i in range(table.num_columns))
    last = table.column(table.num_columns - 1)
    empty = table.num_columns > 1 and table.num_rows > 0 and pc.all(pc.equal(last, "")).as_py()
    if layout.extra and not empty:
        raise MendableError(
            f"{shown}: rows have {layout.width} cells where the header has {layout.width - 1}; "
            "name the last column, or give read.names and read.skip"
        )
    if empty and (not names[-1] or layout.names is None):
        if not layout.extra:
            notes.append("the last column has neither a name nor a value: it is left out")
        return table.select(range(table.num_columns - 1)), names[:-1]
    return table, names


def _gaps(left: set[int], odd: Sequence[int], rows: int) -> tuple[tuple[int, int], ...]:
    """Places of kept rows above which lines were left out, and how many."""
    if not left and not odd:
        return ()
    gaps: Counter[int] = Counter()
    others, number, kept = set(odd), 0, 0
    for row in range(rows):
        number += 1
        while number in others:
            gaps[kept] += 1
            number += 1
        if row in left:
            gaps[kept] += 1
        else:
            kept += 1
    return tuple(sorted((at, count) for at, count in gaps.items() if at < kept))


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
        names = [name.strip("\ufeff").strip() for name in found]  # a second byte order mark
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


def _missing(column: pa.ChunkedArray, missing: Sequence[str]) -> pa.ChunkedArray:
    """Cells; null where they say that there is no value."""
    none = pc.is_in(column, value_set=pa.array(list(missing), pa.string()))
    return pc.if_else(none, pa.scalar(None, pa.string()), column)
