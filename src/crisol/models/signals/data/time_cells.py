"""The times of a person's bar file, read by the rules that every table is read by.

A bar whose time is not certain is refused: one that cannot be read, one without an offset among
others with one, one that a change of the clocks repeats or skips, and an order of day and month
that nothing decides.
"""

import re
from dataclasses import replace

import pandas as pd

from crisol.core.data.cells.date_columns import FoundDates, find_dates
from crisol.core.data.cells.date_texts import EPOCHS, EXCEL, parted, time_of
from crisol.core.data.cells.dates import to_dates
from crisol.core.data.raw_tables import RawTableValidator
from crisol.models.signals.data.errors import BarsError
from crisol.models.signals.data.number_cells import text
from crisol.models.signals.params import DataParams

_CLOCK = re.compile(r"\d{1,2}:\d\d(:\d\d(\.\d+)?)?( ?[ap]\.?m\.?)?|\d{4}|\d{6}", re.IGNORECASE)
_MINUTES = r"((?:19|20)\d{6})(\d{4})"
"""A day and a time of day without marks between them, as 202401311000."""
_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?"
_EPOCH_NAMES = {
    "epoch s": "seconds since 1970",
    "epoch ms": "milliseconds since 1970",
    "epoch us": "microseconds since 1970",
    "epoch ns": "nanoseconds since 1970",
}
_FEW = 5
_CLOSE, _APART = pd.Timedelta(days=5), pd.Timedelta(days=27)
"""Largest distance of two bars in the right order of day and month, and least in the wrong one."""


def holds_clock(cells: "pd.Series[str]") -> bool:
    """Whether every cell is a time of day alone."""
    return bool(text(cells).str.fullmatch(_CLOCK).all())


def with_clock(days: "pd.Series[str]", clock: "pd.Series[str]") -> "pd.Series[str]":
    """Days with the times of day of another column."""
    at = text(clock)
    if not at.str.contains(":").any():
        at = at.str.zfill(int(at.str.len().max())).str.replace(
            r"^(\d\d)(\d\d)(\d\d)?$", lambda m: ":".join(filter(None, m.groups())), regex=True
        )
    return text(days) + " " + at


def read_times(
    raw: RawTableValidator,
    cells: "pd.Series[str]",
    name: str,
    params: DataParams,
    notes: list[str],
) -> "pd.Series[pd.Timestamp]":
    """UTC timestamps.

    Days without a time begin at midnight UTC; times without an offset are of
    ``signals.data.timezone``.

    Args:
        raw: the table, for the places of rows.
        cells: text, of the rows that are bars, in the order of the file.
        name: the column's, in errors and notes.
        params: may state the order of day and month, and the time zone.
        notes: gets the assumptions.

    Raises:
        BarsError: names the row and the fix.
    """
    texts = text(cells)
    if texts.str.fullmatch(_MINUTES).all():
        texts = texts.str.replace(_MINUTES, r"\1 \2", regex=True)
    fast = _iso_times(texts)
    if fast is not None:
        return _local(raw, fast, name, params, notes)
    found = _found(raw, texts, name, params)
    times: pd.Series[pd.Timestamp] = to_dates(texts, found.form).dt.as_unit("ns")
    form = next(iter(found.forms))
    if form in EPOCHS:
        notes.append(f"{name!r} holds {_EPOCH_NAMES[form]}")
        return times
    notes.extend(_told(name, found))
    if found.zones:
        lacking = ~texts.map(_has_zone)
        rule = f"{name} has no offset, and other rows have one; give one to every row or to none"
        _refuse(raw, lacking, rule, name, texts)
        return times
    if not found.naive:
        return times
    return _local(raw, times.dt.tz_localize(None), name, params, notes)


def _iso_times(texts: "pd.Series[str]") -> "pd.Series[pd.Timestamp] | None":
    """ISO 8601 without offsets, a hundred times as fast; ``None`` where some are another form."""
    if not texts.str.fullmatch(_ISO).all():
        return None
    times = pd.to_datetime(texts, errors="coerce", format="ISO8601")
    return None if times.isna().any() else times


def _found(
    raw: RawTableValidator, texts: "pd.Series[str]", name: str, params: DataParams
) -> FoundDates:
    """The forms of all cells.

    Raises:
        BarsError: some cell is no date, or nothing decides the order of day and month.
    """
    found = find_dates(texts, asked=True, day_first=params.read.day_first)
    rule = (
        f"{name} is no time that can be read; write ISO 8601, such as 2024-01-31T10:00:00Z, or "
        "seconds since 1970"
    )
    if found is None or EXCEL in found.forms:
        _refuse(raw, pd.Series(True, index=texts.index), rule, name, texts)
        raise BarsError(f"{raw.file}: {rule}")
    if found.order == "assumed" and found.day_first is not None:
        found = _by_distance(texts, found)
    if found.order == "assumed" and not _one_way(texts, found):
        first = texts.iloc[0]
        if found.day_first is None:
            raise BarsError(
                f"{raw.file}: {name}: {first!r} may begin with its year or with its day, and no "
                "row decides it; write years with four digits"
            )
        raise BarsError(
            f"{raw.file}: {name}: {first!r} may begin with the day or with the month, and no row "
            "decides it; state it with signals.data.read.day_first=true or false"
        )
    lost = texts.isin(list(found.lost))
    if lost.any() and found.against:
        rule += (
            f"; other rows have the {'day' if found.day_first else 'month'} before the "
            f"{'month' if found.day_first else 'day'}"
        )
    _refuse(raw, lost, rule, name, texts)
    if found.far:
        years = to_dates(texts, found.form).dt.year
        rule = f"{name} is before 1900 or after 2150"
        _refuse(raw, (years < 1900) | (years > 2150), rule, name, texts)
    return found


def _by_distance(texts: "pd.Series[str]", found: FoundDates) -> FoundDates:
    """The order in which bars lie close together, where they are weeks apart in the other."""
    orders = {}
    for first in (True, False):
        forms = {_oriented(form, first): cells for form, cells in found.forms.items()}
        one = replace(found, forms=forms, day_first=first, order="the order of the rows")
        times = to_dates(texts, one.form).drop_duplicates().sort_values()
        orders[first] = (times.diff().max(), one)
    (near, best), (far, _) = sorted(orders.values(), key=lambda item: item[0])
    return best if near <= _CLOSE and far >= _APART else found


def _oriented(form: str, day_first: bool) -> str:
    """A form with the day or the month first."""
    if form[:2] not in ("%d", "%m") or len(form) != 8 or "b" in form:
        return form
    mark = form[2]
    return mark.join(("%d", "%m", form[-2:]) if day_first else ("%m", "%d", form[-2:]))


def _one_way(texts: "pd.Series[str]", found: FoundDates) -> bool:
    """Whether years of two digits that are taken as the first number put the rows in order."""
    if found.day_first is not None:
        return False
    times = to_dates(texts, found.form)
    ordered = times.is_monotonic_increasing or times.is_monotonic_decreasing
    return bool(ordered) and times.nunique() >= _FEW


def _told(name: str, found: FoundDates) -> list[str]:
    said = []
    if found.day_first is not None:
        first = "day" if found.day_first else "month"
        evidence = {
            "cells": "as its cells tell",
            "option": "signals.data.read.day_first",
        }
        by = evidence.get(found.order, f"by {found.order}; signals.data.read.day_first decides")
        said.append(f"{name!r} has the {first} first ({by})")
    if len(found.forms) > 1:
        said.append(f"{name!r} has dates in {len(found.forms)} forms: {', '.join(found.forms)}")
    if found.two_digits:
        said.append(f"{name!r} has years of two digits; 69 to 99 are 1969 to 1999")
    if len(found.zones) > 1:
        said.append(f"{name!r} has {len(found.zones)} offsets from UTC; each is followed")
    return said


def _has_zone(cell: str) -> bool:
    time = parted(cell)[1]
    found = time_of(time) if time else None
    return found is not None and found[1] is not None


def _local(
    raw: RawTableValidator,
    times: "pd.Series[pd.Timestamp]",
    name: str,
    params: DataParams,
    notes: list[str],
) -> "pd.Series[pd.Timestamp]":
    zone = params.timezone
    local = times.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    rule = (
        f"{name} is skipped or repeated by a change of the clocks of {zone}; write times in UTC or "
        "with their offset, or state their zone with signals.data.timezone"
    )
    _refuse(raw, local.isna(), rule, name, times.astype("str"))
    notes.append(
        f"{name!r} holds times without an offset, of {zone}; signals.data.timezone changes that"
    )
    utc: pd.Series[pd.Timestamp] = local.dt.tz_convert("UTC").dt.as_unit("ns")
    return utc


def _refuse(
    raw: RawTableValidator,
    bad: "pd.Series[bool]",
    rule: str,
    name: str,
    texts: "pd.Series[str]",
) -> None:
    """Refuse a row, showing the text that was read (a day and its time may be two columns)."""
    if bad.any():
        shown = replace(raw, rows=raw.rows.assign(**{name: texts}))
        shown.rows.attrs.update(raw.rows.attrs)
        shown.refuse(bad, rule, name)
