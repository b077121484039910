"""The clock of a model's bars: how far apart they open, and when their venue is closed.

Training and requests are checked by the same function, :meth:`BarClock.inspect`. The module needs
NumPy alone, since a bundle carries no pandas. Legend: N bars, oldest first.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, Strict

from crisol.core.params import TEN_YEARS_S, Params

Calendar = Literal["always", "business_days", "sessions"]
"""``always``: a bar every interval. ``business_days``: a bar each day but weekends and holidays.
``sessions``: bars within a day, with a pause each night."""
Days = Annotated[tuple[Annotated[date, Strict(False)], ...], Strict(False)]
Time = Annotated[float, Field(ge=0, le=TEN_YEARS_S)]
Weekday = Annotated[int, Field(ge=0, le=6)]
Breaks = Annotated[tuple[Annotated[tuple[Time, Time], Strict(False)], ...], Strict(False)]

DAY_MS = 86_400_000
MAX_CLOSED_DAYS = 10
"""Longest closure of a venue, in days; a longer pause is a hole."""
LONG_PAUSE_MS = DAY_MS // 4
"""Shortest pause that may be an early close of the venue, and not missing bars."""
REQUEST_BARS = 60
RARE_DAYS, RARE_SESSIONS = 2, 1
"""Most bars on a closed weekday, in so many in a row, that are a venue's special sessions: daily
bars, and first bars of sessions. Training is held to what a request is."""
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LEAST_SHARE = 0.25
"""Least share of bars that are one interval after the one before."""
_DAYS_AHEAD = 3660
_THURSDAY = 3  # 1970-01-01

Kind = Literal["hole", "interval", "clock"]
Longs = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the time of one bar.

    Attributes:
        bar: its position.
        kind: ``hole`` (bars are missing before it), ``interval`` (all bars are further apart or
            closer together), ``clock`` (it opens at another time of the hour or day).
        message: completes "the bar ...".
    """

    bar: int
    kind: Kind
    message: str


@dataclass(frozen=True, slots=True)
class Findings:
    """The result of a check: ``wrong`` is refused, ``unsure`` is accepted and told."""

    wrong: tuple[Finding, ...] = ()
    unsure: tuple[Finding, ...] = ()


NOTHING = Findings()


class BarClock(Params):
    """When bars of one exchange open.

    >>> hourly = BarClock(interval_s=3600.0, calendar="always", opens_s=(0.0,))
    >>> hourly.inspect(np.arange(60) * 3600.0) == NOTHING
    True
    >>> hourly.inspect(np.array([0, 1, 2, 5]) * 3600.0).wrong[0].message
    'opens 3 h after the one before it; bars are 1 h apart, so 2 are missing'
    """

    interval_s: float = Field(gt=0, le=TEN_YEARS_S)
    calendar: Calendar
    opens_s: Annotated[tuple[Time, ...], Strict(False)] = Field(min_length=1)
    """When bars open: seconds after a multiple of the interval (``always``) or after midnight UTC
    (the others)."""
    weekdays: Annotated[tuple[Weekday, ...], Strict(False)] = (0, 1, 2, 3, 4, 5, 6)
    """Days of the week on which the venue opens, Monday is 0."""
    closed_days: Days = ()
    """Other days without bars."""
    known_from: Annotated[date, Strict(False)] | None = None
    known_until: Annotated[date, Strict(False)] | None = None
    """The span in which ``closed_days`` are all there are; ``None``: nothing is known."""
    breaks_s: Breaks = ()
    """Of ``sessions``: when the last bar before a pause opened and the first after it."""
    long_breaks_s: Breaks = ()
    """The same of pauses that skip a day."""

    def inspect(self, seconds_N: np.ndarray) -> Findings:
        """Check when bars opened, seconds since 1970 (UTC), strictly increasing."""
        times = np.rint(seconds_N * 1000).astype(np.int64)
        steps = times[1:] - times[:-1]
        if self.calendar == "always":
            if bool((steps == self._interval).all()) and int(times[0]) % self._interval in self._at:
                return NOTHING
            return _split(self._always(times, steps))
        if self.calendar == "business_days":
            if self._follow_in_table(times):
                return NOTHING
            return _split(self._business_days(times))
        return _split(self._sessions(times, steps))

    def expected(self, after_s: float, before_s: float) -> list[float]:
        """When bars are expected between two others, seconds since 1970; none in a pause."""
        if self.calendar == "business_days":
            days = np.arange(int(after_s * 1000) // DAY_MS + 1, int(before_s * 1000) // DAY_MS)
            there = np.is_busday(_as_days(days), busdaycal=self._open_days)
            return [day * 86_400 + after_s % 86_400 for day in days[there].tolist()]
        span = round((before_s - after_s) * 1000)
        if span % self._interval or (self.calendar == "sessions" and span >= LONG_PAUSE_MS):
            return []
        return [after_s + n * self.interval_s for n in range(1, span // self._interval)]

    @cached_property
    def openings(self) -> list[int]:
        """When the first bar after a long pause opens, milliseconds after midnight UTC."""
        found = {b for a, b in self._breaks if (b - a) % DAY_MS >= LONG_PAUSE_MS}
        return sorted(found | {b for _, b in self._long_breaks})

    # -- the calendars ---------------------------------------------------------------------------

    def _always(self, times: Longs, steps: Longs) -> "_Found":
        wrong = self._wrong_interval(steps, steps == self._interval)
        if wrong is not None:
            yield True, wrong
            return
        for i in _where(steps != self._interval):
            yield True, self._hole(i + 1, int(steps[i]))
        yield from self._wrong_openings(times % self._interval, times)

    def _follow_in_table(self, times: Longs) -> bool:
        """Whether each bar is on the business day after the last, at one known time of the day.

        It only finds what :meth:`_business_days` would, in a tenth of the time.
        """
        first, numbers = self._table
        days = times // DAY_MS
        if days[0] < first or days[-1] >= first + len(numbers):
            return False
        number = numbers[days - first]
        at = times - days * DAY_MS
        return (
            bool((number[1:] - number[:-1] == 1).all())
            and number[0] >= 0
            and bool((at == at[0]).all())
            and int(at[0]) in self._at
        )

    def _business_days(self, times: Longs) -> "_Found":
        days = times // DAY_MS
        apart = days[1:] - days[:-1]
        wrong = self._wrong_interval(times[1:] - times[:-1], apart == 1)
        if wrong is not None:
            yield True, wrong
            return
        for i in _where(apart == 0):
            yield True, Finding(i + 1, "hole", "is the second bar of its day; there is one a day")
        yield from self._skipped_days(days, np.maximum(apart - 1, 0))
        yield from self._off_days(days)
        yield from self._wrong_openings(times % DAY_MS, times)

    def _sessions(self, times: Longs, steps: Longs) -> "_Found":
        wrong = self._wrong_interval(steps, steps == self._interval)
        if wrong is not None:
            yield True, wrong
            return
        days, at = times // DAY_MS, times % DAY_MS
        paused = _where(steps != self._interval)
        skipped = np.zeros(len(steps), np.int64)
        for i in paused:
            before, after = int(at[i]), int(at[i + 1])
            lag = (after - before) % DAY_MS or DAY_MS
            skipped[i] = max(int(steps[i]) - lag, 0) // DAY_MS
            if self._is_break(before, after, lag, skips=bool(skipped[i])):
                continue
            if lag >= LONG_PAUSE_MS and after in self.openings:
                said = (
                    f"follows one that opened at {_clock(before)} UTC: its venue closed early, or "
                )
                yield False, Finding(i + 1, "hole", said + "bars are missing")
            else:
                yield True, self._hole(i + 1, int(steps[i]))
        yield from self._skipped_days(days, skipped)
        yield from self._off_days(days, np.array(paused, np.int64) + 1)
        yield from self._wrong_openings(at, times)

    def _is_break(self, before: int, after: int, lag: int, *, skips: bool) -> bool:
        """Whether the venue pauses between these times of the day."""
        pair = (before, after)
        if not skips:
            return pair in self._breaks
        return pair in self._long_breaks or (pair in self._breaks and lag >= LONG_PAUSE_MS)

    def _wrong_interval(self, steps: Longs, right: NDArray[np.bool_]) -> Finding | None:
        """Bars that are hardly ever as far apart as they should be."""
        if len(steps) == 0 or right.mean() >= _LEAST_SHARE:
            return None
        lengths, counts = np.unique(steps, return_counts=True)
        found = spell(int(lengths[counts.argmax()]))
        said = f"opens {found} after the one before it, as most do; bars are "
        return Finding(1, "interval", f"{said}{spell(self._interval)} apart")

    def _skipped_days(self, days: Longs, skipped: Longs) -> "_Found":
        """Pauses over days on which the venue is open, as far as that is known."""
        first, last = _as_days(days[1:] - skipped), _as_days(days[1:])
        if not skipped.any():
            return
        open_days = np.busday_count(first, last, busdaycal=self._open_days)
        for i in _where(open_days > 0):
            there = np.arange(first[i], last[i])
            missing = there[np.is_busday(there, busdaycal=self._open_days)].tolist()
            known = [day for day in missing if self._knows(day)]
            pause = f"comes {spell(int(days[i + 1] - days[i]) * DAY_MS)} after the one before it; "
            if known or len(there) > MAX_CLOSED_DAYS:
                day = _named((known or missing)[0])
                yield True, Finding(i + 1, "hole", f"{pause}{day} is missing")
            else:
                said = f"{pause}whether its venue was closed on {_named(missing[0])} is unknown"
                yield False, Finding(i + 1, "hole", said)

    def _off_days(self, days: Longs, bars: Longs | None = None) -> "_Found":
        """Bars (by default all) on days of the week on which the venue does not open."""
        chosen = np.arange(len(days)) if bars is None else bars
        if len(chosen) == 0:
            return
        off = ~np.is_busday(_as_days(days[chosen]), busdaycal=self._weekly)
        found = chosen[off]
        most = RARE_DAYS if bars is None else RARE_SESSIONS
        rare = bool((found[most:] - found[:-most] >= REQUEST_BARS).all())
        for i in found.tolist():
            weekday = WEEKDAYS[(int(days[i]) + _THURSDAY) % 7]
            yield not rare, Finding(i, "clock", f"is on a {weekday}, a day without bars")

    def _wrong_openings(self, at: Longs, times: Longs) -> "_Found":
        """Bars that open at another minute of the hour, or hour of the day."""
        place = np.minimum(np.searchsorted(self._at_array, at), len(self._at_array) - 1)
        strange = self._at_array[place] != at
        for i in _where(strange)[:1]:
            known = ", ".join(_clock(ms) for ms in sorted(self._at)[:6])
            more = ", ..." if len(self._at) > 6 else ""
            where = "UTC" if self.calendar != "always" else f"after each {spell(self._interval)}"
            moment = datetime.fromtimestamp(times[i] / 1000, UTC).strftime("%H:%M:%S")
            said = f"opens at {moment} UTC; bars open at {known}{more} {where}"
            yield True, Finding(i, "clock", said)

    def _hole(self, bar: int, step: int) -> Finding:
        said = (
            f"opens {spell(step)} after the one before it; bars are {spell(self._interval)} apart"
        )
        missing = step // self._interval - 1
        if missing > 0 and step % self._interval == 0 and self.calendar == "always":
            said += f", so {missing} {'is' if missing == 1 else 'are'} missing"
        return Finding(bar, "hole", said)

    def _knows(self, day: date) -> bool:
        start, end = self.known_from, self.known_until
        return start is not None and end is not None and start <= day <= end

    # -- the same values in the form that NumPy reads ---------------------------------------------

    @cached_property
    def _interval(self) -> int:
        return round(self.interval_s * 1000)

    @cached_property
    def _at(self) -> frozenset[int]:
        return frozenset(round(at * 1000) for at in self.opens_s)

    @cached_property
    def _at_array(self) -> Longs:
        return np.array(sorted(self._at), np.int64)

    @cached_property
    def _weekmask(self) -> list[bool]:
        return [day in self.weekdays for day in range(7)]

    @cached_property
    def _weekly(self) -> np.busdaycalendar:
        return np.busdaycalendar(weekmask=self._weekmask)

    @cached_property
    def _table(self) -> tuple[int, Longs]:
        """A day since 1970, and the number of each business day from it on; -9 of the others."""
        if self.known_from is None or self.known_until is None:
            return 0, np.zeros(0, np.int64)
        start = np.datetime64(self.known_from, "D")
        end = np.datetime64(self.known_until, "D") + _DAYS_AHEAD
        is_open = np.is_busday(np.arange(start, end), busdaycal=self._open_days)
        numbers = np.where(is_open, np.cumsum(is_open), -9)
        return int(start.astype(np.int64)), numbers

    @cached_property
    def _open_days(self) -> np.busdaycalendar:
        closed = np.array([day.isoformat() for day in self.closed_days], "M8[D]")
        return np.busdaycalendar(weekmask=self._weekmask, holidays=closed)

    @cached_property
    def _breaks(self) -> frozenset[tuple[int, int]]:
        return frozenset((round(a * 1000), round(b * 1000)) for a, b in self.breaks_s)

    @cached_property
    def _long_breaks(self) -> frozenset[tuple[int, int]]:
        return frozenset((round(a * 1000), round(b * 1000)) for a, b in self.long_breaks_s)


_Found = Iterator[tuple[bool, Finding]]
"""Each finding, and whether it is wrong for sure."""


def spell(milliseconds: int) -> str:
    """A length of time as a person says it.

    >>> spell(3_600_000), spell(5_400_000), spell(90_000), spell(3 * DAY_MS), spell(DAY_MS)
    ('1 h', '90 min', '90 s', '3 days', '1 day')
    """
    if milliseconds % DAY_MS == 0:
        days = milliseconds // DAY_MS
        return f"{days} day" + ("s" if days != 1 else "")
    for unit, size in (("h", 3_600_000), ("min", 60_000)):
        if milliseconds % size == 0:
            return f"{milliseconds // size} {unit}"
    return f"{milliseconds / 1000:g} s"


def _split(found: _Found) -> Findings:
    every = list(found)
    if not every:
        return NOTHING
    wrong = sorted((one for sure, one in every if sure), key=lambda one: one.bar)
    return Findings(tuple(wrong), tuple(one for sure, one in every if not sure))


def _where(chosen: np.ndarray) -> list[int]:
    return [int(i) for i in np.flatnonzero(chosen)]


def _as_days(days: Longs) -> NDArray[np.datetime64]:
    return days.astype("M8[D]")


def _named(day: date) -> str:
    return f"{WEEKDAYS[day.weekday()]} {day.isoformat()}"


def _clock(milliseconds: int) -> str:
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds):%H:%M:%S}"
