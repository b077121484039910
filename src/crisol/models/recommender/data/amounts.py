"""A column of weights or prices as numbers, with sentences about what was assumed."""

from dataclasses import dataclass, field

import pandas as pd

from crisol.core.data.cells.missing import listed
from crisol.core.data.cells.number_styles import NumberFindings, number_style
from crisol.core.data.cells.numbers import plain_numbers, to_numbers
from crisol.core.data.read_params import ReadParams

_NAMES = {".": "point", ",": "comma"}
_DECIDED = {
    "default": "nothing in the column decides it",
    "money": "amounts of money hardly have three decimals",
}


@dataclass(frozen=True)
class ReadNumbers:
    """The numbers of a column.

    Attributes:
        numbers: float64; NaN where a cell is empty or no number.
        notes: what was assumed, with the option that changes it.
        fault: why a cell that is not empty is no number, and what to do.
    """

    numbers: "pd.Series[float]"
    notes: list[str] = field(default_factory=list)
    fault: str = ""


def read_numbers(cells: pd.Series, name: str, read: ReadParams, *, typed: bool) -> ReadNumbers:
    """Read a column of numbers.

    Args:
        cells: as text, or numbers.
        name: of the column.
        read: ``decimal`` decides the decimal mark where a person names it.
        typed: whether the file has the column as numbers, so that a point is the decimal mark.
    """
    fault = f"{name} is not a number"
    if pd.api.types.is_numeric_dtype(cells):
        return ReadNumbers(cells.astype("float64"), fault=fault)
    text = cells.astype("str").fillna("").str.strip()
    given = text[text != ""]
    decimal = "." if typed else read.decimal
    plain = None if decimal == "," else plain_numbers(given)
    if plain is not None:
        return ReadNumbers(plain.reindex(cells.index).astype("float64"), fault=fault)
    found = number_style(given, decimal=decimal)
    numbers = to_numbers(given, found.style).reindex(cells.index).astype("float64")
    if found.numbers:
        mark, unit = _NAMES[found.style.decimal], found.style.unit
        fault += f" with a decimal {mark}" + (f" and in {unit}, as others are" if unit else "")
        if found.against:
            fault += "; write all alike, or say recommender.data.read.decimal"
    return ReadNumbers(numbers, [] if typed else _told(name, found), fault)


def _told(name: str, found: NumberFindings) -> list[str]:
    """Sentences about how numbers are written."""
    style, notes = found.style, []
    other = _NAMES["," if style.decimal == "." else "."]
    option = f"recommender.data.read.decimal={other} changes it"
    if found.either is not None and found.decided in _DECIDED:
        value = to_numbers(pd.Series([found.either], dtype="str"), style).iloc[0]
        why = _DECIDED[found.decided]
        notes.append(f"{name}: {found.either!r} is read as {value:.15g} ({why}); {option}.")
    elif style.decimal == ",":
        notes.append(f"{name} has decimal commas (4,5 is 4.5); {option}.")
    elif found.thousands:
        notes.append(f"{name} has marks between thousands (1,234.5 is 1234.5); {option}.")
    if style.unit:
        notes.append(f"{name} is read in {style.unit}, without the unit.")
        if style.bare and found.units.get(""):
            notes.append(f"{name}: {found.units['']:,} cells without a unit are in {style.unit}.")
    if found.factors:
        notes.append(f"{name}: cells with a multiplier are multiplied ({listed(found.factors)}).")
    if found.negatives:
        notes.append(
            f"{name}: {found.negatives:,} cells in brackets or with a minus behind them "
            "are negative."
        )
    return notes
