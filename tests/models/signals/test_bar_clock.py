"""When bars open: learned from training, and checked in requests of every kind of venue."""

from datetime import date
from functools import partial

import numpy as np
import pandas as pd
import pytest

from crisol.models.signals.bar_clock import BarClock, Findings
from crisol.models.signals.data.closings import AmericanHolidays, learn_clock


def seconds(times: pd.DatetimeIndex) -> np.ndarray:
    return times.tz_convert("UTC").as_unit("ns").astype("int64").to_numpy() / 1e9


def around_the_clock(step: str, start: str = "2024-01-01", count: int = 60, **shift) -> np.ndarray:
    times = pd.date_range(start, periods=count, freq=step, tz="UTC")
    return seconds(times + pd.Timedelta(**shift) if shift else times)


def days(
    start: str, end: str, closed: tuple[str, ...] = (), hour: int = 0, *, american: bool = True
) -> np.ndarray:
    """Business days, without American holidays."""
    kept = pd.bdate_range(start, end).difference(pd.DatetimeIndex(closed))
    if american:
        kept = kept.difference(AmericanHolidays().holidays(start, end))
    return seconds(kept.tz_localize("UTC") + pd.Timedelta(hours=hour))


german = partial(days, american=False)


def sessions(
    start: str, end: str, *, zone: str = "America/New_York", step: str = "30min",
    hours: tuple[tuple[str, str], ...] = (("09:30", "15:30"),), without: tuple[str, ...] = (),
) -> np.ndarray:  # fmt: skip
    """Bars within the hours of each business day, in the venue's own time."""
    open_days = pd.bdate_range(start, end)
    if zone == "America/New_York":
        open_days = open_days.difference(AmericanHolidays().holidays(start, end))
    parts = [
        pd.date_range(f"{day:%Y-%m-%d} {first}", f"{day:%Y-%m-%d} {last}", freq=step, tz=zone)
        for day in open_days
        for first, last in hours
    ]
    times = parts[0].append(parts[1:])
    away = times.strftime("%Y-%m-%d %H:%M").isin(without) | times.strftime("%Y-%m-%d").isin(without)
    return seconds(times[~away])


HONG_KONG = {"zone": "Asia/Hong_Kong", "hours": (("09:30", "11:30"), ("13:00", "15:30"))}
CLOCKS = {
    "1 h": learn_clock([around_the_clock("h", "2023-01-01", 3000)], "binance"),
    "15 min": learn_clock([around_the_clock("15min", "2023-01-01", 3000)], "kraken"),
    "1 day": learn_clock([around_the_clock("D", "2022-01-01", 700)], "okx"),
    "stock": learn_clock([days("2021-01-04", "2023-12-29")], "nyse"),
    "german": learn_clock([german("2021-01-04", "2023-12-29")], "xetra"),
    "ny": learn_clock([sessions("2022-06-01", "2023-12-29")], "nasdaq"),
    "hk": learn_clock([sessions("2023-01-02", "2023-12-29", **HONG_KONG)], "hkex"),
    "futures": learn_clock(
        [
            seconds(pd.DatetimeIndex([
                t for t in pd.date_range("2023-01-01 23:00", "2023-03-10", freq="h", tz="UTC")
                if t.hour != 22 and not (t.day_of_week == 5 or (t.day_of_week == 4 and t.hour > 21)
                                         or (t.day_of_week == 6 and t.hour < 23))
            ]))
        ],
        "binance",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "calendar", "interval_s"),
    [("1 h", "always", 3600), ("15 min", "always", 900), ("1 day", "always", 86_400),
     ("stock", "business_days", 86_400), ("german", "business_days", 86_400),
     ("ny", "sessions", 1800), ("hk", "sessions", 1800), ("futures", "sessions", 3600)],
)  # fmt: skip
def test_interval_and_calendar_are_learned(name, calendar, interval_s):
    assert (CLOCKS[name].calendar, CLOCKS[name].interval_s) == (calendar, interval_s)
    again = BarClock.model_validate_json(CLOCKS[name].model_dump_json())
    assert again == CLOCKS[name]


GOOD = {
    "hours": ("1 h", around_the_clock("h", "2026-03-28")),
    "quarters": ("15 min", around_the_clock("15min", "2026-03-28 00:45")),
    "days": ("1 day", around_the_clock("D", "2026-03-28")),
    "stock days over Independence Day": ("stock", days("2024-06-03", "2024-08-23")),
    "stock days over New Year, years later": ("stock", days("2029-11-01", "2030-01-31")),
    "stock days that trained": ("stock", days("2022-06-01", "2022-08-24")),
    "German days that trained": ("german", german("2022-06-01", "2022-08-24")),
    "sessions over a weekend": ("ny", sessions("2024-05-02", "2024-05-08")[:60]),
    "sessions over a holiday": ("ny", sessions("2024-05-23", "2024-05-31")[5:65]),
    "sessions over a change of the clocks": ("ny", sessions("2024-03-06", "2024-03-13")[5:65]),
    "sessions with a lunch break": ("hk", sessions("2023-05-04", "2023-05-12", **HONG_KONG)[:60]),
}


@pytest.mark.parametrize("name", GOOD)
def test_bars_of_the_same_clock_pass(name):
    clock, times = GOOD[name]
    assert CLOCKS[clock].inspect(times) == Findings()


def without(times: np.ndarray, *gone: int) -> np.ndarray:
    return np.delete(times, gone)


MONDAY_TO_WEDNESDAY = sessions("2024-05-06", "2024-05-15")[:60]
BAD = {
    "a missing hour": ("1 h", without(around_the_clock("h"), 34), 34, "hole", "so 1 is missing"),
    "the last three": ("1 h", without(around_the_clock("h"), 56, 57, 58), 56, "hole", "3 are"),
    "the first": ("15 min", without(around_the_clock("15min"), 1), 1, "hole", "15 min apart"),
    "a missing day": ("1 day", without(around_the_clock("D"), 9), 9, "hole", "2 days after"),
    "one a minute early": (
        "1 h", np.sort(np.append(without(around_the_clock("h"), 5), 5 * 3600 - 60 + 1704067200.0)),
        5, "hole", "59 min after",
    ),
    "every second hour": ("1 h", around_the_clock("2h"), 1, "interval", "2 h after"),
    "days for hours": ("1 h", around_the_clock("D"), 1, "interval", "bars are 1 h apart"),
    "minutes for quarters": ("15 min", around_the_clock("min"), 1, "interval", "1 min after"),
    "half past": ("1 h", around_the_clock("h", minutes=30), 0, "clock", "opens at 00:30:00"),
    "closing times": ("1 h", around_the_clock("h", seconds=3599), 0, "clock", "00:59:59"),
    "Indian days": ("1 day", around_the_clock("D", hours=-5.5), 0, "clock", "18:30:00"),
    "a missing Wednesday": (
        "stock", days("2024-05-01", "2024-07-31", ("2024-05-15",)), 10, "hole",
        "Wednesday 2024-05-15 is missing",
    ),
    "two missing Fridays": (
        "stock", days("2024-05-01", "2024-07-31", ("2024-05-10", "2024-05-17")), 7, "hole",
        "Friday 2024-05-10 is missing",
    ),
    "a day that trained": (
        "german", german("2022-05-02", "2022-07-29", ("2022-05-11",)), 7, "hole", "2022-05-11 is",
    ),
    "a month": (
        "german",
        np.append(german("2026-01-05", "2026-03-02"), german("2026-04-01", "2026-04-30")),
        41, "hole", "is missing",
    ),
    "weekends too": ("stock", around_the_clock("D", "2024-05-01"), 3, "clock", "is on a Saturday"),
    "weeks for days": (
        "stock", around_the_clock("7D", "2024-01-03"), 1, "interval", "7 days after",
    ),
    "hours for days": ("stock", around_the_clock("h"), 1, "interval", "1 h after"),
    "midnight in New York": (
        "stock", days("2024-05-01", "2024-07-31", hour=4), 0, "clock", "opens at 04:00:00",
    ),
    "a missing bar of a session": ("ny", without(MONDAY_TO_WEDNESDAY, 20), 20, "hole", "1 h after"),
    "a missing session": (
        "ny", sessions("2024-05-06", "2024-05-15", without=("2024-05-08",))[:60], 26, "hole",
        "Wednesday 2024-05-08 is missing",
    ),
    "a missing opening": ("ny", without(MONDAY_TO_WEDNESDAY, 26), 26, "hole", "1110 min after"),
    "around the clock": (
        "ny", around_the_clock("30min", "2024-05-06"), 0, "clock", "opens at 00:00",
    ),
    "local time as UTC": (
        "ny", MONDAY_TO_WEDNESDAY - 4 * 3600, 0, "clock", "opens at 09:30:00 UTC",
    ),
    "a missing afternoon": (
        "hk", without(sessions("2023-05-04", "2023-05-12", **HONG_KONG)[:60], 2), 2, "hole", "",
    ),
    "a missing session of futures": (
        "futures", np.append(around_the_clock("h", "2023-01-30 23:00", 23),
                             around_the_clock("h", "2023-02-01 23:00", 23)),
        23, "hole", "2023-01-31 is missing",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bars_of_another_clock_are_found(name):
    clock, times, bar, kind, message = BAD[name]
    found = CLOCKS[clock].inspect(times).wrong
    assert found
    assert (found[0].bar, found[0].kind) == (bar, kind), found[:3]
    assert message in found[0].message, found[0].message


UNSURE = {
    "Easter Monday after training": (
        "german", german("2026-03-02", "2026-05-29", ("2026-04-06",)), "2026-04-06 is unknown",
    ),
    "Labour Day after training": (
        "german", german("2026-03-02", "2026-05-29", ("2026-05-01",)), "2026-05-01 is unknown",
    ),
    "a session after training": (
        "hk", sessions("2024-05-13", "2024-05-24", without=("2024-05-15",), **HONG_KONG)[:60],
        "2024-05-15 is unknown",
    ),
    "an early close": (
        "ny", sessions("2024-07-01", "2024-07-10", without=tuple(
            f"2024-07-03 {hour}:{minute}" for hour in (13, 14, 15) for minute in ("00", "30")
        ))[:60],
        "its venue closed early, or bars are missing",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNSURE)
def test_closures_that_nobody_knows_are_told(name):
    clock, times, message = UNSURE[name]
    found = CLOCKS[clock].inspect(times)
    assert found.wrong == ()
    assert [message in one.message for one in found.unsure] == [True], found.unsure


def test_stated_closures_are_followed():
    known = (date(2026, 4, 3), date(2026, 4, 6), date(2026, 5, 1))
    clock = learn_clock([german("2021-01-04", "2023-12-29")], "xetra", "business_days", known)
    closed = tuple(day.isoformat() for day in known)
    assert clock.inspect(german("2026-03-02", "2026-05-29", closed)) == Findings()
    missing = clock.inspect(german("2026-03-02", "2026-04-30", (*closed, "2026-04-15"))).wrong
    assert "Wednesday 2026-04-15 is missing" in missing[0].message


def test_many_instruments_prove_that_their_exchange_was_closed():
    storm = ("2022-10-26", "2022-10-27")
    series = days("2022-01-03", "2022-12-30", storm)
    clock = learn_clock([series] * 3, "nyse")
    assert clock.inspect(series) == Findings()
    alone = learn_clock([series], "nyse").inspect(series).wrong
    assert "2022-10-26 is missing" in alone[0].message


@pytest.mark.parametrize("calendar", ["always", "business_days"])
def test_a_stated_calendar_is_followed(calendar):
    weekdays = days("2023-01-02", "2023-03-31")
    clock = learn_clock([weekdays], "okx", calendar)
    assert clock.calendar == calendar
    assert (clock.inspect(weekdays).wrong == ()) is (calendar == "business_days")


@pytest.mark.parametrize("name", ["stock", "german"])
@pytest.mark.parametrize("start", ["2022-11-01", "2023-12-01", "2028-01-03"])
def test_the_quick_check_of_business_days_finds_what_the_other_finds(name, start):
    """The one looks each day up in a table, the other counts the days between two bars."""
    times = (days if name == "stock" else german)(start, pd.Timestamp(start) + pd.Timedelta("90D"))
    for gone in range(1, 20):
        some = np.delete(times, gone)
        assert CLOCKS[name].inspect(some) != Findings()
        assert not CLOCKS[name]._follow_in_table(np.rint(some * 1000).astype(np.int64))
    slow = list(CLOCKS[name]._business_days(np.rint(times * 1000).astype(np.int64)))
    assert (CLOCKS[name].inspect(times) == Findings()) is (slow == [])
