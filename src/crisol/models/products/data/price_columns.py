"""The column of prices: numbers above 0, each in the currency that the file shows for it."""

import re

import pandas as pd

from crisol.core.data.cells.currencies import assumed, currencies_of
from crisol.models.products.contract import MAX_PRICE
from crisol.models.products.data.catalogue_table import (
    CatalogueTable,
    ProductsError,
    cells_of,
    text_of,
)
from crisol.models.products.data.cells.prices import PriceColumn, price_column
from crisol.models.products.params import DataParams


def price_numbers(
    table: CatalogueTable, name: str, params: DataParams, named: pd.Series | None = None
) -> tuple[pd.Series, PriceColumn]:
    """The numbers of a column of prices, each above 0, and how the column was read."""
    cells = cells_of(table, name)
    column = price_column(
        cells.tolist(),
        name,
        params.currency,
        table.decimal(name, params),
        None if named is None else named.tolist(),
    )
    faults = dict(column.faults)
    for cell, number in column.numbers.items():
        if number <= 0:
            faults[cell] = "must be above 0"
        elif number > MAX_PRICE:
            faults[cell] = f"is above {MAX_PRICE:g}"
    wrong = cells.isin(list(faults))
    if wrong.any() and wrong.mean() <= params.unreadable_prices:
        table.notes.append(
            f"{name}: {int(wrong.sum()):,} cells cannot be read and are left empty, such as "
            f"{cells[wrong].iloc[0]!r} (products.data.unreadable_prices)"
        )
    elif wrong.any():
        hint = (
            f"; leave it empty where it is not known, or name the share that may be left out "
            f"({wrong.mean():.2%} here) with products.data.unreadable_prices"
        )
        table.refuse_faults({cell: fault + hint for cell, fault in faults.items()}, name)
    table.notes.extend(column.notes)
    numbers = cells.map(column.numbers).astype("float64")
    return numbers.where(~wrong), column


def prices_and_currencies(table: CatalogueTable, params: DataParams) -> tuple[pd.Series, pd.Series]:
    """The prices and their currencies, from a column of them, marks, or the parameters."""
    named = _named_currencies(table, params)
    prices, column = price_numbers(table, "price", params, named)
    cells, known = cells_of(table, "price"), prices.notna()
    both = list(zip(named, cells, strict=True))

    def rows(of: list[bool]) -> "pd.Series[bool]":
        return known & pd.Series(of, index=cells.index, dtype=bool)

    table.refuse(
        rows([bool(n and column.codes[c]) and n not in column.codes[c] for n, c in both]),
        "price has a mark of another currency than the column currency",
        "price",
    )
    open_ = rows([not n and len(column.settled[c]) > 1 for n, c in both])
    if open_.any():
        first = column.settled[cells[open_].iloc[0]]
        table.refuse(
            open_,
            f"price has a mark that stands for {', '.join(first)}; say which, such as --params "
            f"products.data.currency={first[0]}",
            "price",
        )
    shown = [n or (column.settled[c] or ("",))[0] for n, c in both]
    currencies = pd.Series(shown, index=cells.index, dtype="str")
    return prices, _completed(table, prices, currencies, named, params)


def _named_currencies(table: CatalogueTable, params: DataParams) -> pd.Series:
    """The codes of the column ``currency``, whose cells may be marks; empty where it has none."""
    cells = cells_of(table, "currency")
    found = {}
    for cell in cells.unique():
        codes = currencies_of(cell) if cell else ()
        guess = assumed(cell)
        if len(codes) > 1:
            usual = params.currency if params.currency in codes else guess
            codes = (usual,) if usual in codes else ()
            if codes:
                table.notes.append(
                    f"currency: {cell} is {codes[0]}; products.data.currency names another"
                )
        found[cell] = codes[0] if codes else ""
    unknown = (cells != "") & (cells.map(found) == "")
    table.refuse(
        unknown, "currency is none of ISO 4217, such as INR or EUR, nor a mark of one currency",
        "currency",
    )  # fmt: skip
    return cells.map(found).astype("str")


def _completed(
    table: CatalogueTable,
    prices: pd.Series,
    currencies: pd.Series,
    named: pd.Series,
    params: DataParams,
) -> pd.Series:
    """The currencies, also of prices that show none; several in one column are a question."""
    known = prices.notna()
    shown = sorted(set(currencies[known & (currencies != "")]))
    bare = known & (currencies == "")
    usual = params.currency
    if bare.any() and not usual:
        heading = _heading_currency(table)
        usual = heading or (shown[0] if len(shown) == 1 else "")
        if usual:
            why = "as the column's name says" if heading else "as the other prices show"
            table.notes.append(
                f"price: {int(bare.sum()):,} prices without a currency are taken as {usual}, "
                f"{why}; products.data.currency names another"
            )
        elif not shown:
            table.notes.append(
                "price: no currency is named; products.data.currency=EUR names that of all prices"
            )
    found = currencies.where(~bare, usual)
    source = text_of(table, "source")
    for _, rows in found[known & (named == "")].groupby(source[known & (named == "")]):
        counts = rows.replace("", "no currency").value_counts()
        if len(counts) > 1:
            listed = ", ".join(f"{name} {count:,}" for name, count in counts.items())
            raise ProductsError(
                f"{table.file}: the column price holds several currencies ({listed}), and prices "
                "of two currencies cannot be compared. Convert them to one; or add a column "
                "currency (only the most frequent one is learned then); or a column source, with "
                "one currency in each, and a study for each; products.data.currency names that of "
                "prices that show none, or of an ambiguous mark"
            )
    counts = found[known].value_counts()
    if len(counts) > 1:
        listed = ", ".join(f"{name or 'none'} {count:,}" for name, count in counts.items())
        table.notes.append(
            f"price: several currencies ({listed}); a study learns the prices of its most frequent "
            "one only"
        )
    elif len(counts) == 1 and counts.index[0]:
        table.notes.append(f"price: all {counts.iloc[0]:,} prices are in {counts.index[0]}")
    return found.where(known | (named != ""), "").where(known, named)


def _heading_currency(table: CatalogueTable) -> str:
    """The currency in the name of the column of prices, such as ``price_eur`` or ``Preis (€)``."""
    name = (table.names or {}).get("price", "")
    words = [word for word in re.split(r"[\s_\-()\[\]/:.]+", name) if word]
    codes = {
        found[0]
        for word in words
        if len(found := currencies_of(word)) == 1 and (len(word) > 2 or not word.isalnum())
    }
    return codes.pop() if len(codes) == 1 else ""
