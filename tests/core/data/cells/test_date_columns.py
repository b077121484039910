"""The forms of a column of dates."""

import time
from datetime import datetime, timedelta

import pandas as pd
import pytest

from crisol.core.data.cells.date_columns import find_dates, number_dates
from crisol.core.data.cells.dates import to_dates

MOMENTS = [datetime(2024, 1, 1) + timedelta(hours=17 * i) for i in range(240)]  # noqa: DTZ001
"""From January to June, in order."""
EARLY = [moment for moment in MOMENTS if moment.day <= 12]


def _shuffled(form: str, moments: list[datetime] = MOMENTS) -> "pd.Series[str]":
    cells = pd.Series([moment.strftime(form) for moment in moments], dtype="str")
    return cells.sample(frac=1, random_state=0).reset_index(drop=True)


@pytest.mark.parametrize(
    "form",
    ["%d/%m/%Y %H:%M", "%d-%m-%Y", "%d.%m.%y %H:%M:%S", "%m/%d/%Y", "%m-%d-%y %H:%M",
     "%m.%d.%Y %I:%M %p", "%Y-%m-%d", "%y-%m-%d", "%d %b %Y"],
)  # fmt: skip
def test_cells_tell_the_order_wherever_they_stand(form: str) -> None:
    late = _shuffled(form, [m for m in MOMENTS if m.day > 12])
    cells = pd.concat([_shuffled(form, EARLY)] * 40 + [late.head(3)], ignore_index=True)
    found = find_dates(cells)
    assert found is not None
    assert found.accepted
    truth = [datetime.strptime(cell, form) for cell in cells]  # noqa: DTZ007
    assert to_dates(cells, found.form).dt.tz_localize(None).tolist() == truth


@pytest.mark.parametrize(
    ("form", "day_first"),
    [("%d/%m/%Y", False), ("%m/%d/%y %H:%M", False), ("%d-%m-%Y %H:%M", True), ("%d.%m.%y", True),
     ("%m.%d.%Y", True), ("%d-%m-%y", True)],
)  # fmt: skip
def test_an_order_that_no_cell_tells_is_assumed_and_can_be_said(form: str, day_first: bool) -> None:
    cells = _shuffled(form, EARLY)
    found = find_dates(cells)
    assert found is not None
    assert (found.order, found.day_first) == ("assumed", day_first)
    told = find_dates(cells, day_first=not day_first)
    assert told is not None
    assert (told.order, told.day_first) == ("option", not day_first)
    other = find_dates(cells, elsewhere=not day_first)
    assert other is not None
    assert (other.order, other.day_first) == ("another column", not day_first)


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%m/%d/%Y", "%d-%m-%y", "%m.%d.%Y %H:%M"])
def test_ascending_rows_tell_the_order(form: str) -> None:
    found = find_dates(pd.Series([m.strftime(form) for m in EARLY]))
    assert found is not None
    assert found.order == "the order of the rows"
    assert found.day_first == form.startswith("%d")


@pytest.mark.parametrize(
    ("stray", "count", "accepted"),
    [("0000-00-00", 3, True), ("unknown", 12, True), ("2024-02-30", 1, True), ("TBD", 13, False),
     ("1/1", 2, True), ("-", 5, True)],
)  # fmt: skip
def test_some_cells_may_be_no_dates(stray: str, count: int, accepted: bool) -> None:
    cells = _shuffled("%Y-%m-%d")
    cells.iloc[:count] = stray
    found = find_dates(cells)
    assert found is not None
    assert (found.accepted, dict(found.lost)) == (accepted, {stray: count})
    told = find_dates(cells, asked=True)
    assert told is not None
    assert told.accepted


def test_both_orders_are_a_conflict() -> None:
    cells = pd.concat([_shuffled("%d/%m/%Y"), _shuffled("%m/%d/%Y").head(120)])
    found = find_dates(cells)
    assert found is not None
    assert not found.accepted
    assert found.against == sum(found.lost.values()) > 50
    few = find_dates(pd.concat([_shuffled("%d/%m/%Y"), pd.Series(["01/13/2024"] * 4)]))
    assert few is not None
    assert (few.accepted, few.day_first, few.against) == (True, True, 4)


@pytest.mark.parametrize(
    ("forms", "expected"),
    [(("%Y-%m-%d", "%d.%m.%Y"), {"ISO 8601", "%d.%m.%Y"}),
     (("%m/%d/%Y", "%b %d, %Y"), {"%m/%d/%Y", "%b %d, %Y"}),
     (("%Y-%m-%d", "%m/%d/%y", "%d %B %Y"), {"ISO 8601", "%m/%d/%y", "%d %b %Y"})],
)  # fmt: skip
def test_several_forms_are_read_each_by_its_own(forms: tuple[str, ...], expected: set[str]) -> None:
    cells = pd.Series([m.strftime(forms[i % len(forms)]) for i, m in enumerate(MOMENTS)])
    found = find_dates(cells)
    assert found is not None
    assert set(found.forms) == expected
    days = [m.replace(hour=0) for m in MOMENTS]
    assert to_dates(cells, found.form).dt.tz_localize(None).tolist() == days


@pytest.mark.parametrize(
    "cells",
    [["1.2.10", "1.12.11", "2.0.14"], ["10:30", "11:45"], ["1.5", "2.5"], ["20240131", "20240201"],
     ["red", "may"], ["Jan 24", "Feb 23"], ["555-12-34", "555-10-11"], ["2023", "2024"]],
)  # fmt: skip
def test_what_only_resembles_dates_is_not_read(cells: list[str]) -> None:
    found = find_dates(pd.Series(cells * 10))
    assert found is None or not found.accepted


@pytest.mark.parametrize(
    ("cells", "form"),
    [(["20240131", "20240201"], "%Y%m%d"), (["1704456000", "1704456060"], "epoch s"),
     (["1704456000000", "1704456060123"], "epoch ms"), (["45296", "45297.25"], "Excel days"),
     (["202401", "202402"], "%Y%m"), (["2023", "2024"], "%Y"),
     (["1704456000000000", "x"], "epoch us")],
)  # fmt: skip
def test_digits_are_dates_when_a_person_says_so(cells: list[str], form: str) -> None:
    found = find_dates(pd.Series(cells * 5), asked=True)
    assert found is not None
    assert found.form == form


def test_zones_and_far_years_are_counted() -> None:
    cells = pd.Series(["2024-01-01T10:00Z", "2024-01-01T10:00+02:00", "2024-01-01 10:00",
                       "9999-12-31", "1850-01-01"])  # fmt: skip
    found = find_dates(cells)
    assert found is not None
    assert (dict(found.zones), found.naive, found.far) == ({0: 1, 120: 1}, 1, 2)


def test_whole_numbers() -> None:
    assert number_dates(["1704456000000", "1704456000001"]) == "epoch ms"
    assert number_dates(["20241301", "20240101"]) is None


@pytest.mark.slow
def test_a_million_minutes_take_seconds() -> None:
    minutes = pd.Series(pd.date_range("2022-02-01", periods=1_000_000, freq="min"))
    cells = minutes.dt.strftime("%d/%m/%Y %H:%M")
    begin = time.monotonic()
    found = find_dates(cells)
    assert found is not None
    read = to_dates(cells, found.form)
    assert time.monotonic() - begin < 60
    assert (read.dt.tz_localize(None) == minutes).all()
