"""Rows that name columns: headers of one row or several, and the units below them."""

import re
from collections.abc import Sequence

from crisol.core.data.cells.numbers import looks_like_number

_MISSING = {
    "", "?", "-", "--", ".", "na", "n/a", "#n/a", "nan", "none", "null", "nil", "unknown",
    "missing", "inf", "-inf",
}  # fmt: skip
_DECIMAL_COMMA = re.compile(r"[+-]?\d{1,3}(\.?\d{3})*,\d+")
_BRACKETED = re.compile(r"\[[^\[\]]{0,24}\]|\([^()]{0,24}\)|<[^<>]{0,24}>")
_NUMBERED = re.compile(r"\d{1,3}[.)]\s+[^\W\d_]{2}")
"""A name with its number in front, such as ``1. open``."""
_RULE = re.compile(r"[:+|]?[-=_]{2,}[:+|]?")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\b.*", re.DOTALL)
_YEAR = re.compile(r"(19|20)\d\d")
_UNIT = re.compile(
    r"(k|m|M|G|T|c|d|h|n|p|u|µ|μ)?(m|s|g|t|A|V|W|K|J|N|Pa|Hz|bar|l|L|mol|Wh|VA|B|b|Ω|ohm|F|eV|cal)"
    r"([²³23]|\^[23])?|%|‰|°|°C|°F|degC|degF|deg|rad|min|sec|std|hrs?|h|d|days?|years?|yrs?|a|weeks?"
    r"|months?|mins?|rpm|ppm|ppb|dB|pH|psi|mmHg|ft|in|inch(es)?|mi|miles?|lbs?|oz|yd|gal|mph|kph"
    r"|kmh|ha|ml|mL|cl|[€$£¥₹]|k€|T€|Mio\.?|EUR|USD|GBP|CHF|JPY|INR|kn|count|pcs?|pieces|Stk\.?"
    r"|St\.?|n|1|bit|bytes?|seconds?|minutes?|hours?|met(er|re)s?|percent|kilograms?|grams?|celsius"
)


def looks_numeric(cell: str) -> bool:
    """Whether a cell is a number, perhaps with a decimal comma."""
    return looks_like_number(cell) or bool(_DECIMAL_COMMA.fullmatch(cell))


def has_header(rows: Sequence[Sequence[str]]) -> tuple[bool, str]:
    """Whether the first row names the columns, and why: names are not of their columns' kinds."""
    first, below = rows[0], rows[1:]
    again = [row for row in below if tuple(row) == tuple(first)]
    others = [row for row in below if tuple(row) != tuple(first)]
    if again and others and (names_numbers(first, others) or len(again) < 0.1 * len(others)):
        below = others  # a header that is repeated, as in files put below one another
    if not below:
        return True, "there is no other row"
    kinds_differ = kinds_agree = repeated = 0
    years = _years(first, below)
    for at, cell in enumerate(first):
        cells = [row[at] for row in below if at < len(row) and row[at]]
        if not cells:
            continue
        if sum(map(looks_numeric, cells)) >= 0.9 * len(cells):
            if at in years:
                kinds_differ += 1
            elif looks_numeric(cell) and not _NUMBERED.match(cell):
                kinds_agree += 1
            elif cell:
                kinds_differ += 1
        elif cell in set(cells):
            repeated += 1
    if kinds_agree > kinds_differ:
        return False, "its cells are numbers like those below"
    if kinds_differ:
        return True, "its cells are words above numbers"
    if repeated:
        return False, "its words occur below it, too"
    return True, "its words occur nowhere below it"


def number_columns(rows: Sequence[Sequence[str]]) -> list[int]:
    """The places of the columns whose cells are numbers, of those that hold something."""
    found = []
    for at in range(len(rows[0]) if rows else 0):
        cells = [row[at] for row in rows if at < len(row) and row[at]]
        if cells and sum(map(looks_numeric, cells)) >= 0.9 * len(cells):
            found.append(at)
    return found


def names_numbers(row: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether a row holds a word above every column of numbers, and there is such a column."""
    numbers = number_columns(below)
    years = _years(row, below)
    return bool(numbers) and all(at in years or _is_name(row[at]) for at in numbers)


def _years(row: Sequence[str], below: Sequence[Sequence[str]]) -> set[int]:
    """The places of cells that are years and name columns: they rise, beside words or a corner.

    >>> _years(["city", "2019", "2020"], [["Rome", "5", "6"]])
    {1, 2}
    """
    at = [i for i, cell in enumerate(row) if _YEAR.fullmatch(cell)]
    words = [cell for cell in row if cell and not looks_numeric(cell)]
    rising = [int(row[i][:4]) for i in at]
    corner = len(at) > 1 and not row[0] and len(at) == len(row) - 1
    if len(at) < 2 or not (words or corner) or rising != sorted(set(rising)):
        return set()
    cells = [other[i] for other in below for i in at if i < len(other) and other[i]]
    same = sum(bool(_YEAR.fullmatch(cell)) for cell in cells)
    return set(at) if same <= 0.5 * len(cells) else set()


def _is_name(cell: str) -> bool:
    return not looks_numeric(cell) and cell.lower() not in _MISSING


def is_rule(row: Sequence[str]) -> bool:
    """Whether a row is a line below a header, as terminals of databases draw it.

    >>> is_rule(["----", "-----"]), is_rule(["-", "-"]), is_rule(["---", "5"])
    (True, False, False)
    """
    filled = [cell for cell in row if cell]
    return bool(filled) and all(map(_RULE.fullmatch, filled)) and max(map(len, filled)) > 2


def is_lower_header(
    row: Sequence[str], below: Sequence[Sequence[str]], names: Sequence[str]
) -> bool:
    """Whether a row below a header belongs to it: words alone, above numbers and dates.

    Args:
        row: below the header; cells may be empty.
        below: the rows that follow.
        names: of the header so far; an empty one belongs to the name before it.

    >>> rows = [["1", "2024-01-05", "yes"], ["2", "2024-01-06", "no"], ["3", "2024-01-07", "no"]]
    >>> is_lower_header(["How many?", "Start", "Again?"], rows, ["q1", "d", "q2"])
    True
    >>> is_lower_header(["unknown", "never", "no"], rows, ["q1", "d", "q2"])
    False
    """
    filled = [at for at, cell in enumerate(row) if cell]
    if len(filled) < 2 or len(below) < 3 or not all(_is_name(row[at]) for at in filled):
        return False
    if any(_DATE.fullmatch(row[at]) for at in filled):
        return False
    above = typed = 0
    for at in range(len(row)):
        cells = [other[at] for other in below if other[at]]
        of_type = bool(cells) and sum(map(_has_type, cells)) >= 0.9 * len(cells)
        typed += of_type
        above += of_type and bool(row[at])
        grouped = not names[at] or (at + 1 < len(names) and not names[at + 1])
        if not of_type and not grouped and row[at] and row[at] in cells:
            return False
    return above >= 1 if "" in names[1:] else above >= max(2, typed / 2)


def _has_type(cell: str) -> bool:
    return looks_numeric(cell) or bool(_DATE.fullmatch(cell))


def are_units(row: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether a row below a header holds units of the columns of numbers.

    >>> are_units(["", "[mm]", "kg"], [["a", "1", "2"], ["b", "3", "4"]])
    True
    >>> are_units(["x", "unknown", "red"], [["a", "1", "2"], ["b", "3", "4"]])
    False
    """
    numbers = number_columns(below)
    if not numbers or any(looks_numeric(row[at]) and row[at] != "1" for at in numbers):
        return False
    words = [row[at] for at in numbers if row[at].lower() not in ("", "-", "--")]
    others = [cell for at, cell in enumerate(row) if at not in numbers and cell]
    return (
        bool(words)
        and any(not looks_numeric(word) for word in words)
        and all(map(is_unit, words))
        and all(_BRACKETED.fullmatch(cell) or is_unit(cell) or cell == "-" for cell in others)
    )


def is_unit(word: str) -> bool:
    """Whether a word is a unit, perhaps in brackets or one over another.

    >>> is_unit("[m/s]"), is_unit("kg/m³"), is_unit("red")
    (True, True, False)
    """
    if _BRACKETED.fullmatch(word):
        return True
    parts = re.split(r"[/*·⋅ ]", word)
    return all(_UNIT.fullmatch(re.sub(r"[-^]?-?[1-4]$|⁻?[¹²³]$", "", part) or part)
               for part in parts)  # fmt: skip


def joined(upper: Sequence[str], lower: Sequence[str]) -> tuple[str, ...]:
    """Names out of two rows of a header; a cell of the upper one holds until the next.

    >>> joined(["", "2023", "", "2024"], ["city", "Q1", "Q2", "Q1"])
    ('city', '2023 Q1', '2023 Q2', '2024 Q1')
    """
    names, last = [], ""
    for above, below in zip(upper, lower, strict=True):
        last = above or last
        names.append(last if below in ("", last) else f"{last} {below}".strip())
    return tuple(names)
