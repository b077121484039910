"""The clocks of the bars in a table: learned, checked, and filled where bars are missing."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crisol.core.data.raw_tables import RawTableValidator
from crisol.models.signals.bar_clock import BarClock, Finding, spell
from crisol.models.signals.data.closings import AMERICAN, frame_seconds, learn_clock, usual_step
from crisol.models.signals.data.errors import BarsError
from crisol.models.signals.params import DataParams, StudyParams

_MONTH_S = 27 * 86_400
_FEW = 5
_MANY = 20
"""Bars in a row at another distance than the usual one that are bars of another interval."""
"""Findings of one kind that are told one by one."""
_FIX = {
    "hole": (
        "add the missing bars, let signals.data.holes=fill add bars without volume, or state when "
        "{exchange} is closed with signals.data.calendars.{exchange} or signals.data.closed_days"
    ),
    "interval": "give bars of one interval",
    "clock": "give its time in UTC when the bar opened, or leave the bar out",
}


@dataclass(frozen=True)
class Series:
    """The bars of one instrument, the interval at which most follow, and their clock."""

    symbol: str
    exchange: str
    bars: pd.DataFrame
    seconds: np.ndarray
    clock: BarClock


def series_of(bars: pd.DataFrame, params: DataParams) -> Iterator[Series]:
    """Every instrument of at least three bars with the clock of its exchange and interval."""
    groups: dict[tuple[str, int], list[tuple[str, pd.DataFrame, np.ndarray]]] = {}
    for (exchange, symbol), part in bars.groupby(["exchange", "symbol"], sort=True):
        seconds = frame_seconds(part["timestamp"])
        if len(seconds) < 3:
            continue
        step = usual_step(np.diff(np.rint(seconds * 1000).astype(np.int64)))
        groups.setdefault((str(exchange), step), []).append((str(symbol), part, seconds))
    for (exchange, _), found in groups.items():
        clock = learn_clock(
            [seconds for _, _, seconds in found],
            exchange,
            params.calendars.get(exchange),
            params.closed_days,
        )
        for symbol, part, seconds in found:
            yield Series(symbol, exchange, part, seconds, clock)


def refuse_times(bars: pd.DataFrame, params: DataParams, file: str) -> None:
    """Check when every bar opened.

    Raises:
        BarsError: a bar is missing, or opens at another time; names its row.
    """
    place = RawTableValidator(bars, file, BarsError).place
    for series in series_of(bars, params):
        _refuse_second_interval(series, file)
        wrong = series.clock.inspect(series.seconds).wrong
        if wrong and series.clock.interval_s > _MONTH_S:
            raise BarsError(
                f"{file}: {series.symbol}: bars are a month or more apart, so that none is as far "
                "from the next as the others; give bars of a week or less"
            )
        if wrong:
            row = int(series.bars.index[wrong[0].bar])
            moment = series.bars["timestamp"].iloc[wrong[0].bar].isoformat()
            more = f"; {len(wrong) - 1} more like it" if len(wrong) > 1 else ""
            raise BarsError(
                f"{file}, {place(row)}: {series.symbol}: the bar of {moment} "
                f"{wrong[0].message}{more}; " + _FIX[wrong[0].kind].format(exchange=series.exchange)
            )


def _refuse_second_interval(series: Series, file: str) -> None:
    """Refuse many bars in a row that are further apart than the others."""
    steps = np.diff(np.rint(series.seconds * 1000).astype(np.int64))
    ends = np.flatnonzero(np.diff(steps) != 0)
    starts = np.concatenate([[0], ends + 1])
    lengths = np.diff(np.append(starts, len(steps)))
    interval = round(series.clock.interval_s * 1000)
    other = (steps[starts] != interval) & (lengths >= _MANY)
    if other.any() and series.clock.calendar != "business_days":
        first = int(starts[other][0])
        moment = series.bars["timestamp"].iloc[first].isoformat()
        raise BarsError(
            f"{file}: {series.symbol}: from {moment} on, {int(lengths[other][0]) + 1} bars are "
            f"{spell(int(steps[first]))} apart, and most are {spell(interval)} apart; give one "
            "file for each interval"
        )


def fill_holes(
    bars: pd.DataFrame, params: DataParams, file: str = "bars"
) -> tuple[pd.DataFrame, int]:
    """Bars of the last close and volume 0 where the clock misses some, and their number.

    Only bars that a whole number of intervals is missing for are added, or whole business days.

    Raises:
        BarsError: the bars are of two intervals.
    """
    parts, added = [bars], 0
    for series in series_of(bars, params):
        _refuse_second_interval(series, file)
        wrong = series.clock.inspect(series.seconds).wrong
        for finding in wrong:
            if finding.kind == "hole":
                new = _between(series, finding)
                parts.append(new)
                added += len(new)
    if not added:
        return bars, 0
    filled = pd.concat(parts)
    return filled.sort_values(["exchange", "symbol", "timestamp"], kind="stable"), added


def _between(series: Series, finding: Finding) -> pd.DataFrame:
    before = series.bars.iloc[finding.bar - 1]
    times = series.clock.expected(
        float(series.seconds[finding.bar - 1]), float(series.seconds[finding.bar])
    )
    close = before["close"]
    return pd.DataFrame(
        {
            "symbol": series.symbol,
            "exchange": series.exchange,
            "timestamp": pd.to_datetime(np.array(times), unit="s", utc=True).as_unit("ns"),
            "open": close,
            "high": close,
            "low": close,
            "close": close,
            "volume": 0.0,
        },
        index=[before.name] * len(times),
    )


def told_times(bars: pd.DataFrame, params: DataParams) -> list[str]:
    """What is assumed of the times of checked bars, a sentence each."""
    told, seen = [], set()
    for series in series_of(bars, params):
        clock = series.clock
        if (series.exchange, clock.interval_s) not in seen:
            seen.add((series.exchange, clock.interval_s))
            told.append(describe(series.exchange, clock))
        unsure = clock.inspect(series.seconds).unsure
        for finding in unsure[:_FEW]:
            moment = series.bars["timestamp"].iloc[finding.bar].isoformat()
            told.append(f"{series.symbol}: the bar of {moment} {finding.message}")
        if len(unsure) > _FEW:
            told.append(f"{series.symbol}: {len(unsure) - _FEW} more bars like these")
    return told


def describe(exchange: str, clock: BarClock) -> str:
    """One sentence on a clock."""
    said = f"bars of {exchange} are {spell(round(clock.interval_s * 1000))} apart"
    if clock.calendar == "always":
        return (
            f"{said}, without pauses (calendar always); signals.data.calendars.{exchange} states "
            "another"
        )
    kind = "business days" if clock.calendar == "business_days" else "sessions with pauses"
    days = [day.isoformat() for day in clock.closed_days]
    if exchange in AMERICAN:
        closed = "; holidays follow the rules of the American exchanges"
    elif days:
        shown = ", ".join(days[:_FEW]) + (", ..." if len(days) > _FEW else "")
        closed = f"; {len(days)} weekdays without bars count as closures ({shown})"
    else:
        closed = ""
    return (
        f"{said}, on {kind} (calendar {clock.calendar}){closed}; signals.data.closed_days states "
        f"other closures, signals.data.calendars.{exchange} another calendar"
    )


def clocks_of_study(
    bars: pd.DataFrame, study: StudyParams, params: DataParams
) -> dict[str, BarClock]:
    """The clock of each exchange of a study.

    Raises:
        BarsError: its instruments have bars of different intervals.
    """
    clocks: dict[str, BarClock] = {}
    named: dict[float, str] = {}
    for series in series_of(bars[bars.exchange.isin(study.exchanges)], params):
        if study.symbols is not None and series.symbol not in study.symbols:
            continue
        clocks[series.exchange] = series.clock
        named.setdefault(series.clock.interval_s, series.symbol)
    if len(named) > 1:
        said = " and ".join(f"{name} {spell(round(s * 1000))}" for s, name in named.items())
        raise BarsError(
            f"study {study.name!r}: its bars are of different intervals ({said}); list symbols of "
            "one interval in signals.data.studies.symbols"
        )
    return clocks
