"""Training and serving agree: sixty bars in a row of a training file are always a good request."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.models.signals.data.test_bar_files import bars, trading_days, write

from crisol.core.errors import MendableError
from crisol.models.signals.contract import SEQUENCE_BARS
from crisol.models.signals.data.bar_times import series_of
from crisol.models.signals.data.prepare import clean
from crisol.models.signals.params import DataParams
from crisol.models.signals.request_arrays import RequestArrays
from crisol.models.signals.training import request_at

ROOT = Path(__file__).parents[4]
NEW_YORK, KOLKATA, TOKYO = "America/New_York", "Asia/Kolkata", "Asia/Tokyo"
WEEKDAYS = pd.bdate_range("2023-01-02", periods=120)
TRADING = trading_days(150, "2022-09-01")


def sessions(
    days: Iterable[pd.Timestamp], start: str, count: int, freq: str, zone: str
) -> pd.DatetimeIndex:
    """``count`` bars a day from ``start`` on, of a venue in ``zone``, in UTC."""
    times: list[pd.Timestamp] = []
    for day in days:
        times += [*pd.date_range(f"{day:%Y-%m-%d} {start}", periods=count, freq=freq, tz=zone)]
    return pd.DatetimeIndex(times).tz_convert("UTC").sort_values()


def forex(freq: str, days: int, start: str = "2023-01-02") -> pd.DatetimeIndex:
    """From Sunday to Friday, 17:00 in New York, through a change of the clocks."""
    end = pd.Timestamp(start) + pd.Timedelta(days=days)
    local = pd.date_range(start, end, freq=freq, tz=NEW_YORK)
    day, hour = local.weekday, local.hour
    closed = (day == 5) | ((day == 4) & (hour >= 17)) | ((day == 6) & (hour < 17))
    return local[~closed].tz_convert("UTC")


def early(times: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Without the bars after 13:00 of the day after Thanksgiving."""
    local = times.tz_convert(NEW_YORK)
    return times[~((local.strftime("%m-%d") == "11-25") & (local.hour >= 13))]


NOISE = np.random.default_rng(5).random(3000)
MINUTES = pd.date_range("2024-01-01", periods=3000, freq="min", tz="UTC")
MARKETS = {
    "crypto, hours": ("ETHUSDT.csv", pd.date_range("2024-01-01", periods=400, freq="h", tz="UTC")),
    "crypto, days of New York": (
        "ETHUSDT.csv", pd.date_range("2023-01-01", periods=200, tz=NEW_YORK).tz_convert("UTC")),
    "crypto, silent minutes": ("ETHUSDT.csv", MINUTES[NOISE > 0.03]),
    "stock, days": ("AAPL.csv", TRADING.tz_localize("UTC")),
    "stock, closes of days": ("AAPL.csv", sessions(TRADING, "16:00", 1, "D", NEW_YORK)),
    "stock, hours, half days": ("AAPL.csv", early(sessions(TRADING, "09:30", 7, "h", NEW_YORK))),
    "stock, 5 minutes": (
        "AAPL.csv", early(sessions(TRADING[50:80], "09:30", 78, "5min", NEW_YORK))),
    "India": ("NSE_INFY.csv", sessions(WEEKDAYS.delete([18, 60]), "09:15", 25, "15min", KOLKATA)),
    "India, a special Saturday": ("NSE_INFY.csv", sessions(
        [*WEEKDAYS, pd.Timestamp("2023-03-04")], "09:15", 7, "h", KOLKATA)),
    "Tokyo, lunch": ("TSE_7203.csv", sessions(WEEKDAYS, "09:00", 5, "30min", TOKYO).union(
        sessions(WEEKDAYS, "12:30", 5, "30min", TOKYO))),
    "forex, hours": ("EURUSD.csv", forex("h", 120)),
    "forex, 4 hours": ("EURUSD.csv", forex("4h", 250, "2023-01-01 17:00")),
    "forex, days": ("EURUSD.csv", pd.DatetimeIndex([
        day for day in pd.date_range("2023-01-01", periods=200, tz="UTC") if day.weekday() != 5])),
    "futures, a pause each day": ("ES.csv", pd.DatetimeIndex([
        time for time in forex("h", 120, "2023-01-02 18:00")
        if time.tz_convert(NEW_YORK).hour != 17])),
}  # fmt: skip


def refuse_none(table: pd.DataFrame, params: DataParams, most: int = 300) -> int:
    """Inspect windows of every instrument, and count them."""
    count = 0
    for series in series_of(table, params):
        ends = range(SEQUENCE_BARS, len(series.seconds) + 1)
        for end in ends[:: max(1, len(ends) // most)]:
            found = series.clock.inspect(series.seconds[end - SEQUENCE_BARS : end])
            assert not found.wrong, (series.symbol, end, found.wrong[0].message)
            count += 1
        last = int(series.bars.index[-1])
        arrays = RequestArrays.of(request_at(table, last))
        np.testing.assert_array_equal(arrays.seconds_N, series.seconds[-SEQUENCE_BARS:])
    return count


@pytest.mark.parametrize("market", MARKETS)
def test_windows_of_markets_are_good_requests(tmp_path, market):
    name, times = MARKETS[market]
    path = write(tmp_path, bars([time.isoformat() for time in times]), name)
    params = DataParams(file=str(path), holes="fill" if "silent" in market else "refuse")
    table = clean(path, params)
    assert len(table) >= len(times)
    assert refuse_none(table, params) > 50


REAL = ("btcusdt_binance_futures/BTCUSDT_1h.csv", "acl18_stocknet/raw/AAPL.csv",
        "acl18_stocknet/raw/XOM.csv", "acl18_stocknet/raw/BABA.csv")  # fmt: skip


@pytest.mark.parametrize("name", ["sample", *REAL])
def test_windows_of_files_are_good_requests(name):
    path = ROOT / "data/01_raw/signals/sample_bars.csv"
    if name != "sample":
        mirror = os.environ.get("CRISOL_DATA_MIRROR")
        if not mirror:
            pytest.skip("CRISOL_DATA_MIRROR is not set: the real bars are not at hand")
        path = Path(mirror) / "signals" / name
    params = DataParams(file=str(path))
    assert refuse_none(clean(path, params), params) > 50


TWO = [
    *pd.date_range("2024-01-01", periods=100, freq="h", tz="UTC"),
    *pd.date_range("2024-01-05 04:00", periods=300, freq="15min", tz="UTC"),
]
HOLES = {
    "forex, one hour": ("EURUSD.csv", forex("h", 120).delete(1000), "opens 2 h after"),
    "forex, a day": ("EURUSD.csv", forex("h", 120).delete(range(1020, 1044)), "25 h after"),
    "India, one bar": (
        "NSE_INFY.csv", sessions(WEEKDAYS, "09:15", 25, "15min", KOLKATA).delete(1010),
        "opens 30 min after"),
    "two intervals": ("ETHUSDT.csv", pd.DatetimeIndex(TWO), "give one file for each interval"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOLES)
def test_holes_and_second_intervals_are_refused(tmp_path, name):
    file, times, message = HOLES[name]
    path = write(tmp_path, bars([time.isoformat() for time in times]), file)
    for holes in ("refuse", "fill") if name == "two intervals" else ("refuse",):
        with pytest.raises(MendableError, match=message):
            clean(path, DataParams.model_validate({"file": str(path), "holes": holes}))


@pytest.mark.parametrize(("column", "value"), [("close", 1e16), ("volume", 1e22)])
def test_a_value_that_no_request_may_have_is_refused(tmp_path, column, value):
    table = bars([time.isoformat() for time in MARKETS["stock, days"][1]])
    high = {"high": 1e16} if column == "close" else {}
    table = table.astype(dict.fromkeys(("close", "high", "volume"), float))
    for name, large in {column: value, **high}.items():
        table.loc[30, name] = large
    path = write(tmp_path, table, "AAPL.csv")
    with pytest.raises(MendableError, match=r"row 31 \(line 32\): .* is above 1e"):
        clean(path, DataParams(file=str(path)))
