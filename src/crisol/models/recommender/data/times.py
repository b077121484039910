"""A column of times as moments in UTC, with sentences about what was assumed."""

from dataclasses import dataclass, field, replace

import pandas as pd

from crisol.core.data.cells.date_columns import FoundDates, find_dates
from crisol.core.data.cells.date_texts import COMPACT, COMPACT_MONTH, EPOCHS, EXCEL, SEVERAL
from crisol.core.data.cells.dates import to_dates

_NUMBER = r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?"
_LIKELY = (pd.Timestamp("1990-01-01", tz="UTC"), pd.Timestamp("2050-01-01", tz="UTC"))
"""The years in which numbers are taken for times."""
_WORDS = {
    "epoch s": "seconds since 1970",
    "epoch ms": "milliseconds since 1970",
    "epoch us": "microseconds since 1970",
    "epoch ns": "nanoseconds since 1970",
    EXCEL: "a spreadsheet's days since 30 December 1899",
    COMPACT: "days such as 20240131",
    COMPACT_MONTH: "months such as 202401",
}
_CLOCK = r"\d{1,2}:\d{2}(:\d{2})?(\s*[AaPp]\.?[Mm]\.?)?"
_DATED_USERS, _TELLING_USERS = 50, 3
"""Users whose rows may tell the order of day and month, and how many of them must."""


@dataclass(frozen=True)
class ReadTimes:
    """The times of a column.

    Attributes:
        times: datetime64, UTC; NaT where a cell is empty or no time.
        notes: what was assumed, with the option that changes it.
        fault: why a cell that is not empty is no time, and what to do.
    """

    times: pd.Series
    notes: list[str] = field(default_factory=list)
    fault: str = ""


def read_times(cells: pd.Series, users: pd.Series, day_first: bool | None = None) -> ReadTimes:
    """Read a column of times.

    Args:
        cells: in the order of the file, as text; datetimes are taken as they are.
        users: whose event each is; within a user, rows may tell the order of day and month.
        day_first: whether 05/06/2024 is in June, where nothing else tells.
    """
    if pd.api.types.is_datetime64_any_dtype(cells):
        return ReadTimes(pd.to_datetime(cells, utc=True))
    text = cells.astype("str").fillna("").str.strip()
    given = text[text != ""]
    distinct = pd.Series(given.unique(), dtype="str")
    blank = pd.Series(pd.NaT, index=cells.index, dtype="datetime64[us, UTC]")
    if given.empty:
        return ReadTimes(blank)
    if distinct.str.fullmatch(_NUMBER).mean() > 0.5:
        times, form = _counted(distinct)
        notes = [] if not form else [f"time is read as {_WORDS[form]}."]
        fault = "time is neither a date nor a count of seconds, milliseconds or less since 1970"
        if form:
            fault = f"time is not among the {_WORDS[form]}, from 1990 to 2050"
    else:
        found = _dated(given, users[given.index], day_first)
        form = found.form if found is not None else ""
        times = to_dates(distinct, form)
        notes = _told(found) if found is not None else []
        fault = _fault(distinct, found)
    known = pd.Series(times.array, index=pd.Index(distinct))
    return ReadTimes(pd.Series(known.reindex(text).array, index=cells.index), notes, fault)


def _counted(distinct: "pd.Series[str]") -> tuple["pd.Series[pd.Timestamp]", str]:
    """Numbers in the form in which most of them are likely; NaT elsewhere."""
    best, chosen = pd.Series(pd.NaT, index=distinct.index, dtype="datetime64[us, UTC]"), ""
    digits = {COMPACT: 8, COMPACT_MONTH: 6}
    for form in (COMPACT, COMPACT_MONTH, *EPOCHS, EXCEL):
        times = to_dates(distinct, form)
        likely = times.between(*_LIKELY, inclusive="left")
        if form in digits:
            likely &= distinct.str.len() == digits[form]
        if 2 * likely.sum() >= len(distinct) and likely.sum() > best.notna().sum():
            best, chosen = times.where(likely), form
    return best, chosen


def _dated(given: "pd.Series[str]", users: pd.Series, day_first: bool | None) -> FoundDates | None:
    """The forms of dates; where no cell tells, the rows of each user may."""
    found = find_dates(given, asked=True, day_first=day_first)
    if found is None or found.order != "assumed" or found.day_first is None:
        return found
    told = set()
    telling = 0
    some = users.value_counts().index[:_DATED_USERS]
    for _, own in given[users.isin(some)].groupby(users, sort=False):
        mine = find_dates(own, asked=True)
        if mine is not None and mine.order == "the order of the rows":
            told.add(mine.day_first)
            telling += 1
    if len(told) != 1 or telling < _TELLING_USERS:
        return found
    again = find_dates(given, asked=True, elsewhere=told.pop())
    return None if again is None else replace(again, order="the order of the rows")


def _told(found: FoundDates) -> list[str]:
    """Sentences about what the reading of dates assumed."""
    notes = []
    if found.day_first is not None or len(found.forms) > 1:
        forms = found.form.replace(SEVERAL, " and ")
        notes.append(f"time is read as {_order(found)}{forms}.")
    if found.day_first is None and found.order == "assumed":
        notes.append(
            f"dates may begin with the year or with the day; time is read as {found.form}. Write "
            "years with four digits to be sure."
        )
    if found.two_digits:
        notes.append("years have two digits; 69 to 99 are 1969 to 1999, 00 to 68 are 2000 to 2068.")
    zoned = sum(found.zones.values())
    if found.naive and zoned:
        notes.append(
            f"{zoned:,} times have a zone and {found.naive:,} have none; these are taken for UTC."
        )
    elif found.naive:
        notes.append("times have no zone and are taken for UTC.")
    return notes


def _order(found: FoundDates) -> str:
    if found.day_first is None:
        return ""
    first = "day first" if found.day_first else "month first"
    if found.order == "cells":
        return f"{first}, as its cells tell: "
    evidence = {"assumed": "which no cell tells", "option": "as was said"}
    other = str(not found.day_first).lower()
    why = evidence.get(found.order, f"by {found.order}")
    return f"{first}, {why} (recommender.data.read.day_first={other} overrules it): "


def _fault(distinct: "pd.Series[str]", found: FoundDates | None) -> str:
    if distinct.str.fullmatch(_CLOCK).mean() > 0.5:
        return (
            "time is a time of day without a date; name the column that has both with "
            "recommender.data.columns.time, or join the two columns"
        )
    fault = "time is no date"
    if found is not None and found.forms:
        shown = distinct[to_dates(distinct, found.form).notna()]
        fault += f" such as {shown.iloc[0]!r}" if len(shown) else ""
        if found.day_first is not None:
            first, other = ("day", "month") if found.day_first else ("month", "day")
            fault += f" with the {first} first"
            if found.against:
                fault += f" ({found.against:,} are dates with the {other} first)"
    return fault
