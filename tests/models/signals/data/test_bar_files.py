"""Files of bars as people have them: read, assumed and told, or refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crisol.core.data.table_files import read_raw_table
from crisol.core.errors import MendableError
from crisol.models.signals.data.closings import AmericanHolidays
from crisol.models.signals.data.errors import BarsError
from crisol.models.signals.data.prepare import clean
from crisol.models.signals.params import DataParams

PRICES = ["open", "high", "low", "close"]


def bars(times: list[str] | np.ndarray, close: np.ndarray | None = None) -> pd.DataFrame:
    """Made-up bars; every value has two decimals, as in a published file."""
    rng = np.random.default_rng(3)
    count = len(times)
    if close is None:
        close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, count)))
    opened = np.concatenate([close[:1], close[:-1]]).round(2)
    close = close.round(2)
    return pd.DataFrame(
        {
            "timestamp": times,
            "open": opened,
            "high": (np.maximum(opened, close) + 0.5).round(2),
            "low": (np.minimum(opened, close) - 0.5).round(2),
            "close": close,
            "volume": rng.integers(1000, 9000, count),
        }
    )


def trading_days(count: int, start: str = "2022-01-03") -> pd.DatetimeIndex:
    every = pd.bdate_range(start, periods=count + 60)
    return every.difference(AmericanHolidays().holidays(every[0], every[-1]))[:count]


DAYS = trading_days(120)
HOURS = pd.date_range("2024-01-01", periods=120, freq="h")
DAILY = bars(DAYS.strftime("%Y-%m-%d").tolist())
HOURLY = bars(HOURS.strftime("%Y-%m-%dT%H:%M:%SZ").tolist())


def write(folder: Path, table: pd.DataFrame, name: str, **options) -> Path:
    path = folder / name
    table.to_csv(path, index=False, **options)
    return path


def read(path: Path, **params) -> pd.DataFrame:
    return clean(path, DataParams(file=str(path), **params))


def named(*names: str, table: pd.DataFrame = DAILY) -> pd.DataFrame:
    return table.set_axis(names, axis=1)


YFINANCE = ["Price", "Open", "High", "Low", "Close", "Volume"]
BERLIN = pd.date_range("2023-01-01", periods=120, tz="Europe/Berlin")


def epoch(unit: str) -> pd.DataFrame:
    return HOURLY.assign(timestamp=HOURS.as_unit(unit).astype("int64"))


FILES = {
    "Yahoo": (
        named("Date", "Open", "High", "Low", "Close", "Volume"), "AAPL.csv", DAYS, "AAPL",
        "the symbol is AAPL",
    ),
    "yfinance": (
        pd.concat([
            pd.DataFrame([["Ticker", *["AAPL"] * 5], ["Date", *[""] * 5]], columns=YFINANCE),
            named("Price", "Open", "High", "Low", "Close", "Volume").astype("str"),
        ]),
        "download.csv", DAYS, "AAPL", "the rows of tickers",
    ),
    "midnight in Berlin": (
        DAILY.assign(timestamp=BERLIN.map(str)), "BTC-EUR.csv", BERLIN,
        "BTC/EUR", "calendar business_days",
    ),
    "Stooq": (
        named("<DATE>", "<OPEN>", "<HIGH>", "<LOW>", "<CLOSE>", "<VOL>").assign(
            **{"<DATE>": DAYS.strftime("%Y%m%d"), "<TIME>": "000000", "<OPENINT>": 0}
        ),
        "msft_us.csv", DAYS, "MSFT", "'<DATE>' and '<TIME>' together are timestamp",
    ),
    "Alpha Vantage, newest first": (
        named("timestamp", "1. open", "2. high", "3. low", "4. close", "5. volume").iloc[::-1],
        "IBM.csv", DAYS, "IBM", "the newest bar is the first",
    ),
    "quantmod": (
        named("", "SPY.Open", "SPY.High", "SPY.Low", "SPY.Close", "SPY.Volume"), "SPY.csv", DAYS,
        "SPY", "'SPY.Close' is close",
    ),
    "Nasdaq": (
        named("DATE", "OPEN", "HIGH", "LOW", "Close/Last", "Vol."), "tsla_daily.csv", DAYS, "TSLA",
        "'Close/Last' is close",
    ),
    "Investing.com": (
        named("Date", "Open", "High", "Low", "Price", "Vol.").iloc[::-1].assign(
            Date=DAYS[::-1].strftime("%m/%d/%Y"),
            **{"Vol.": [f"{n / 1000:.4f}K" for n in DAILY["volume"][::-1]]},
        ),
        "AAPL Historical Data.csv", DAYS, "AAPL", "'Date' has the month first",
    ),
    "a German bank's": (
        named("Datum", "Open", "High", "Low", "Close", "Volume").rename(
            columns={"Datum": "Date"}
        ).assign(Date=DAYS.strftime("%d.%m.%Y")),
        "SAP.DE.csv", DAYS, "SAP.DE", "the exchange is xetra",
    ),
    "months by name, of a zone": (
        HOURLY.assign(timestamp=HOURS.strftime("%b %d, %Y %H:%M")), "ETH-EUR.csv", HOURS,
        "ETH/EUR", "times without an offset, of UTC",
    ),
    "a broker's": (
        named("Date", "Open", "High", "Low", "Close", "TickVol", table=HOURLY).assign(
            Date=HOURS.strftime("%Y.%m.%d"), Time=HOURS.strftime("%H:%M")
        ),
        "BTCUSD_H1.csv", HOURS, "BTC/USD", "'Date' and 'Time' together",
    ),
    "CryptoDataDownload": (
        named("unix", "open", "high", "low", "close", "Volume BTC", table=epoch("ms")).assign(
            symbol="BTC/USDT", tradecount=7
        ),
        "Binance_BTCUSDT_1h.csv", HOURS, "BTC/USDT", "'Volume BTC' is volume",
    ),
    "Polygon": (
        named("t", "o", "h", "l", "c", "v", table=epoch("s")), "ETHUSDT.csv", HOURS, "ETH/USDT",
        "seconds since 1970",
    ),
    "microseconds": (epoch("us"), "sol-usdt.csv", HOURS, "SOL/USDT", "microseconds since 1970"),
    "slashes, year first": (
        HOURLY.assign(timestamp=HOURS.strftime("%Y/%m/%d %H:%M:%S")), "ETH-EUR.csv", HOURS,
        "ETH/EUR", "times without an offset, of UTC",
    ),
    "an offset and words": (
        HOURLY.assign(timestamp=HOURS.strftime("%Y-%m-%d %H:%M:%S UTC")), "kraken_XBTEUR.csv",
        HOURS, "XBT/EUR", "the exchange is kraken",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_files_of_known_programs_are_read(tmp_path, name):
    table, file, times, symbol, note = FILES[name]
    found = read(write(tmp_path, table, file))
    expected_times = times.tz_localize("UTC") if times.tz is None else times.tz_convert("UTC")
    assert found["timestamp"].tolist() == expected_times.tolist()
    assert set(found["symbol"]) == {symbol}
    expected = HOURLY if times is HOURS else DAILY
    np.testing.assert_array_equal(found[PRICES], expected[PRICES])
    np.testing.assert_allclose(found["volume"], expected["volume"], rtol=1e-12)
    assert any(note in one for one in found.attrs["notes"]), found.attrs["notes"]


def test_our_own_columns_need_no_notes_but_the_clock(tmp_path):
    table = HOURLY.assign(symbol="ETH/EUR", exchange="kraken")
    found = read(write(tmp_path, table, "mine.csv", sep=";"))
    clock, study = found.attrs["notes"][-2:]
    assert not any("signals.data" in note for note in found.attrs["notes"][:-2])
    assert clock.startswith("bars of kraken are 1 h apart, without pauses")
    assert study.startswith("study 'mine' is made from the file: every symbol of kraken")


STATED = {
    "columns": ({"columns": {"close": "Settle", "timestamp": "When"}}, named(
        "When", "open", "high", "low", "Settle", "volume"), "nasdaq"),
    "exchange": ({"exchange": "LSE"}, DAILY, "lse"),
    "symbol": ({"symbol": "VOD", "exchange": "lse"}, DAILY, "lse"),
}  # fmt: skip


@pytest.mark.parametrize("name", STATED)
def test_parameters_state_what_would_be_assumed(tmp_path, name):
    params, table, exchange = STATED[name]
    if exchange == "lse":
        table = table.assign(
            timestamp=pd.bdate_range("2022-01-03", periods=120).strftime("%Y-%m-%d")
        )
    found = read(write(tmp_path, table, "VOD.csv"), **params)
    assert set(found["symbol"]) == {"VOD"}
    assert set(found["exchange"]) == {exchange}
    assert not any("assumed" in note for note in found.attrs["notes"]) or exchange == "nasdaq"


def test_local_times_are_of_the_stated_zone(tmp_path):
    hours = pd.date_range("2024-03-01 00:00", periods=120, freq="h")
    table = HOURLY.assign(timestamp=hours.strftime("%Y-%m-%d %H:%M"))
    found = read(write(tmp_path, table, "ETHUSDT.csv"), timezone="Asia/Tokyo")
    assert str(found["timestamp"][0]) == "2024-02-29 15:00:00+00:00"


@pytest.mark.parametrize("zone", ["Mars", "EST5", "../etc/passwd"])
def test_an_unknown_zone_is_refused(zone):
    with pytest.raises(ValueError, match="is no time zone; write one such as UTC"):
        DataParams(timezone=zone)


def test_rows_without_prices_and_repeated_rows_are_left_out(tmp_path):
    text = DAILY.astype(dict.fromkeys(DAILY.columns, "str"))
    holiday = pd.DataFrame(
        [["2022-02-21", "null", "null", "null", "null", "null"]], columns=text.columns
    )
    table = pd.concat([text, text.iloc[5:8], holiday])
    found = read(write(tmp_path, table, "AAPL.csv"))
    assert len(found) == len(DAILY)
    notes = found.attrs["notes"]
    assert "1 rows without any price are left out" in notes
    assert "3 rows repeat another one and are left out" in notes


def test_a_file_without_volume_says_so(tmp_path):
    found = read(write(tmp_path, DAILY.drop(columns="volume"), "GSPC.csv"))
    assert (found["volume"] == 0).all()
    assert any("signals.data.columns.volume" in note for note in found.attrs["notes"])


def test_several_symbols_and_exchanges(tmp_path):
    table = pd.concat([
        DAILY.assign(ticker="aapl", market="NASDAQ"), DAILY.assign(ticker="BRK.B", market="NYSE")
    ])  # fmt: skip
    found = read(write(tmp_path, table, "mine.csv"))
    assert set(zip(found["symbol"], found["exchange"], strict=True)) == {
        ("AAPL", "nasdaq"), ("BRK.B", "nyse"),
    }  # fmt: skip


def test_prices_follow_the_adjusted_close(tmp_path):
    adjusted = (DAILY["close"] * np.where(np.arange(120) < 60, 0.98, 1.0)).round(6)
    table = named("Date", "Open", "High", "Low", "Close", "Volume").assign(
        **{"Adj Close": adjusted}
    )
    found = read(write(tmp_path, table, "AAPL.csv"))
    np.testing.assert_allclose(found["close"], adjusted)
    np.testing.assert_allclose(found["open"][:60], DAILY["open"][:60] * 0.98, rtol=1e-5)
    np.testing.assert_array_equal(found["volume"], DAILY["volume"])
    assert any("adjusted for splits and dividends" in note for note in found.attrs["notes"])


@pytest.mark.parametrize(("ratio", "bar"), [(4.0, 70), (1.5, 64), (0.1, 100)])
def test_a_split_without_adjustment_is_told(tmp_path, caplog, ratio, bar):
    later = np.arange(120) >= bar
    prices = {name: DAILY[name].where(~later, DAILY[name] / ratio).round(4) for name in PRICES}
    table = DAILY.assign(**prices, volume=DAILY["volume"].where(~later, DAILY["volume"] * ratio))
    found = read(write(tmp_path, table, "AAPL.csv"))
    told = [note for note in found.attrs["notes"] if "as after a" in note]
    assert [DAYS[bar].strftime("%Y-%m-%d") in note for note in told] == [True]
    assert "split; " in caplog.text


@pytest.mark.parametrize(("hole", "fix"), [(7, "missing"), (60, "missing"), (118, "missing")])
def test_missing_bars_are_refused_or_filled(tmp_path, hole, fix):
    path = write(tmp_path, HOURLY.drop(index=hole), "ETHUSDT.csv")
    with pytest.raises(
        BarsError, match=rf"ETHUSDT.csv, row {hole + 1} .*so 1 is {fix}; .*holes=fill"
    ):
        read(path)
    filled = read(path, holes="fill")
    assert len(filled) == 120
    assert (filled.loc[hole, PRICES] == filled.loc[hole - 1, "close"]).all()
    assert filled.loc[hole, "volume"] == 0
    assert any(note.startswith("1 missing bars are filled") for note in filled.attrs["notes"])


REFUSED = {
    "no close": (DAILY.drop(columns="close"), "column 'close' is missing.*columns.close=…"),
    "no time": (DAILY.drop(columns="timestamp"), "column 'timestamp' is missing"),
    "words for prices": (
        DAILY.astype({"close": "str"}).assign(close="cheap"),
        r"row 1 \(line 2\): close is not a number.*119 more",
    ),
    "an empty price": (
        DAILY.assign(close=DAILY["close"].where(DAILY.index != 6)),
        r"row 7 \(line 8\): close is empty",
    ),
    "days of a spreadsheet": (
        DAILY.assign(timestamp=range(44_562, 44_682)), r"timestamp is no time that can be read",
    ),
    "row numbers": (DAILY.assign(timestamp=range(120)), r"row 1 \(line 2\): timestamp is no time"),
    "months": (
        DAILY.assign(timestamp=pd.date_range("2010-01-01", periods=120, freq="MS")),
        "bars are a month or more apart",
    ),
    "some offsets": (
        HOURLY.assign(timestamp=HOURLY["timestamp"].mask(HOURLY.index == 6, "2024-01-01T06:00:00")),
        r"row 7 \(line 8\): timestamp has no offset, and other rows have one",
    ),
    "two prices for a moment": (
        pd.concat([DAILY, DAILY.iloc[[6]].assign(close=DAILY["low"][6])]), "timestamp is repeated",
    ),
    "an unknown exchange": (DAILY.assign(exchange="mtgox"), "exchange mtgox is not a known"),
    "no rows": (DAILY.iloc[:0], "there are no bars"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_other_files_are_refused_with_the_fix(tmp_path, name):
    table, message = REFUSED[name]
    with pytest.raises(MendableError, match=message):
        read(write(tmp_path, table, "AAPL.csv"))


def test_a_file_that_the_catalog_did_not_read_is_refused(tmp_path):
    path = write(tmp_path, DAILY, "AAPL.csv")
    with pytest.raises(BarsError, match=r"signals.data.file is other.csv, and .*AAPL.csv was read"):
        clean(read_raw_table(path), DataParams(file="other.csv"))
