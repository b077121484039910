"""Dates written as text, and the parts of dates."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats

if TYPE_CHECKING:
    import pandas as pd

ISO = "ISO 8601"
DATE_FORMATS = (
    ISO, "%Y/%m/%d", "%Y/%m/%d %H:%M:%S", "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S",
    "%m/%d/%Y", "%d/%m/%Y", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%y", "%d/%m/%y", "%d-%m-%Y", "%m-%d-%Y",
    "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%b %d, %Y", "%B %d, %Y", "%d %B %Y", "%Y%m%d",
)  # fmt: skip
"""Tried in this order; ``%Y%m%d`` only where a person says that a column holds dates."""
_ISO_SHAPE = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?\s?(Z|[+-]\d{2}:?\d{2})?)?"
)
_MICROSECONDS = 1_000_000


def date_format(cells: Sequence[str], compact: bool = False) -> str | None:
    """The format in which every one of some cells is a date, or ``None``.

    Args:
        cells: a sample without missing ones.
        compact: whether 20240131 is a date, too.

    >>> date_format(["2024-01-31", "2024-02-01"]), date_format(["31/01/2024"])
    ('ISO 8601', '%d/%m/%Y')
    """
    if not cells:
        return None
    for form in DATE_FORMATS:
        if form == "%Y%m%d" and not compact:
            continue
        if all(microseconds(cell, form) is not None for cell in cells):
            return form
    return None


def microseconds(cell: str, form: str | None) -> int | None:
    """Microseconds since 1970 (UTC) of a written date; ``None`` where it is none.

    A date without a zone is taken as UTC.

    >>> microseconds("1970-01-02", None), microseconds("1970-01-01T01:00+01:00", ISO)
    (86400000000, 0)
    """
    try:
        if form in (None, ISO):
            if not _ISO_SHAPE.fullmatch(cell):
                return None
            moment = datetime.fromisoformat(cell.replace(",", "."))
        else:
            moment = datetime.strptime(cell, form)  # noqa: DTZ007 - UTC below
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    past = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (past.days * 86_400 + past.seconds) * _MICROSECONDS + past.microseconds


def to_dates(cells: "pd.Series[Any]", form: str | None) -> "pd.Series[Any]":
    """Text cells as datetime64[us, UTC]; NaT where they are no dates of that format."""
    import pandas as pd

    words = cells.dropna().astype(str).unique()
    known = {word: microseconds(word, form) for word in words}
    found = cells.map(known)
    moments = pd.to_datetime(pd.to_numeric(found, errors="coerce").astype("Int64"), unit="us")
    return moments.astype("datetime64[us]").dt.tz_localize("UTC")


def date_parts(moments: NDArray[np.int64], missing: NDArray[np.bool_]) -> Floats:
    """Year, month, day, weekday (0 is Monday), hour and seconds since 1970 [N, 6] of moments.

    Args:
        moments: microseconds since 1970 [N], UTC.
        missing: where there is none [N]; NaN there.
    """
    stamps = moments.astype("datetime64[us]")
    days = stamps.astype("datetime64[D]")
    months, years = days.astype("datetime64[M]"), days.astype("datetime64[Y]")
    parts = np.stack(
        [
            years.astype(np.int64) + 1970,
            (months - years.astype("datetime64[M]")).astype(np.int64) + 1,
            (days - months.astype("datetime64[D]")).astype(np.int64) + 1,
            (days.astype(np.int64) + 3) % 7,
            (stamps - days.astype("datetime64[us]")).astype(np.int64) // (3600 * _MICROSECONDS),
            moments / _MICROSECONDS,
        ],
        axis=1,
    ).astype(np.float64)
    parts[missing] = np.nan
    return parts


DATE_PARTS = ("year", "month", "day", "weekday", "hour", "seconds")
