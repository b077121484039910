"""Rows of a table that are left out, and the cells of single rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class Left:
    """The rows of a table that are left out.

    Attributes:
        rows: their places, from 0.
        notes: sentences about them.
    """

    rows: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def out(self, rows: Sequence[int], said: str) -> None:
        """Leave rows out."""
        new = [row for row in rows if row not in self.rows]
        if new:
            self.rows.update(new)
            self.notes.append(said)


def places(mask: Any) -> list[int]:
    """The places of the rows where a mask is true."""
    import pyarrow.compute as pc

    found: list[int] = pc.indices_nonzero(mask).to_pylist()
    return found


def row_cells(table: "pa.Table", at: int) -> list[str]:
    """The cells of a row; missing ones are empty."""
    return [column[at].as_py() or "" for column in table.columns]


def last_rows(table: "pa.Table", left: Left, most: int) -> list[int]:
    """The last rows that are kept, the last one first."""
    found: list[int] = []
    for at in range(table.num_rows - 1, -1, -1):
        if len(found) == most or at < table.num_rows - 1000:
            break
        if at not in left.rows:
            found.append(at)
    return found
