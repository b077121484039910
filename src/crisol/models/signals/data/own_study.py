"""The study of a person's own file, made from its bars where the parameters state none."""

import re
from pathlib import PurePath

import pandas as pd

from crisol.models.signals.bar_clock import BarClock, spell
from crisol.models.signals.data.bar_times import series_of
from crisol.models.signals.data.errors import BarsError
from crisol.models.signals.params import (
    SAMPLE_STUDY,
    DataParams,
    FixedThreshold,
    StudyParams,
    WalkForward,
)

_YEAR_S = 365 * 86_400
_TRADING_DAYS = 252
_FEWEST, _MOST = 20, 500
"""Bars over which the volatility of a label is measured: a week, or a tenth of what there is."""


def resolved(data: DataParams, bars: pd.DataFrame) -> DataParams:
    """The parameters with the study of a file of one's own in the place of the sample's.

    Studies of another name than the sample's are the person's own, and are left as they are. A
    file of one's own is never called made up.

    Raises:
        BarsError: the file holds bars of several intervals.
    """
    if not data.file:
        return data
    if data.register_study != SAMPLE_STUDY:
        return data.model_copy(update={"synthetic": False})
    study = _study_of(data.study(SAMPLE_STUDY), data, bars)
    update = {"synthetic": False, "studies": (study,), "register_study": study.name}
    return data.model_copy(update=update)


def study_name(file: str) -> str:
    """The name of a file as the name of a study.

    >>> study_name("/shop/BTC-USD 2024.csv"), study_name("7203.csv"), study_name("sample.csv")
    ('btc_usd_2024', 'bars_7203', 'bars_sample')
    """
    name = re.sub(r"[^a-z0-9]+", "_", PurePath(file).stem.lower()).strip("_") or "bars"
    return name if name[0].isalpha() and name != SAMPLE_STUDY else f"bars_{name}"


def _study_of(pattern: StudyParams, data: DataParams, bars: pd.DataFrame) -> StudyParams:
    """Folds, seeds and costs of ``pattern``; all that depends on the bars from the bars."""
    clocks = {series.exchange: series.clock for series in series_of(bars, data)}
    intervals = {clock.interval_s for clock in clocks.values()}
    every = {series.clock.interval_s for series in series_of(bars, data)}
    if len(intervals | every) != 1:
        said = " and ".join(spell(round(s * 1000)) for s in sorted(intervals | every))
        raise BarsError(
            f"{data.file}: holds bars of different intervals ({said}), or too few; give one file "
            "for each interval"
        )
    clock = next(iter(clocks.values()))
    a_day = bars_a_day(clock, bars)
    week = round(a_day * (len(clock.weekdays) if clock.calendar != "always" else 7))
    count = int(bars.groupby(["exchange", "symbol"]).size().max())
    split = pattern.split
    if isinstance(split, WalkForward):
        split = split.model_copy(update={"embargo_bars": max(5, min(round(a_day), count // 50))})
    label = pattern.label
    if not isinstance(label, FixedThreshold):
        label = label.model_copy(update={"bars": max(_FEWEST, min(week, _MOST, count // 10))})
    return pattern.model_copy(
        update={
            "name": study_name(data.file),
            "exchanges": tuple(sorted(bars["exchange"].unique())),
            "symbols": None,
            "label": label,
            "split": split,
            "bars_per_year": float(round(bars_a_year(clock, a_day))),
        }
    )


def bars_a_day(clock: BarClock, bars: pd.DataFrame) -> float:
    """Bars of one instrument on a day on which its venue is open; below 1 for longer ones."""
    if clock.calendar == "sessions":
        days = bars["timestamp"].dt.floor("D")
        return float(bars.groupby(["exchange", "symbol", days]).size().median())
    return min(86_400 / clock.interval_s, 86_400.0)


def bars_a_year(clock: BarClock, a_day: float) -> float:
    """Bars of one instrument in a year: 252 days of a venue with weekends, 365 of one without."""
    if clock.calendar == "always":
        return _YEAR_S / clock.interval_s
    days = _TRADING_DAYS if len(clock.weekdays) <= 5 else 365 / 7 * len(clock.weekdays)
    return a_day * days


def described(study: StudyParams) -> str:
    """A sentence on a study that was made from a file."""
    label = (
        ""
        if isinstance(study.label, FixedThreshold)
        else (f"beyond {study.label.sigmas:g} standard deviations of {study.label.bars} bars; ")
    )
    return (
        f"study {study.name!r} is made from the file: every symbol of "
        f"{', '.join(study.exchanges)}, sell and buy {label}{study.bars_per_year:g} bars a year, "
        f"costs of {study.cost_bps:g} bp; signals.data.studies in conf/local states another"
    )
