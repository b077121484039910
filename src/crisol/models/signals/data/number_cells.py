"""Prices and volumes of a person's bar file, read by the rules that every table is read by.

The four prices (and the adjusted close) are written in one convention; a price that cannot be read
in it is refused with its row. A missing volume is 0, and that is told.
"""

from collections.abc import Sequence

import pandas as pd

from crisol.core.data.cells.missing import MARKS
from crisol.core.data.cells.number_styles import (
    PLAIN,
    Decimal,
    NumberFindings,
    NumberStyle,
    number_style,
)
from crisol.core.data.cells.numbers import plain_numbers, to_numbers
from crisol.core.data.raw_tables import RawTableValidator
from crisol.models.signals.data.errors import BarsError
from crisol.models.signals.params import DataParams

_FORMS = {".": "1,234.5", ",": "1.234,5"}
_MARKS = {".": "point", ",": "comma"}
_REASONS = {
    "cells": "as their cells tell",
    "told": "signals.data.read.decimal",
    "file": "as in the rest of the file",
    "money": "amounts of money hardly have three decimals",
    "default": "nothing in the file decides it",
}
_WORDS = MARKS | {""}


def is_missing(cells: "pd.Series[str]") -> "pd.Series[bool]":
    """Whether each cell is empty or a word for it."""
    return cells.isna() | text(cells).str.lower().isin(_WORDS)


def text(cells: "pd.Series[str]") -> "pd.Series[str]":
    """The cells as text without the blanks around them; ``""`` where there is nothing."""
    return cells.astype("str").fillna("").str.strip()


def read_numbers(
    raw: RawTableValidator,
    rows: pd.DataFrame,
    prices: Sequence[str],
    volume: str | None,
    params: DataParams,
    notes: list[str],
) -> pd.DataFrame:
    """Prices and the volume as float64, by the names of the file.

    Args:
        raw: the table, for the places of rows.
        rows: the rows of it that are bars.
        prices: columns of prices, which share one convention.
        volume: the column of the volume, if there is one.
        params: may state the decimal mark.
        notes: gets the assumptions.

    Raises:
        BarsError: a price is missing or cannot be read, or two conventions fit; names the row.
    """
    for name in prices:
        raw.refuse(is_missing(rows[name]), f"{name} is empty; leave out the row or fill it", name)
    joint = pd.concat([text(rows[name]) for name in prices], ignore_index=True)
    amounts = None if volume is None else text(rows[volume])[~is_missing(rows[volume])]
    style, mark = _style(raw, joint, _mark_of(amounts), ", ".join(prices), params, notes)
    values = {name: _in_style(raw, rows, name, style) for name in prices}
    if volume is not None and amounts is not None:
        values[volume] = _volumes(raw, rows, volume, amounts, mark, params, notes)
    return pd.DataFrame(values)


def _style(
    raw: RawTableValidator,
    cells: "pd.Series[str]",
    mark: Decimal | None,
    name: str,
    params: DataParams,
    notes: list[str],
) -> tuple[NumberStyle, Decimal | None]:
    """How the cells are written, and the decimal mark if they tell it.

    ``mark``, of the rest of the file, decides what they leave open.
    """
    told = params.read.decimal
    if told != "," and plain_numbers(cells) is not None:
        return PLAIN, "." if bool(cells.str.contains(".", regex=False).any()) else None
    found = number_style(cells, decimal=told)
    if found.decided in ("default", "money"):
        if mark is None and raw.rows.attrs.get("delimiter") == ";":
            mark = "," if "," in (found.either or "") else None
            if mark is None:
                raise BarsError(
                    f"{raw.file}: {found.either!r} in {name} is a fraction or a thousand, and "
                    "nothing in the file decides it; signals.data.read.decimal=point or comma does"
                )
        if mark is not None:
            found = number_style(cells, file_decimal=mark)
    usual = found.decided == "default" and "." in (found.either or "")
    if not usual:
        notes.extend(_told(name, found))
    return found.style, found.style.decimal if found.decided in ("cells", "told") else None


def _mark_of(cells: "pd.Series[str] | None") -> Decimal | None:
    """The decimal mark that other cells of the file show."""
    if cells is None or cells.empty:
        return None
    found = number_style(cells)
    return found.style.decimal if found.decided == "cells" and found.share > 0.5 else None


def _told(name: str, found: NumberFindings) -> list[str]:
    """Sentences about how numbers are written, unless it is as Python writes them."""
    style, said = found.style, []
    if style.decimal == "," or found.thousands:
        said.append(f"written like {_FORMS[style.decimal]} ({_REASONS[found.decided or 'cells']})")
    if style.unit:
        said.append(f"without {style.unit!r}")
    if found.factors:
        said.append(f"with their multipliers ({', '.join(found.factors)})")
    if not said:
        return []
    other = _MARKS["," if style.decimal == "." else "."]
    return [
        f"{name}: read as numbers {', '.join(said)}; signals.data.read.decimal={other} changes that"
    ]


def _in_style(
    raw: RawTableValidator, rows: pd.DataFrame, name: str, style: NumberStyle
) -> "pd.Series[float]":
    values = to_numbers(text(rows[name]), style).astype("float64")
    unit = f" in {style.unit}" if style.unit else ""
    rule = (
        f"{name} is not a number{unit} written like {_FORMS[style.decimal]}; write it so, or state "
        "the decimal mark with signals.data.read.decimal"
    )
    raw.refuse(values.isna(), rule, name)
    return values


def _volumes(
    raw: RawTableValidator,
    rows: pd.DataFrame,
    name: str,
    there: "pd.Series[str]",
    mark: Decimal | None,
    params: DataParams,
    notes: list[str],
) -> "pd.Series[float]":
    missing = len(rows) - len(there)
    if missing:
        notes.append(
            f"{name} is empty in {missing:,} of {len(rows):,} bars, which have the volume 0; "
            "signals.data.columns.volume names another column"
        )
    if there.empty:
        return pd.Series(0.0, index=rows.index)
    style, _ = _style(raw, there, mark, name, params, notes)
    values = _in_style(raw, rows.loc[there.index], name, style)
    return values.reindex(rows.index, fill_value=0.0)
