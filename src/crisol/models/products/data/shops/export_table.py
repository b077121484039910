"""The rows of an export, by names of columns that differ in case and language of the version."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from crisol.models.products.contract import MAX_ATTRIBUTES
from crisol.models.products.data.catalogue_table import ProductsError
from crisol.models.products.data.cells.amounts import amounts
from crisol.models.products.data.cells.prices import price_cell

_MAX_VALUE = 1000


def plain_names(columns: Iterable[str]) -> list[str]:
    """Names in lower case with single blanks.

    >>> plain_names(["Body (HTML)", " Variant  Price "])
    ['body (html)', 'variant price']
    """
    return [" ".join(str(name).lower().split()) for name in columns]


@dataclass(frozen=True)
class Export:
    """The rows of an export.

    Attributes:
        rows: every cell as text, numbered from 0.
        file: its name in errors.
        notes: to which the sentences about what was joined and left out are added.
    """

    rows: pd.DataFrame
    file: str
    notes: list[str]

    @cached_property
    def names(self) -> dict[str, str]:
        """The plain name of every column, to its name in the file."""
        return dict(zip(plain_names(self.rows.columns), self.rows.columns, strict=True))

    def column(self, *names: str) -> list[str]:
        """The first of some columns that the file has, without blanks around cells; or nothing."""
        for name in names:
            if name in self.names:
                return [str(cell).strip() for cell in self.rows[self.names[name]]]
        return [""] * len(self.rows)

    def need(self, format_name: str, *names: str) -> list[str]:
        """The first of some columns that the file has.

        Raises:
            ProductsError: it has none of them.
        """
        if not any(name in self.names for name in names):
            raise ProductsError(
                f"{self.file}: column {names[0]!r} is missing, which an export of {format_name} "
                f"has; there are: {', '.join(map(str, self.rows.columns))}; "
                "products.data.read.format=csv reads a table of another kind"
            )
        return self.column(*names)

    def numbered(self, pattern: str) -> list[str]:
        """The plain names of the columns that match a pattern, in the order of the file."""
        return [name for name in self.names if re.fullmatch(pattern, name)]

    def place(self, row: int, name: str) -> str:
        """The name of a product in errors."""
        return f"{name} (row {row + 1})"


def grouped(keys: Sequence[str]) -> dict[str, list[int]]:
    """The rows of every key, in the order of the file."""
    rows: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return rows


def filled(cells: Sequence[str]) -> int:
    """The number of cells that hold something."""
    return sum(bool(cell) for cell in cells)


def framed(products: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """The products of an export, with the columns that every reader of exports returns."""
    names = (
        "id", "title", "description", "brand", "category", "attributes", "price", "image", "place",
    )  # fmt: skip
    return pd.DataFrame(products, columns=list(names))


def lowest(prices: Sequence[str]) -> tuple[str, bool]:
    """The cell with the lowest price of a product's variants, and whether they differ.

    A cell that is no price is returned, for the validation to refuse it; so are two cells with
    different currencies, as one.
    """
    cells = [price for price in dict.fromkeys(prices) if price]
    if len(cells) <= 1:
        return (cells[0] if cells else ""), False
    found = {cell: price_cell(cell) for cell in cells}
    for cell, price in found.items():
        if price.fault:
            return cell, True
    first = next((price for price in found.values() if price.codes), None)
    for cell, price in found.items():
        if first is not None and price.codes and not set(price.codes) & set(first.codes):
            return f"{cells[0]} / {cell}", True
    numbers = amounts([price.amount for price in found.values() if price.amount], "price").numbers
    valued = [(numbers[p.amount] or 0.0, cell) for cell, p in found.items() if p.amount]
    known = [(number, cell) for number, cell in valued if number > 0] or valued
    return (min(known)[1] if known else ""), len({number for number, _ in known}) > 1


def attributes_json(pairs: Iterable[tuple[str, str]]) -> str:
    """Names with values as a JSON object; the values of one name are joined, each once."""
    values: dict[str, dict[str, None]] = {}
    for name, value in pairs:
        if name and value:
            values.setdefault(name, {})[value] = None
    found = {
        name[:200]: ", ".join(several)[:_MAX_VALUE]
        for name, several in list(values.items())[:MAX_ATTRIBUTES]
    }
    return json.dumps(found, ensure_ascii=False) if found else ""


def truthy(cell: str) -> bool | None:
    """Whether a cell says yes; ``None`` where it says nothing."""
    plain = cell.strip().lower()
    if not plain:
        return None
    return plain in ("1", "true", "yes", "y", "active", "published", "wahr", "vrai")
