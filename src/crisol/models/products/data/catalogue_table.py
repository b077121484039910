"""A raw table of products or pairs, its columns under our names, and the notes about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from crisol.core.data.raw_tables import RawTableValidator
from crisol.core.errors import MendableError
from crisol.models.products.data.cells.amounts import DecimalMark
from crisol.models.products.data.text import clean as clean_text
from crisol.models.products.params import DataParams


class ProductsError(MendableError):
    """Raw products or pairs that cannot be used; the message names file, row and rule."""


@dataclass(frozen=True)
class CatalogueTable(RawTableValidator):
    """The known columns of a raw table, with the notes about them.

    Attributes:
        notes: to which the sentences about what was assumed are added.
        places: the names of the rows in errors, where rows of the file were joined.
        numeric: the columns that the file has as numbers.
        names: our columns to theirs.
    """

    notes: list[str]
    places: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    names: Mapping[str, str] | None = None

    def place(self, index: Any) -> str:
        """See :meth:`RawTableValidator.place`."""
        return self.places[int(index)] if self.places else super().place(index)

    def decimal(self, name: str, params: DataParams) -> DecimalMark | None:
        """The decimal mark of a column, where it is known."""
        return "." if name in self.numeric else params.read.decimal

    def refuse_faults(self, faults: Mapping[str, str], name: str) -> None:
        """Refuse the first cell that cannot be read; they are refused in the order of rows."""
        cells = cells_of(self, name)
        for cell in cells[cells.isin(list(faults))].unique():
            self.refuse(cells == cell, f"{name} {faults[cell]}", name)


def cells_of(table: CatalogueTable, name: str) -> pd.Series:
    """A column of the file, without white space around its cells."""
    if name not in table.rows:
        return pd.Series("", index=table.rows.index, dtype="str")
    return table.rows[name].astype("str").fillna("").str.strip()


def text_of(table: CatalogueTable, name: str) -> pd.Series:
    """A column of cleaned texts; each different text is cleaned once."""
    cells = cells_of(table, name)
    cleaned = {cell: clean_text(cell) for cell in cells.unique()}
    return cells.map(cleaned).astype("str")
