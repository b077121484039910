"""Cells of a person's file as numbers and moments, a convention for a whole column."""

import re
from typing import Literal

import pandas as pd

from crisol.core.data.cells.date_columns import find_dates
from crisol.core.data.cells.dates import to_dates
from crisol.core.data.cells.numbers import number_style, to_numbers

MISSING = frozenset({"", "null", "nan", "none", "n/a", "na", "-"})
"""Words, in lower case, that stand for a missing value."""
_OFFSET = re.compile(r":\d\d(?:\.\d+)?\s*(?:Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)$", re.IGNORECASE)
_DAY = r"\d{4}-\d{1,2}-\d{1,2}"
_WORD_ZONE = re.compile(r"\s*(?:UTC|GMT)$", re.IGNORECASE)
_YEAR_FIRST = re.compile(r"^(\d{4})[./](\d{1,2})[./](\d{1,2})")
_DIGITS = r"(?:19|20)\d{6}(?:\d{4}(?:\d\d)?)?"
_EPOCHS: tuple[tuple[Literal["s", "ms", "us", "ns"], float], ...] = (
    ("s", 1e11), ("ms", 1e14), ("us", 1e17), ("ns", float("inf")),
)  # fmt: skip
"""Units of seconds since 1970, each below the value at which it would be the year 5138."""
_TOLD = ("", "cells", "the order of the rows")
"""Evidence for the order of day and month that is enough."""
_EARLIEST_S = 1e8
"""1973; smaller numbers are hardly meant as seconds since 1970."""


def is_missing(cells: pd.Series) -> "pd.Series[bool]":
    """Whether each cell is empty or a word for it."""
    return cells.isna() | cells.astype("str").str.strip().str.lower().isin(MISSING)


def numbers(cells: pd.Series) -> tuple["pd.Series[float]", str]:
    """float64, NaN where a cell is no number, and an example of a special way of writing.

    Thousands, decimal commas and multipliers are read where every cell is such a number and some
    cell tells the decimal mark.

    >>> values, said = numbers(pd.Series(["1,204.50", "998.00"]))
    >>> values.tolist(), said
    ([1204.5, 998.0], "'1,204.50' is read as 1204.5")
    """
    values = pd.to_numeric(cells, errors="coerce").astype("float64")
    if values.notna().all():
        return values, ""
    texts = cells.astype("str").str.strip()
    found = number_style(texts)
    if found.share < 1 or found.codes or found.decided == "default":
        return values, ""
    special = values.isna()
    values = to_numbers(texts, found.style)
    return values, f"{texts[special].iloc[0]!r} is read as {values[special].iloc[0]:.12g}"


def moments(cells: pd.Series, zone: str) -> tuple["pd.Series[pd.Timestamp]", str]:
    """UTC timestamps, NaT where a cell is none, and the convention that was read (for a note).

    ISO 8601 (also with dots or slashes, year first), ``20240131``, a number of seconds,
    milliseconds, microseconds or nanoseconds since 1970, or another form of dates whose cells tell
    the order of day and month. Days begin at midnight UTC. Times without
    an offset are of ``zone``; those that a change of the clocks repeats or skips are NaT.

    >>> times, said = moments(pd.Series(["1704067200000", "1704070800000"]), "UTC")
    >>> said, str(times[1])
    ('milliseconds since 1970', '2024-01-01 01:00:00+00:00')
    """
    texts = cells.astype("str").str.strip()
    if texts.str.fullmatch(_DIGITS).all():
        known = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
        length = len(texts.iloc[0])
        times = pd.to_datetime(texts, format=known[length], errors="coerce")
        return _localised(times, "UTC" if length == 8 else zone), "" if length == 8 else _of(zone)
    values = pd.to_numeric(texts, errors="coerce")
    if values.notna().all():
        if not (values >= _EARLIEST_S).all():  # row numbers, days of a spreadsheet
            return _localised(pd.to_datetime(texts.mask(texts.notna())), "UTC"), ""
        unit = next(unit for unit, end in _EPOCHS if abs(values.median()) < end)
        times = pd.to_datetime(values, unit=unit, utc=True, errors="coerce")
        named = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
        return times.dt.as_unit("ns"), f"{named[unit]} since 1970"
    iso = texts.str.replace(_YEAR_FIRST, r"\1-\2-\3", regex=True)
    if iso.str.fullmatch(_DAY).all():
        return _localised(pd.to_datetime(iso, errors="coerce", format="%Y-%m-%d"), "UTC"), ""
    offset = texts.str.contains(_OFFSET)
    iso = iso.str.replace(_WORD_ZONE, "Z", regex=True)
    if offset.any():
        times = pd.to_datetime(iso.where(offset), utc=True, errors="coerce", format="ISO8601")
        return times.dt.as_unit("ns"), ""
    times = pd.to_datetime(iso, errors="coerce", format="ISO8601")
    if times.isna().all():
        return _in_another_form(texts, times, zone)
    return _localised(times, zone), _of(zone)


def _in_another_form(
    texts: pd.Series, none: pd.Series, zone: str
) -> tuple["pd.Series[pd.Timestamp]", str]:
    """Days with slashes or names of months, if the cells tell the order of day and month."""
    found = find_dates(texts)
    if found is None or found.lost or found.order not in _TOLD:
        return _localised(none, zone), ""
    times = to_dates(texts, found.form)
    if found.zones:
        return times.dt.as_unit("ns"), f"times of the form {found.form}"
    times = times.dt.tz_localize(None)
    if not found.naive:
        return _localised(times, "UTC"), f"days of the form {found.form}"
    return _localised(times, zone), f"times of the form {found.form}, without an offset, of {zone}"


def _localised(times: pd.Series, zone: str) -> "pd.Series[pd.Timestamp]":
    local = times.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    found: pd.Series[pd.Timestamp] = local.dt.tz_convert("UTC").dt.as_unit("ns")
    return found


def _of(zone: str) -> str:
    return f"times without an offset, of {zone}"
