"""The amounts of a column: one convention of decimal and thousands marks for all of its cells."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

DecimalMark = Literal[".", ","]
MARK_NAMES = {".": "point", ",": "comma"}
_BLANK = re.compile(r"(?<=\d)[\s'\u2019\u02bc](?=\d{3}(?!\d))")
"""A blank or an apostrophe before three digits, which marks thousands in every convention."""
_EXPONENT = re.compile(r"\d(?:\.\d+)?[eE][+-]?\d{1,2}")
_POINT = re.compile(r"(?:(?!0)\d{1,3}(?:,\d{2,3})*,\d{3}|\d+)(?:\.\d*)?|\.\d+")
_COMMA = re.compile(r"(?:(?!0)\d{1,3}(?:\.\d{3})+|\d+)(?:,\d*)?|,\d+")
_LARGE, _SMALL = 100, 20
"""Plain numbers that are mostly at least so large, or at most so small, tell what 1.299 is."""
_ALIKE = 3
"""So many different cells such as 1.299, and none with another number of digits, are thousands."""


@dataclass(frozen=True)
class Amounts:
    """The numbers of texts.

    Attributes:
        numbers: by text; ``None`` where it is no number.
        unclear: texts whose value depends on the convention, where nothing tells it.
        notes: sentences about what was assumed.
    """

    numbers: dict[str, float | None]
    unclear: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def amounts(
    texts: Sequence[str], name: str, decimal: DecimalMark | None = None, *, whole: bool = False
) -> Amounts:
    """The numbers that the cells of one column hold.

    Args:
        texts: the cells without currencies and signs; none is empty.
        name: of the column, in the notes.
        decimal: the decimal mark, where a person has told it.
        whole: whether the numbers are counts, so that three digits follow a mark of thousands.

    >>> amounts(["1.500", "2.300,50"], "price").numbers
    {'1.500': 1500.0, '2.300,50': 2300.5}
    >>> amounts(["0,999", "12,5"], "price").numbers
    {'0,999': 0.999, '12,5': 12.5}
    >>> amounts(["1.299"], "price").unclear
    ('1.299',)
    """
    plain = {text: _BLANK.sub("", text.strip()) for text in dict.fromkeys(texts)}
    both = {text: (_value(cell, "."), _value(cell, ",")) for text, cell in plain.items()}
    only = {
        mark: [text for text, pair in both.items() if pair[at] is not None and pair[1 - at] is None]
        for at, mark in enumerate((".", ","))
    }
    unsure = [text for text, (point, comma) in both.items() if None not in (point, comma)
              and point != comma]  # fmt: skip
    chosen, why = _convention(only, unsure, plain, decimal, whole)
    numbers = {text: _chosen(pair, chosen) for text, pair in both.items()}
    if decimal is not None:
        numbers = {text: pair[decimal == ","] for text, pair in both.items()}
        return Amounts(numbers)
    notes = []
    if unsure and chosen is not None:
        example = unsure[0]
        notes.append(
            f"{name}: {example} is taken as {numbers[example]:.10g}, because {why}; "
            "products.data.read.decimal=point or =comma says otherwise"
        )
    if only["."] and only[","]:
        notes.append(
            f"{name}: some cells have a decimal point ({only['.'][0]}) and some a decimal comma "
            f"({only[','][0]}); each is read as it is written"
        )
    return Amounts(numbers, tuple(unsure) if chosen is None else (), tuple(notes))


def _convention(
    only: dict[str, list[str]],
    unsure: Sequence[str],
    plain: dict[str, str],
    decimal: DecimalMark | None,
    whole: bool,
) -> tuple[DecimalMark | None, str]:
    """The decimal mark by which cells such as ``1.299`` are read, and the reason; or ``None``."""
    if decimal is not None:
        return decimal, "told"
    if not unsure:
        return ".", ""
    if only["."] and only[","]:
        return None, ""
    for mark in (".", ","):
        if only[mark]:
            told = f"{only[mark][0]} shows that the decimal mark is the {MARK_NAMES[mark]}"
            return ("." if mark == "." else ","), told
    used = {mark for text in unsure for mark in ".," if mark in plain[text]}
    if len(used) > 1:
        return None, ""
    thousands = used.pop()
    as_thousands: DecimalMark = "," if thousands == "." else "."
    as_decimals: DecimalMark = "." if thousands == "." else ","
    if whole:
        return as_thousands, "it is a count"
    others = [float(cell) for cell in plain.values() if cell.isdigit()]
    if others and median(others) >= _LARGE:
        return as_thousands, f"the whole numbers beside it are large ({median(others):g})"
    if others and median(others) <= _SMALL:
        return as_decimals, f"the whole numbers beside it are small ({median(others):g})"
    if thousands == "," or len(unsure) >= _ALIKE:
        return as_thousands, "three digits follow the mark in every cell that has one"
    return None, ""


def _value(cell: str, decimal: DecimalMark) -> float | None:
    """The number in a cell under one convention."""
    if _EXPONENT.fullmatch(cell):
        return float(cell)
    if decimal == ".":
        return float(cell.replace(",", "")) if _POINT.fullmatch(cell) else None
    plain = cell.replace(".", "").replace(",", ".")
    return float(plain) if _COMMA.fullmatch(cell) else None


def _chosen(pair: tuple[float | None, float | None], mark: DecimalMark | None) -> float | None:
    point, comma = pair
    if point is None or comma is None:
        return comma if point is None else point
    return comma if mark == "," else point
