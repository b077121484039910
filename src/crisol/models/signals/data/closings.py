"""Learns when the bars of a venue open, and when it is closed, from the bars of training.

The holidays of the American stock exchanges follow rules, which pandas calculates for years to
come. The closures of other venues are the days on which none of their instruments has a bar.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd
from pandas.tseries.holiday import (
    AbstractHolidayCalendar,
    GoodFriday,
    Holiday,
    USLaborDay,
    USMartinLutherKingJr,
    USMemorialDay,
    USPresidentsDay,
    USThanksgivingDay,
    nearest_workday,
    sunday_to_monday,
)

from crisol.models.signals.bar_clock import (
    DAY_MS,
    LONG_PAUSE_MS,
    WEEKDAYS,
    BarClock,
    Calendar,
    Longs,
)
from crisol.models.signals.contract import CRYPTO_EXCHANGES

AMERICAN = frozenset({"nyse", "nasdaq", "amex", "arca", "cboe", "iex", "otc"})
YEARS_AHEAD = 10
SURE_INSTRUMENTS = 3
"""So many instruments without a bar on the same day prove that their exchange was closed."""
_WEEKDAY_SHARE = 0.2
"""Least share of the weeks in which a day of the week has bars, to be a trading day."""
_BREAK_SHARE = 0.05
"""Least share of the days, or of all pauses where they are fewer (those of a market that pauses at
weekends alone), with a pause that begins or ends at a time, for it to be a regular one."""
_CHANGE_MS = 3_600_000
"""A change of the clocks moves the time of bars by so much."""
_SURE_DAYS = 15
"""So many days with bars show on which days of the week there are none."""
_SURE_COUNT = 3
"""So many bars that open at a time of the day are no exception."""


class AmericanHolidays(AbstractHolidayCalendar):
    """Holidays of the New York Stock Exchange by rule, since 1998 (NYSE Rule 7.2).

    >>> [str(day.date()) for day in AmericanHolidays().holidays("2024-03-01", "2024-06-30")]
    ['2024-03-29', '2024-05-27', '2024-06-19']
    """

    rules = [  # noqa: RUF012 - pandas reads a list of the class
        Holiday("New Year", month=1, day=1, observance=sunday_to_monday),
        USMartinLutherKingJr,
        USPresidentsDay,
        GoodFriday,
        USMemorialDay,
        Holiday("Juneteenth", month=6, day=19, start_date="2022-06-19", observance=nearest_workday),
        Holiday("Independence Day", month=7, day=4, observance=nearest_workday),
        USLaborDay,
        USThanksgivingDay,
        Holiday("Christmas", month=12, day=25, observance=nearest_workday),
    ]


SPECIAL_CLOSURES = tuple(
    date.fromisoformat(day)
    for day in (
        "2001-09-11", "2001-09-12", "2001-09-13", "2001-09-14", "2004-06-11", "2007-01-02",
        "2012-10-29", "2012-10-30", "2018-12-05", "2025-01-09",
    )
)  # fmt: skip
"""Of the American exchanges: attacks, storms and days of mourning."""


def learn_clock(
    series: Sequence[np.ndarray],
    exchange: str,
    calendar: Calendar | None = None,
    closed_days: Sequence[date] = (),
) -> BarClock:
    """The clock of one exchange's bars of one interval.

    Args:
        series: seconds since 1970 of each instrument's bars, increasing.
        exchange: canonical name.
        calendar: ``None``: decided by the exchange and the days of the week that have bars.
        closed_days: days on which the exchange is closed, beside those of rules; with them, a day
            that merely lacks bars counts as missing.
    """
    times = [np.rint(seconds * 1000).astype(np.int64) for seconds in series]
    steps = np.concatenate([np.diff(one) for one in times])
    interval = usual_step(steps)
    chosen = calendar or _calendar_of(times, steps, interval, exchange)
    if chosen == "always":
        opens = _frequent(Counter(np.concatenate(times) % interval))
        return BarClock(interval_s=interval / 1000, calendar=chosen, opens_s=opens[:1])
    every = np.concatenate(times)
    opens = _frequent(Counter(every % DAY_MS))
    clock = BarClock(interval_s=interval / 1000, calendar=chosen, opens_s=opens)
    if chosen == "business_days":
        opening = every
    else:
        clock = clock.model_copy(update=_breaks(times, interval))
        first = np.concatenate([_after_pauses(one, interval) for one in times])
        opening = first[np.isin(first % DAY_MS, clock.openings)]
        if len(opening) == 0:  # too few days to know when they begin
            opening = every
    days = np.unique(opening // DAY_MS)
    return clock.model_copy(update=_closures(days, exchange, len(series), closed_days))


def usual_step(steps: np.ndarray) -> int:
    """The most frequent distance of two bars; of equally frequent ones the shortest."""
    lengths, counts = np.unique(steps, return_counts=True)
    return int(lengths[counts.argmax()])


def _calendar_of(times: Sequence[Longs], steps: Longs, interval: int, exchange: str) -> Calendar:
    if interval > DAY_MS or bool((steps == interval).all()):
        return "always"
    if interval == DAY_MS and bool((np.abs(steps - DAY_MS) <= _CHANGE_MS).all()):
        return "business_days"  # of all seven days, at midnight of a zone with summer time
    days = np.unique(np.concatenate(times) // DAY_MS)
    short = len(days) < _SURE_DAYS
    if exchange in CRYPTO_EXCHANGES and (short or len(_weekdays(days)) == len(WEEKDAYS)):
        return "always"
    return "business_days" if interval == DAY_MS else "sessions"


def _frequent(counts: Mapping[int, int]) -> tuple[float, ...]:
    """The times that are not mere exceptions, in seconds, the most frequent first."""
    ordered = sorted(counts, key=lambda at: (-counts[at], at))
    return tuple(int(at) / 1000 for at in ordered if counts[at] >= _SURE_COUNT or at == ordered[0])


def _breaks(times: Sequence[Longs], interval: int) -> dict[str, object]:
    """The regular pauses within and between days.

    A change of the clocks makes a long pause rare, and never a short one.
    """
    pauses: Counter[tuple[int, int, bool]] = Counter()
    days = len(np.unique(np.concatenate(times) // DAY_MS))
    for one in times:
        steps = np.diff(one)
        for i in np.flatnonzero(steps != interval):
            before, after = int(one[i] % DAY_MS), int(one[i + 1] % DAY_MS)
            lag = (after - before) % DAY_MS or DAY_MS
            pauses[before, after, int(steps[i]) > lag] += 1
    least = max(2, _BREAK_SHARE * min(days, pauses.total()))
    ends, starts = _sums(pauses, 0, least), _sums(pauses, 1, least)
    found = [
        (before / 1000, after / 1000, skips)
        for (before, after, skips), count in sorted(pauses.items())
        if after in starts
        and (before in ends or count >= SURE_INSTRUMENTS)
        and (skips or (after - before) % DAY_MS >= LONG_PAUSE_MS or count >= least)
    ]
    return {
        "breaks_s": tuple((a, b) for a, b, skips in found if not skips),
        "long_breaks_s": tuple((a, b) for a, b, skips in found if skips),
    }


def _after_pauses(times: Longs, interval: int) -> Longs:
    """The bars that do not follow another one at once."""
    after: Longs = times[np.concatenate([[True], np.diff(times) != interval])]
    return after


def _sums(pauses: Counter[tuple[int, int, bool]], place: int, least: float) -> set[int]:
    """The times at which pauses begin (place 0) or end (1) on enough days."""
    counts: Counter[int] = Counter()
    for pause, count in pauses.items():
        counts[int(pause[place])] += count
    return {at for at, count in counts.items() if count >= least}


def _weekdays(days: Longs) -> tuple[int, ...]:
    """The days of the week on which there are bars in enough weeks."""
    weeks = max(1.0, (days[-1] - days[0] + 1) / 7)
    counts = np.bincount((days + 3) % 7, minlength=7)
    return tuple(int(day) for day in np.flatnonzero(counts >= max(1.0, _WEEKDAY_SHARE * weeks)))


def _closures(
    days: Longs, exchange: str, instruments: int, stated: Sequence[date]
) -> dict[str, object]:
    weekdays = _weekdays(days)
    first, last = (date(1970, 1, 1) + timedelta(days=int(day)) for day in (days[0], days[-1]))
    until = max([last, *stated])
    closed = set(stated)
    if exchange in AMERICAN:
        until = max(until, last + timedelta(days=366 * YEARS_AHEAD))
        closed |= {day.date() for day in AmericanHolidays().holidays(first, until)}
        closed |= set(SPECIAL_CLOSURES)
    if instruments >= SURE_INSTRUMENTS or not (stated or exchange in AMERICAN):
        closed |= set(days_without_bars(days, weekdays))
    there = {date(1970, 1, 1) + timedelta(days=int(day)) for day in days}
    return {
        "weekdays": weekdays,
        "closed_days": tuple(
            sorted(
                day for day in closed - there if first <= day <= until and day.weekday() in weekdays
            )
        ),
        "known_from": first,
        "known_until": until,
    }


def days_without_bars(days: Longs, weekdays: Sequence[int]) -> list[date]:
    """Trading days of the week between the first and the last of ``days`` that are not in it."""
    every = np.arange(days[0], days[-1] + 1)
    absent = np.setdiff1d(every[np.isin((every + 3) % 7, weekdays)], days)
    return [date(1970, 1, 1) + timedelta(days=int(day)) for day in absent]


def frame_seconds(times: "pd.Series[pd.Timestamp]") -> np.ndarray:
    """UTC timestamps to seconds since 1970."""
    return np.asarray(times.dt.as_unit("ns").astype("int64").to_numpy() / 1e9)
