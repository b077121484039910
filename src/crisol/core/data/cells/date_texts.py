"""One cell's text as a day, a time of day and an offset from UTC.

A text may be a date in several orders: 05/06/2024 is in May or in June. :func:`days` returns every
reading by its form; :mod:`crisol.core.data.cells.date_columns` chooses one for a column.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache

from crisol.core.data.cells.date_names import FILLERS, MONTHS, WEEKDAYS

ISO = "ISO 8601"
WEEK, QUARTER, YEAR_MONTH = "%G-W%V", "year and quarter", "%Y-%m"
DAY_NAMED, NAMED_DAY, YEAR_NAMED = "%d %b %Y", "%b %d, %Y", "%Y %b %d"
DAY_NAMED_2, NAMED_DAY_2, NAMED, NAMED_2 = "%d %b %y", "%b %d, %y", "%b %Y", "%b %y"
COMPACT, COMPACT_MONTH, YEAR = "%Y%m%d", "%Y%m", "%Y"
SEVERAL = " | "
"""Stands between the forms of a column that has several."""
EPOCHS: Mapping[str, Decimal | int] = {
    "epoch s": 10**6,
    "epoch ms": 10**3,
    "epoch us": 1,
    "epoch ns": Decimal("0.001"),
}
"""Counts since 1970 (UTC), and their unit in microseconds."""
EXCEL = "Excel days"
"""Days since 30 December 1899, as spreadsheets store dates."""
MINUTE_US = 60_000_000
_DAY_US = 1440 * MINUTE_US
_KEPT = 50_000
"""Different dates and times of day whose reading is kept."""
_ZONES = {
    "z": 0, "utc": 0, "gmt": 0, "ut": 0, "wet": 0, "west": 60, "cet": 60, "cest": 120, "mez": 60,
    "mesz": 120, "eet": 120, "eest": 180, "bst": 60, "est": -300, "edt": -240, "cst": -360,
    "cdt": -300, "mst": -420, "mdt": -360, "pst": -480, "pdt": -420,
}  # fmt: skip
"""Minutes east of UTC: the zones of RFC 2822, and those of Europe."""
_TIME = re.compile(
    r"(?:^|[T\s,]+|(?<=\d{4}):)(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,:](\d{1,9}))?)?"
    r"(?:\s*([ap])\.?m\b\.?|\s*(?:Uhr|hrs?|h)\b\.?)?"
    r"(?:\s*(Z|(?:UTC|GMT)?[+-]\d{2}(?::?\d{2}(?::00)?)?|[A-Z]{2,4}\b)(?:\s*\([^()]*\))?"
    r"(?:\[[\w/+-]+\])?)?(?=$|\s\d{4}$|\s*,?\s*\d{1,4}[-/. ])",
    re.ASCII | re.IGNORECASE,
)
_COMPACT_TIME = re.compile(
    r"(\d{8})(?:[T_ ](\d{2})(\d{2})(\d{2})?|(\d{2})(\d{2})(\d{2}))(?:[.,]\d+)?"
    r"(Z|[+-]\d{2}:?\d{2})?",
    re.ASCII,
)
_DOTTED_TIME = re.compile(
    r"(.*\d)[T ](\d{1,2})\.(\d{2})(?:\.(\d{2})(?:\.(\d{1,9}))?)?(\s*[AP]M)?",
    re.ASCII | re.IGNORECASE,
)
_ISO_HOUR = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2})(Z?)", re.ASCII)
_SIGNS = re.compile(r"(\d{4})\s?[年년]\s?(\d{1,2})\s?[月월](?:\s?(\d{1,2})\s?[日일])?")
_LED = re.compile(r"([^\W\d_]+)\.?,?\s(?=\d)")
_TRIPLE = re.compile(r"(\d{1,4})([-/. ]) ?(\d{1,2})\2 ?(\d{1,4})\.?", re.ASCII)
_PAIR = re.compile(r"(\d{4})[-/](\d{1,2})|(\d{1,2})[-/](\d{4})", re.ASCII)
_WEEK = re.compile(r"(\d{4})-?W(\d{2})(?:-?([1-7]))?", re.ASCII | re.IGNORECASE)
_QUARTER = re.compile(r"(\d{4})[-/ ]?Q([1-4])|Q([1-4])[-/ ]?(\d{4})", re.ASCII | re.IGNORECASE)
_PIECE = re.compile(r"[^\W\d_]+(?:-feira)?|\d+")
_BETWEEN = frozenset(" .,-/'\u2019\u00ba\u00aa")
"""With the apostrophe and the ordinal marks of print."""
_YEAR_MARK = re.compile(r"%[yYGcxD]")
_EPOCH_DAY = date(1970, 1, 1).toordinal()


def known_form(form: str) -> bool:
    """Whether a form, or several, can be read and has a year.

    >>> known_form("%d/%m/%Y %H:%M"), known_form("epoch ms | ISO 8601"), known_form("DD/MM/YYYY")
    (True, True, False)
    """
    return all(
        part in (ISO, EXCEL, QUARTER, *EPOCHS) or bool(_YEAR_MARK.search(part))
        for part in form.split(SEVERAL)
    )


def parted(cell: str) -> tuple[str, str]:
    """The text of the day and the text of the time of day, which may be empty.

    >>> parted("Mon Jan  5 10:00:00 2024"), parted("20240131T1015"), parted("5.1.2024")
    (('Mon Jan 5 2024', '10:00:00'), ('20240131', '10:15'), ('5.1.2024', ''))
    """
    if ":" in cell:
        found = _TIME.search(cell)
        if found is None:
            return cell, ""
        day = cell[: found.start()] + cell[found.end() :]
        return " ".join(day.split()), found[0].lstrip("T ,:")
    compact = _COMPACT_TIME.fullmatch(cell) if len(cell) > 8 and cell[:8].isdecimal() else None
    if compact is not None:
        parts = [compact[k] or compact[k + 3] for k in (2, 3, 4)]
        return compact[1], ":".join(part for part in parts if part) + (compact[8] or "")
    return _parted_without_colon(" ".join(cell.split()))


def _parted_without_colon(cell: str) -> tuple[str, str]:
    """The day and the time of 05-JAN-24 10.15.30.000000 AM and of 2024-01-05T10."""
    dotted = _DOTTED_TIME.fullmatch(cell)
    if dotted is not None:
        time = f"{dotted[2]}:{dotted[3]}:{dotted[4] or '00'}.{dotted[5] or '0'}{dotted[6] or ''}"
        return dotted[1], time
    hour = _ISO_HOUR.fullmatch(cell)
    return (hour[1], f"{hour[2]}:00{hour[3]}") if hour is not None else (cell, "")


@lru_cache(_KEPT)
def time_of(text: str) -> tuple[int, int | None] | None:
    """Microseconds since midnight, and minutes east of UTC; ``None`` where it is no time of day.

    >>> time_of("7:05 PM"), time_of("10:00:00.5 +02"), time_of("25:00")
    ((68700000000, None), (36000500000, 120), None)
    """
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if found[5]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found[5] in "pP" else 0)
    fraction = int((found[4] or "0").ljust(6, "0")[:6])
    moment = ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction
    if minute > 59 or second > 59 or moment > _DAY_US or hour > 24:
        return None
    if found[6] is None:
        return moment, None
    offset = _offset(found[6])
    return None if offset is None else (moment, offset)


def _offset(zone: str) -> int | None:
    """Minutes east of UTC of a written zone; ``None`` where it is unknown."""
    name = zone.lower()
    if name in _ZONES:
        return _ZONES[name]
    signed = name.removeprefix("utc").removeprefix("gmt")
    if signed[:1] not in ("+", "-"):
        return None
    digits = signed[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:4])
    if hours > 15 or minutes > 59:
        return None
    return (hours * 60 + minutes) * (-1 if signed[0] == "-" else 1)


@lru_cache(_KEPT)
def days(text: str) -> dict[str, int]:
    """Every reading of a date's text: from its form to days since 1970.

    >>> days("31.1.2024"), sorted(days("05/06/2024")), days("1. März 2024")
    ({'%d.%m.%Y': 19753}, ['%d/%m/%Y', '%m/%d/%Y'], {'%d %b %Y': 19783})
    """
    triple = _TRIPLE.fullmatch(text)
    if triple is not None:
        return _valid(_orders(triple))
    signs = _SIGNS.fullmatch(text)
    if signs is not None:
        return _valid([(ISO, int(signs[1]), int(signs[2]), int(signs[3] or 1))])
    led = _LED.match(text)
    if led is not None and led[1].lower() in WEEKDAYS:
        return days(text[led.end() :])
    if text.isdecimal() and text.isascii():
        return _valid(_digits(text))
    pair = _PAIR.fullmatch(text)
    if pair is not None:
        if pair[1]:
            return _valid([(YEAR_MONTH, int(pair[1]), int(pair[2]), 1)])
        return _valid([("%m/%Y", int(pair[4]), int(pair[3]), 1)])
    quarter = _QUARTER.fullmatch(text)
    if quarter is not None:
        year, number = int(quarter[1] or quarter[4]), int(quarter[2] or quarter[3])
        return _valid([(QUARTER, year, 3 * number - 2, 1)])
    week = _WEEK.fullmatch(text)
    if week is not None:
        try:
            day = date.fromisocalendar(int(week[1]), int(week[2]), int(week[3] or 1))
        except ValueError:
            return {}
        return {WEEK: day.toordinal() - _EPOCH_DAY}
    return _valid(_named(text))


def _orders(triple: re.Match[str]) -> Iterator[tuple[str, int, int, int]]:
    """Form, year, month and day of three numbers with one mark between them."""
    first, mark, second, third = triple.groups()
    a, b, c = int(first), int(second), int(third)
    if len(first) == 4 and len(third) < 3:
        yield (ISO if mark == "-" else f"%Y{mark}%m{mark}%d"), a, b, c
    elif len(third) == 4 and len(first) < 3:
        yield f"%d{mark}%m{mark}%Y", c, b, a
        yield f"%m{mark}%d{mark}%Y", c, a, b
    elif len(third) == 2 and len(first) < 3 and mark != " ":
        yield f"%d{mark}%m{mark}%y", full_year(c), b, a
        yield f"%m{mark}%d{mark}%y", full_year(c), a, b
        if len(first) == 2:
            yield f"%y{mark}%m{mark}%d", full_year(a), b, c


def _digits(text: str) -> Iterator[tuple[str, int, int, int]]:
    if len(text) == 8:
        yield COMPACT, int(text[:4]), int(text[4:6]), int(text[6:])
    elif len(text) == 6:
        yield COMPACT_MONTH, int(text[:4]), int(text[4:]), 1
    elif len(text) == 4:
        yield YEAR, int(text), 1, 1


def _named(text: str) -> Iterator[tuple[str, int, int, int]]:
    """Form, year, month and day of a date with its month's name."""
    lower = text.lower()
    pieces = _PIECE.findall(lower)
    if not 2 <= len(pieces) <= 8 or not set(_PIECE.sub("", lower)) <= _BETWEEN:
        return
    if pieces[0] == "mar" and any(p in MONTHS for p in pieces[1:]):
        pieces = pieces[1:]  # Tuesday in French, Spanish and Italian
    words = [p for p in pieces if not p.isdecimal() and p not in FILLERS and p not in WEEKDAYS]
    numbers = [p for p in pieces if p.isdecimal()]
    if len(words) != 1 or words[0] not in MONTHS or not 1 <= len(numbers) <= 2:
        return
    month, before = MONTHS[words[0]], pieces.index(numbers[0]) < pieces.index(words[0])
    lengths = [len(number) for number in numbers]
    if len(numbers) == 1:
        if lengths[0] == 4:
            yield NAMED, int(numbers[0]), month, 1
        elif lengths[0] == 2 and not before and " " not in lower:  # "may 24" may be a day of May
            yield NAMED_2, full_year(int(numbers[0])), month, 1
        return
    first, second = int(numbers[0]), int(numbers[1])
    if lengths[0] == 4 and lengths[1] < 3:
        yield YEAR_NAMED, first, month, second
    elif lengths[0] < 3 and lengths[1] == 4:
        yield (DAY_NAMED if before else NAMED_DAY), second, month, first
    elif lengths[0] < 3 and lengths[1] == 2:
        yield (DAY_NAMED_2 if before else NAMED_DAY_2), full_year(second), month, first


def _valid(readings: Iterable[tuple[str, int, int, int]]) -> dict[str, int]:
    found = {}
    for form, year, month, day in readings:
        if 1 <= month <= 12 and 1 <= day <= 31 and year >= 1:
            try:
                found[form] = date(year, month, day).toordinal() - _EPOCH_DAY
            except ValueError:
                continue
    return found


def full_year(two_digits: int) -> int:
    """The year of two digits, as POSIX has it: 69 to 99 are 1969 to 1999, 00 to 68 from 2000 on."""
    return two_digits + (1900 if two_digits >= 69 else 2000)
