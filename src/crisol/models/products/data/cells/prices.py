"""Prices as shops write them: amounts, and the currencies that their marks show."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crisol.core.data.cells.currencies import assumed, currencies_of
from crisol.models.products.data.cells.amounts import DecimalMark, amounts

NOTHING = ("", "-", "--", "\u2013", "\u2014", "nan", "none", "null", "n/a", "na", "#n/a")
"""Cells in lower case that say that a number is not known."""
_MINUS = str.maketrans({"\u2212": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\ufe63": "-"})
_CELL = re.compile(
    r"(?P<before>[^\d]*?)"
    r"(?P<amount>(?:[.,](?=\d))?\d(?:[\d.,'\u2019\u02bc\s]*\d)?[.,]?(?:[eE][+-]?\d{1,2}\b)?)"
    r"(?P<after>[^\d]*)"
)
_LONGEST = 100
_NO_CENTS = re.compile(r"^(?:/-|[.,]-{1,2}|,\u2014)")
"""The end of ``899/-`` and ``10,-``."""


@dataclass(frozen=True)
class PriceCell:
    """The parts of one price.

    Attributes:
        amount: without sign, currency and blanks around it; empty where no price is known.
        marks: of currencies, as they are written.
        codes: the currencies that all marks may stand for; empty where there are no marks.
        fault: the reason why it is no price; empty where it is one.
    """

    amount: str = ""
    marks: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    fault: str = ""


def price_cell(text: str) -> PriceCell:
    """The parts of a price.

    >>> price_cell("10,90 EUR").amount, price_cell("10,90 EUR").codes
    ('10,90', ('EUR',))
    >>> price_cell("(12.50)").fault
    'must be above 0'
    """
    plain = unicodedata.normalize("NFKC", text).translate(_MINUS).strip()
    if plain.casefold() in NOTHING:
        return PriceCell()
    found = _CELL.fullmatch(plain) if len(plain) <= _LONGEST else None
    if found is None:
        several = len(re.findall(r"\d+", plain)) > 1
        return PriceCell(fault="is not one number" if several else "is not a number")
    amount, before = found["amount"].strip(), found["before"].strip()
    after = _NO_CENTS.sub("", found["after"].strip()).strip()
    if amount[-1] in ".," and after[:1] == "-":  # 10,-
        amount, after = amount[:-1], after.lstrip("-").strip()
    before, after, negative = _sign(before, after)
    marks = tuple(mark for mark in (before, after) if mark)
    codes: tuple[str, ...] = ()
    for mark in marks:
        known = currencies_of(mark)
        if not known:
            return PriceCell(fault=f"holds {mark!r}, which is no currency")
        codes = tuple(code for code in codes if code in known) if codes else known
        if not codes:
            return PriceCell(fault=f"names two currencies, {marks[0]} and {marks[1]}")
    if negative:
        return PriceCell(fault="must be above 0")
    return PriceCell(amount, marks, codes)


def _sign(before: str, after: str) -> tuple[str, str, bool]:
    """The text around an amount, without its sign, and whether the amount is negative."""
    if "(" in before and ")" in after:
        return before.replace("(", "").strip(), after.replace(")", "").strip(), True
    for sign in "-+":
        if before.startswith(sign) or before.endswith(sign):
            return before.strip(sign).strip(), after, sign == "-"
    if after.startswith("-"):
        return before, after.strip("-").strip(), True
    return before, after, False


@dataclass(frozen=True)
class PriceColumn:
    """A column of prices.

    Attributes:
        numbers: by cell; NaN where no price is known or it is no price.
        codes: by cell, the currencies that its marks may stand for; empty where there are none.
        settled: by cell, likewise, but one where something tells which, or it is assumed.
        faults: by cell, the reason why it cannot be read.
        notes: sentences about what was assumed.
    """

    numbers: Mapping[str, float]
    codes: Mapping[str, tuple[str, ...]]
    settled: Mapping[str, tuple[str, ...]]
    faults: Mapping[str, str]
    notes: tuple[str, ...]


def price_column(
    cells: Sequence[str],
    name: str,
    usual: str,
    decimal: DecimalMark | None = None,
    named: Sequence[str] | None = None,
) -> PriceColumn:
    """The prices of a column.

    Args:
        cells: all of them; equal ones are read once.
        name: of the column, in notes and faults.
        usual: the currency of prices that name none; empty where none was given. An ambiguous
            mark, such as ``$``, is taken for it where it may stand for it.
        decimal: the decimal mark, where a person has told it.
        named: the currency that another column names for each cell; empty where it names none.
    """
    parsed = {cell: price_cell(cell) for cell in dict.fromkeys(cells)}
    read = amounts([p.amount for p in parsed.values() if p.amount], name, decimal)
    numbers, faults = {}, {}
    for cell, price in parsed.items():
        number = read.numbers[price.amount] if price.amount else float("nan")
        fault = price.fault
        if price.amount and number is None:
            fault = "is not a number"
        elif price.amount in read.unclear:
            point, comma = (amounts([price.amount], name, mark).numbers for mark in (".", ","))
            fault = (
                f"is {point[price.amount]:g} or {comma[price.amount]:g}, and no other cell tells "
                "which: say --params products.data.read.decimal=comma (or =point)"
            )
        if fault:
            faults[cell] = fault
        numbers[cell] = float("nan") if fault or number is None else number
    named = [""] * len(cells) if named is None else named
    alone = Counter(cell for cell, code in zip(cells, named, strict=True) if not code)
    settled, notes = _settled(parsed, alone, name, usual)
    codes = {cell: price.codes for cell, price in parsed.items()}
    return PriceColumn(numbers, codes, settled, faults, (*read.notes, *notes))


def _settled(
    parsed: Mapping[str, PriceCell], counts: Counter[str], name: str, usual: str
) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """The currencies of each cell; ambiguous marks are settled by what else is known."""
    certain = {p.codes[0] for p in parsed.values() if len(p.codes) == 1}
    codes, taken = {}, Counter[tuple[str, str, str]]()
    for cell, price in parsed.items():
        found = price.codes
        if len(found) > 1:
            mark = next(mark for mark in price.marks if len(currencies_of(mark)) > 1)
            beside = [code for code in found if code in certain]
            if usual in found:
                found, why = (usual,), ""
            elif len(beside) == 1:
                found, why = (beside[0],), "as other prices show"
            elif (guess := assumed(mark)) in found:
                found, why = (guess,), "which is assumed"
            else:
                why = ""
            if why and counts[cell]:
                taken[mark, found[0], why] += counts[cell]
        codes[cell] = found
    notes = [
        f"{name}: {mark} is {code} in {count:,} prices, {why}; products.data.currency names another"
        for (mark, code, why), count in taken.items()
    ]
    return codes, notes
