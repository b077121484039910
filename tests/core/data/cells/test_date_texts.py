"""One cell's text as a day and a time of day."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisol.core.data.cells.date_names import MONTHS, WEEKDAYS
from crisol.core.data.cells.date_texts import days, known_form, parted, time_of
from crisol.core.data.cells.dates import microseconds

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOON = "2024-01-05T12:00:00"


def _read(cell: str, form: str | None = None) -> str | None:
    found = microseconds(cell, form)
    if found is None:
        return None
    return datetime.fromtimestamp(found / 1e6, UTC).isoformat().removesuffix("+00:00")


@pytest.mark.parametrize(
    "cell",
    [
        "2024-01-05 12:00:00 UTC", "2024-01-05 12:00:00+00", "2024-01-05T12:00:00+0000",
        "2024-01-05T12:00Z", "2024-01-05T12:00:00.000000000", "2024-01-05T12:00:00,0",
        "2024-1-5 12:00", "2024-01-05 12:00:00 GMT", "2024-01-05 13:00+01:00",
        "2024-01-05T07:00:00-0500", "2024-01-05 13:00 CET", "2024-01-05 07:00:00 EST",
        "2024-01-05T13:00:00+01:00[Europe/Berlin]", "2024-01-05 12:00 PM", " 2024-01-05 12:00 ",
    ],
)  # fmt: skip
def test_iso_dates_are_read_with_any_time_and_zone(cell: str) -> None:
    assert _read(cell) == NOON


@pytest.mark.parametrize(
    ("cell", "form"),
    [
        ("1/5/24 12:00", "%m/%d/%y"), ("5.1.2024 12:00", "%d.%m.%Y"),
        ("05-01-2024 12:00", "%d-%m-%Y"),
        ("Fri, 05 Jan 2024 12:00:00 GMT", "%d %b %Y"), ("Fri Jan  5 12:00:00 2024", "%b %d, %Y"),
        ("Fri Jan 05 2024 13:00:00 GMT+0100 (CET)", "%b %d, %Y"), ("20240105T120000", "%Y%m%d"),
        ("05/Jan/2024:12:00:00 +0000", "%d %b %Y"), ("January 5th, 2024 12:00 pm", "%b %d, %Y"),
        ("05-JAN-24 12.00.00.000000 PM", "%d %b %y"), ("Fr., 05.01.2024 12:00 Uhr", "%d.%m.%Y"),
        ("2024年1月5日 12:00", "ISO 8601"), ("2024-01-05T12", "ISO 8601"),
        ("5.1.2024 12.00", "%d.%m.%Y"),
        ("5. JÄNNER 2024 12:00", "%d %b %Y"), ("vendredi 5 janvier 2024 12:00", "%d %b %Y"),
        ("5 de enero de 2024 12:00", "%d %b %Y"), ("5 gen 2024 12:00", "%d %b %Y"),
        ("1704456000", "epoch s"), ("1704456000000", "epoch ms"), ("45296.5", "Excel days"),
        ("2024-05-01 12:00:00", "%Y-%d-%m %H:%M:%S"), ("5|1|2024 12", "%d|%m|%Y %H"),
    ],
)  # fmt: skip
def test_other_forms_are_read_by_their_name(cell: str, form: str) -> None:
    assert _read(cell, form) == NOON


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("2024-01", "2024-01-01"), ("2024-W05", "2024-01-29"), ("2024Q2", "2024-04-01"),
        ("Q2 2024", "2024-04-01"), ("Mar 2024", "2024-03-01"), ("Jan-24", "2024-01-01"),
        ("3/2024", "2024-03-01"), ("2024. 3. 1.", "2024-03-01"),
        ("mar. 2 janv. 2024", "2024-01-02"),
    ],
)  # fmt: skip
def test_months_weeks_and_quarters_are_their_first_day(cell: str, day: str) -> None:
    (form,) = days(cell)
    assert _read(cell, form) == f"{day}T00:00:00"


@pytest.mark.parametrize(
    "cell",
    ["0000-00-00", "2024-02-30", "10:30", "unknown", "5 Jan", "Jan 24", "2024", "1.5", "may", "",
     "2024-01-05 25:00", "1 day 02:00:00", "192.168.0.1", "13/13/2024", "12-34", "2024-01-05x"],
)  # fmt: skip
def test_what_is_no_date_is_none(cell: str) -> None:
    assert microseconds(cell, "ISO 8601 | %d/%m/%Y | %d %b %Y") is None


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001
def test_iso_dates_are_read_to_the_microsecond(moment: datetime) -> None:
    past = moment - EPOCH
    exact = (past.days * 86_400 + past.seconds) * 10**6 + past.microseconds
    assert microseconds(moment.isoformat(), None) == exact
    assert microseconds(moment.strftime("%d.%m.") + f"{moment.year:04} {moment.time()}",
                        "%d.%m.%Y") == exact  # fmt: skip


@pytest.mark.parametrize("cell", ["05/06/2024", "5-6-24", "05.06.2024 10:00"])
def test_a_day_in_two_orders_has_two_readings(cell: str) -> None:
    readings = days(parted(cell)[0])
    assert len(set(readings.values())) >= 2


@pytest.mark.parametrize(
    ("text", "hour"), [("12:05 am", 0), ("12:05 PM", 12), ("7:05 p.m.", 19), ("24:00", 24)]
)
def test_hours_have_halves_of_a_day(text: str, hour: int) -> None:
    found = time_of(text)
    assert found is not None
    assert found[0] // 3_600_000_000 == hour


def test_names_are_those_of_the_unicode_cldr() -> None:
    dates = pytest.importorskip("babel.dates")
    for language in ("en", "de", "fr", "es", "pt", "it"):
        for width in ("wide", "abbreviated"):
            for where in ("format", "stand-alone"):
                months = dates.get_month_names(width, where, language)
                assert {m: MONTHS[name.lower().rstrip(".")] for m, name in months.items()} == {
                    m: m for m in range(1, 13)
                }
                weekdays = dates.get_day_names(width, where, language).values()
                names = {name.lower().rstrip(".") for name in weekdays} - {"mar"}
                assert names <= WEEKDAYS


def test_a_form_has_a_year() -> None:
    assert known_form("%d.%m.%y | ISO 8601")
    assert not known_form("%d.%m.")
    assert not known_form("yyyy-mm-dd")
