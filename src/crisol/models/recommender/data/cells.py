"""Cells of raw tables as ids, numbers and times; a form holds for a whole column or not at all."""

from datetime import UTC, datetime

import pandas as pd

from crisol.models.recommender.contract import CLOCK_TOLERANCE

_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
"""Numbers that would be earlier are no seconds since 1970."""
_DAY_FIRST = "%d{mark}%m{mark}%Y"
_MONTH_FIRST = "%m{mark}%d{mark}%Y"


def as_text(cells: "pd.Series[str]") -> "pd.Series[str]":
    """The text of each cell without white space around it; ``""`` where there is nothing."""
    return cells.astype("str").fillna("").str.strip()


def without_point_zero(ids: "pd.Series[str]") -> "pd.Series[str] | None":
    """Ids that were numbers of a table with holes (``7.0``), as they were; ``None``: others."""
    if len(ids) and ids.str.fullmatch(r"\d+\.0").all():
        return ids.str.removesuffix(".0")
    return None


def with_decimal_points(cells: "pd.Series[str]") -> "pd.Series[str] | None":
    """Numbers with decimal commas, with points; ``None``: some cell is none or has a point."""
    given = cells[cells != ""]
    if given.str.fullmatch(r"[+-]?\d+(,\d{1,2})?").all() and given.str.contains(",").any():
        return cells.str.replace(",", ".")
    return None


def moments(cells: pd.Series) -> tuple["pd.Series[pd.Timestamp]", str]:
    """The times of a column in UTC, NaT where a cell is empty or none, and the form in words.

    Forms: ISO 8601 (also with `` UTC``), seconds to nanoseconds since 1970, ``20240131``, and days
    with slashes, dots or dashes if one of the days is above 12.
    """
    if pd.api.types.is_datetime64_any_dtype(cells):
        return pd.to_datetime(cells, utc=True), ""
    text = as_text(cells)
    given = text[text != ""]
    distinct = pd.Series(given.unique(), dtype="str")
    if len(distinct) and distinct.str.fullmatch(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?").all():
        times, form = _of_numbers(distinct)
    else:
        plain = distinct.str.replace(r"\s*(UTC|GMT)$", "+00:00", regex=True)
        plain = plain.str.replace(r"([+-]\d{2})$", r"\1:00", regex=True).where(
            plain.str.contains(":"), plain
        )
        times, form = pd.to_datetime(plain, utc=True, errors="coerce", format="ISO8601"), ""
        if len(distinct) and times.isna().all():
            times, form = _of_days(plain)
    known = pd.Series(times.array, index=pd.Index(distinct))
    return pd.Series(known.reindex(text).array, index=cells.index), form


def _of_numbers(distinct: "pd.Series[str]") -> tuple["pd.Series[pd.Timestamp]", str]:
    if distinct.str.fullmatch(r"(19|20)\d{6}").all():
        days = pd.to_datetime(distinct, utc=True, errors="coerce", format="%Y%m%d")
        if days.notna().all():
            return days, "days such as 20240131"
    numbers = pd.to_numeric(distinct).astype("float64")
    latest = (datetime.now(UTC) + CLOCK_TOLERANCE).timestamp()
    for unit, size in _UNITS.items():
        if (numbers / size).between(_EARLIEST.timestamp(), latest).all():
            exact = distinct.str.fullmatch(r"\d+").all()
            whole = distinct.astype("int64") * (10**9 // size) if exact else numbers / size * 10**9
            times = pd.to_datetime(whole.astype("int64"), utc=True, unit="ns")
            return times, f"{_NAMES[unit]} since 1970"
    return pd.Series(pd.NaT, index=distinct.index, dtype="datetime64[ns, UTC]"), ""


def _of_days(distinct: "pd.Series[str]") -> tuple["pd.Series[pd.Timestamp]", str]:
    """``31/12/2024 10:00``: the form that reads every cell, if only one does."""
    mark = next(
        (m for m in "/.-" if distinct.str.match(rf"\d{{1,2}}\{m}\d{{1,2}}\{m}\d{{4}}").all()), ""
    )
    read = {}
    for name, form in (("day first", _DAY_FIRST), ("month first", _MONTH_FIRST)):
        for clock in ("", " %H:%M", " %H:%M:%S"):
            times = pd.to_datetime(
                distinct, utc=True, errors="coerce", format=form.format(mark=mark or "/") + clock
            )
            if times.notna().all():
                read[name] = times
    if len(read) == 1:
        [(name, times)] = read.items()
        return times, name
    return pd.Series(pd.NaT, index=distinct.index, dtype="datetime64[ns, UTC]"), ""
