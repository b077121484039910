"""Ratings and numbers of votes as shops write them."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from crisol.models.products.data.cells.amounts import DecimalMark, amounts
from crisol.models.products.data.cells.prices import NOTHING

BEST = 5.0
"""The best rating of the canonical table."""
_NUMBER = r"(?P<sign>[-\u2212]?)(?P<amount>[.,]?\d[\d.,]*)"
_OF = r"(?:/|out of|of|von|sur|de|su)"
_RATING = re.compile(
    rf"{_NUMBER}\s*(?:{_OF}\s*(?P<best>\d+)(?:[.,]0+)?|(?P<percent>%))?"
    r"\s*(?:stars?|sterne?|étoiles?|[★⭐]+)?",
    re.IGNORECASE,
)
_VOTES = re.compile(
    r"(?P<amount>\d(?:[\d.,'\u2019\s]*\d)?)\s*(?P<unit>[kKmM])?"
    r"\s*(?:(?:customer\s)?(?:ratings?|reviews?|votes?|bewertungen))?",
    re.IGNORECASE,
)
_UNITS = {"": 1, "k": 1_000, "m": 1_000_000}


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers.

    Attributes:
        numbers: by cell; NaN where none is known or the cell is no number.
        faults: by cell, the reason why it cannot be read.
        notes: sentences about what was assumed.
    """

    numbers: Mapping[str, float]
    faults: Mapping[str, str]
    notes: tuple[str, ...]


def rating_column(cells: Sequence[str], name: str, decimal: DecimalMark | None) -> NumberColumn:
    """Ratings on the scale from 0 to 5; other scales are brought to it where the cells name them.

    >>> rating_column(["4,5", "3"], "rating", None).numbers
    {'4,5': 4.5, '3': 3.0}
    >>> rating_column(["9/10", "7/10"], "rating", None).numbers
    {'9/10': 4.5, '7/10': 3.5}
    """
    found = {cell: _RATING.fullmatch(_plain(cell)) for cell in dict.fromkeys(cells)}
    texts = {cell: match["amount"] for cell, match in found.items() if match is not None}
    read = amounts(list(texts.values()), name, decimal or _small(texts.values()))
    numbers, faults = {}, {}
    bests: Counter[float] = Counter()
    counts = Counter(cells)
    for cell, match in found.items():
        numbers[cell] = float("nan")
        if _plain(cell).casefold() in NOTHING:
            continue
        number = None if match is None else read.numbers[match["amount"]]
        if match is None or number is None:
            faults[cell] = "is not a number"
            continue
        best = 100.0 if match["percent"] else float(match["best"] or BEST)
        bests[best] += counts[cell]
        if best <= 0 or number > best or match["sign"]:
            faults[cell] = f"is outside 0 to {best:g}; bring other scales to 0 to {BEST:g}"
            continue
        numbers[cell] = number * BEST / best
    if len(bests) > 1:
        usual = bests.most_common(1)[0][0]
        for cell, match in found.items():
            if match is not None and cell not in faults:
                best = 100.0 if match["percent"] else float(match["best"] or BEST)
                if best != usual:
                    faults[cell] = (
                        f"is on a scale to {best:g}, where others are on one to {usual:g}"
                    )
    notes = [
        f"{name}: a scale to {best:g} is brought to 0 to {BEST:g} ({count:,} cells)"
        for best, count in bests.items()
        if best != BEST and len(bests) == 1
    ]
    return NumberColumn(numbers, faults, (*read.notes, *notes))


def votes_column(cells: Sequence[str], name: str, decimal: DecimalMark | None) -> NumberColumn:
    """Numbers of votes, such as ``1,234`` and ``1.2k``.

    >>> votes_column(["1,234", "1.2k", "(88 ratings)"], "votes", None).numbers
    {'1,234': 1234.0, '1.2k': 1200.0, '(88 ratings)': 88.0}
    """
    found = {cell: _VOTES.fullmatch(_plain(cell).strip("() ")) for cell in dict.fromkeys(cells)}
    plain = [m["amount"] for m in found.values() if m is not None and not m["unit"]]
    short = [m["amount"] for m in found.values() if m is not None and m["unit"]]
    counts = amounts(plain, name, decimal, whole=True)
    rounded = amounts(short, name, decimal or _small(short))
    numbers, faults = {}, {}
    for cell, match in found.items():
        numbers[cell] = float("nan")
        if _plain(cell).casefold() in NOTHING:
            continue
        number = None
        if match is not None:
            read = rounded if match["unit"] else counts
            number = read.numbers[match["amount"]]
        if match is None or number is None:
            faults[cell] = "is no count"
            continue
        numbers[cell] = round(number * _UNITS[(match["unit"] or "").lower()], 6)
    return NumberColumn(numbers, faults, counts.notes)


def _plain(cell: str) -> str:
    return unicodedata.normalize("NFKC", cell).strip()


def _small(texts: Iterable[str]) -> DecimalMark | None:
    """The decimal mark of numbers that have no thousands: that which is there."""
    marks = {mark for text in texts for mark in ".," if mark in text}
    return None if len(marks) != 1 else ("." if marks == {"."} else ",")
