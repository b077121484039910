"""Dates written as text: the moment of a cell in a known form, and the parts of dates."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.data.cells.date_texts import (
    EPOCHS,
    EXCEL,
    ISO,
    MINUTE_US,
    SEVERAL,
    days,
    parted,
    time_of,
)

if TYPE_CHECKING:
    import pandas as pd

_EXCEL_START = -25_569
_TIME_PATTERN = re.compile(r"[T ,]+%[HI]:%M(:%S)?([.,]%f)?( ?%p)?( ?%[zZ])?$")
_MICROSECONDS = 1_000_000
_DAY_US = 86_400 * _MICROSECONDS
_FARTHEST = 2_932_896 * _DAY_US
"""31 December 9999."""


def microseconds(cell: str, form: str | None) -> int | None:
    """Microseconds since 1970 (UTC) of a written date; ``None`` where it is none.

    ISO 8601 is read whatever the form is. A date without a zone is taken as UTC.

    Args:
        cell: one cell.
        form: a form of :mod:`crisol.core.data.cells.date_texts`, :data:`EPOCHS`, :data:`EXCEL`, a
            pattern of :meth:`datetime.datetime.strptime`, or several of them with
            :data:`SEVERAL` between them, of which the first that fits is taken.

    >>> microseconds("1970-01-02", None), microseconds("1970-01-01T01:00+01:00", ISO)
    (86400000000, 0)
    >>> microseconds("2.1.1970", "%m/%d/%Y | %d.%m.%Y"), microseconds("86400", "epoch s")
    (86400000000, 86400000000)
    """
    return _moment(cell.strip(), _forms(form))


@lru_cache(1000)
def _forms(form: str | None) -> tuple[str, ...]:
    """The forms without ISO 8601; of a pattern with a time of day, that of its day comes first."""
    forms: list[str] = []
    for part in form.split(SEVERAL) if form else ():
        forms += [_TIME_PATTERN.sub("", part), part]
    return tuple(part for part in dict.fromkeys(forms) if part and part != ISO)


def _moment(cell: str, forms: tuple[str, ...]) -> int | None:
    for form in forms:
        found = None
        if form in EPOCHS or form == EXCEL:
            found = _counted(cell, form)
        elif form.startswith("%Y-%d"):  # 2024-05-06 is in June: not ISO 8601, and said by a person
            found = _by_pattern(cell, form)
        if found is not None:
            return found
    if any(form.startswith("%Y-%d") for form in forms):
        return None
    day_text, time_text = parted(cell)
    readings = days(day_text)
    day = next((readings[f] for f in (ISO, *forms) if f in readings), None)
    if day is not None:
        if not time_text:
            return day * _DAY_US
        time = time_of(time_text)
        if time is not None:
            return day * _DAY_US + time[0] - (time[1] or 0) * MINUTE_US
    return next((m for m in (_by_pattern(cell, f) for f in forms) if m is not None), None)


def _counted(cell: str, form: str) -> int | None:
    """The moment of a count of days or of parts of seconds."""
    try:
        number = Decimal(cell)
        unit = _DAY_US if form == EXCEL else EPOCHS[form]
        moment = int(number * unit) + (_EXCEL_START * _DAY_US if form == EXCEL else 0)
    except (InvalidOperation, OverflowError, ValueError):
        return None
    return moment if abs(moment) <= _FARTHEST else None


def _by_pattern(cell: str, form: str) -> int | None:
    """The moment of a cell in a pattern of ``strptime``."""
    if "%" not in form:
        return None
    try:
        moment = datetime.strptime(cell, form)  # noqa: DTZ007 - UTC below
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    past = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (past.days * 86_400 + past.seconds) * _MICROSECONDS + past.microseconds


def to_dates(cells: "pd.Series[Any]", form: str | None) -> "pd.Series[Any]":
    """Text cells as datetime64[us, UTC]; NaT where they are no dates of that form."""
    import pandas as pd

    places, words = pd.factorize(cells)
    read = _reader(form)
    moments = np.full(len(words) + 1, np.iinfo(np.int64).min)  # NaT; the last is a missing cell's
    for at, word in enumerate(words.tolist()):
        found = read(word)
        if found is not None:
            moments[at] = found
    stamps = moments[places].astype("datetime64[us]")
    return pd.Series(stamps, cells.index, name=cells.name).dt.tz_localize("UTC")


def _reader(form: str | None) -> Callable[[str], int | None]:
    forms = _forms(form)
    return lambda cell: _moment(str(cell).strip(), forms)


def date_parts(moments: NDArray[np.int64], missing: NDArray[np.bool_]) -> Floats:
    """Year, month, day, weekday (0 is Monday), hour and seconds since 1970 [N, 6] of moments.

    Args:
        moments: microseconds since 1970 [N], UTC.
        missing: where there is none [N]; NaN there.
    """
    stamps = moments.astype("datetime64[us]")
    days_since = stamps.astype("datetime64[D]")
    months, years = days_since.astype("datetime64[M]"), days_since.astype("datetime64[Y]")
    parts = np.stack(
        [
            years.astype(np.int64) + 1970,
            (months - years.astype("datetime64[M]")).astype(np.int64) + 1,
            (days_since - months.astype("datetime64[D]")).astype(np.int64) + 1,
            (days_since.astype(np.int64) + 3) % 7,
            (stamps - days_since.astype("datetime64[us]")).astype(np.int64)
            // (3600 * _MICROSECONDS),
            moments / _MICROSECONDS,
        ],
        axis=1,
    ).astype(np.float64)
    parts[missing] = np.nan
    return parts


DATE_PARTS = ("year", "month", "day", "weekday", "hour", "seconds")
