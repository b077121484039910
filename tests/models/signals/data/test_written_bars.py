"""Prices, volumes and times as people's programs write them: read by one convention, or refused."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from tests.core.data.tables.spreadsheets import write_xlsx
from tests.models.signals.data.test_bar_files import DAILY, DAYS, HOURLY, HOURS

from crisol.core.errors import MendableError
from crisol.models.signals.data.prepare import clean
from crisol.models.signals.params import DataParams

PRICES = ["open", "high", "low", "close"]
BIG = DAILY.assign(**{name: (DAILY[name] * 30).round(2) for name in PRICES})
Cells = Callable[[int, pd.Series], tuple]


def english(value: float) -> str:
    return f"{value:,.2f}"


def german(value: float) -> str:
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


def thousands(value: float) -> str:
    return f"{value / 1000:.3f}K"


def lines(table: pd.DataFrame, cells: Cells, mark: str = ",", quote: str = "") -> str:
    rows = (cells(i, row) for i, (_, row) in enumerate(table.iterrows()))
    return "\n".join(mark.join(f"{quote}{cell}{quote}" for cell in row) for row in rows)


def epochs(unit: str, table: pd.DataFrame = HOURLY, more: tuple = ()) -> str:
    moments = HOURS.as_unit(unit).astype("int64")
    return lines(table, lambda i, r: (moments[i], r.open, r.high, r.low, r.close, r.volume, *more))


def dated(form: str, table: pd.DataFrame = DAILY, days: pd.DatetimeIndex = DAYS) -> str:
    return table.assign(timestamp=days.strftime(form)).to_csv(index=False)


def newest_first(text: str) -> str:
    return "\n".join(reversed(text.split("\n")))


INVESTING = '"Date","Price","Open","High","Low","Vol.","Change %"\n'
KLINE = (1, 2.5, 3, 4.5, 5.5, 0)
FEBRUARY = pd.date_range("2024-02-01", periods=120, freq="h")
READ = {
    "investing.com": ("AAPL.csv", BIG, DAYS, INVESTING + newest_first(lines(BIG, lambda i, r: (
        DAYS[i].strftime("%b %d, %Y"), english(r.close), english(r.open), english(r.high),
        english(r.low), thousands(r.volume), "0.5%"), quote='"')), "'Price' is close"),
    "investing.com, Spanish": ("SAN.csv", BIG, DAYS,
        '"Fecha","Último","Apertura","Máximo","Mínimo","Vol.","% var."\n'
        + lines(BIG, lambda i, r: (DAYS[i].strftime("%d.%m.%Y"), german(r.close), german(r.open),
        german(r.high), german(r.low), thousands(r.volume).replace(".", ","), "0,5%"), quote='"'),
        "with their multipliers (K)"),
    "Yahoo's page": ("MSFT.tsv", BIG, DAYS,
        "Date\tOpen\tHigh\tLow\tClose Close price adjusted for splits.\tVolume\n" + lines(
        BIG, lambda i, r: (DAYS[i].strftime("%b %-d, %Y"), english(r.open), english(r.high),
        english(r.low), english(r.close), f"{r.volume:,.0f}"), "\t")
        + "\nFeb 9, 2022\t0.24 Dividend\t\t\t\t", "1 rows about dividends or splits are left out"),
    "Nasdaq": ("TSLA.csv", BIG, DAYS, "Date,Close/Last,Volume,Open,High,Low\n" + lines(
        BIG, lambda i, r: (DAYS[i].strftime("%m/%d/%Y"), f"${r.close:.2f}", int(r.volume),
        f"${r.open:.2f}", f"${r.high:.2f}", f"${r.low:.2f}")), "without '$'"),
    "a German broker": ("SAP.csv", BIG, DAYS, "Datum;Erster;Hoch;Tief;Schluss;Volumen\n" + lines(
        BIG, lambda i, r: (DAYS[i].strftime("%d.%m.%Y"), german(r.open), german(r.high),
        german(r.low), german(r.close), f"{r.volume:,.0f}".replace(",", ".")), ";"),
        "written like 1.234,5 (as in the rest of the file)"),
    "NSE": ("NSE_INFY.csv", BIG, DAYS,
        '"Date ","OPEN ","HIGH ","LOW ","PREV. CLOSE ","close ","VOLUME "\n' + lines(
        BIG, lambda i, r: (DAYS[i].strftime("%d-%b-%Y"), english(r.open), english(r.high),
        english(r.low), english(r.open), english(r.close), f"{r.volume:,.0f}"), quote='"'),
        "written like 1,234.5"),
    "MetaTrader 5": ("BTCUSD_H1.csv", HOURLY, HOURS,
        "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n" + lines(
        HOURLY, lambda i, r: (HOURS[i].strftime("%Y.%m.%d"), HOURS[i].strftime("%H:%M:%S"), r.open,
        r.high, r.low, r.close, int(r.volume), 0, 10), "\t"), "'<TICKVOL>' is volume"),
    "MetaTrader 4": ("BTCUSD60.csv", HOURLY, HOURS, lines(
        HOURLY, lambda i, r: (HOURS[i].strftime("%Y.%m.%d"), HOURS[i].strftime("%H:%M"), r.open,
        r.high, r.low, r.close, int(r.volume))), "taken as timestamp, time, open"),
    "Binance's klines": ("BTCUSDT-1h-2024-01.csv", HOURLY, HOURS, epochs("ms", more=KLINE),
        "there is no header"),
    "Binance's klines of 2025": ("BTCUSDT-1h-2025-01.csv", HOURLY, HOURS, epochs("us", more=KLINE),
        "microseconds since 1970"),
    "Kraken's OHLCVT": ("XBTUSD_60.csv", HOURLY, HOURS, epochs("s", more=(7,)),
        "the symbol is XBT/USD"),
    "Bloomberg": ("AAPL.csv", DAILY, DAYS,
        "Security,AAPL US Equity\nPeriod,D\n\nDates,PX_OPEN,PX_HIGH,PX_LOW,PX_LAST,PX_VOLUME\n"
        + lines(DAILY, lambda i, r: (DAYS[i].strftime("%m/%d/%Y"), r.open, r.high, r.low, r.close,
        int(r.volume))), "the table begins in line 4"),
    "day first": ("VOD.csv", DAILY, DAYS, dated("%d/%m/%Y"),
        "has the day first (as its cells tell)"),
    "month first, two digits": ("VOD.csv", DAILY, DAYS, dated("%m/%d/%y"), "years of two digits"),
    "year first, two digits": ("VOD.csv", DAILY, DAYS, dated("%y-%m-%d"), "years of two digits"),
    "the distance of rows": ("ETHUSDT.csv", HOURLY, FEBRUARY,
        dated("%d/%m/%Y %H:%M", HOURLY, FEBRUARY),
        "has the day first (by the order of the rows"),
    "the distance of rows, am and pm": ("ETHUSDT.csv", HOURLY, FEBRUARY,
        dated("%m/%d/%Y %I:%M %p", HOURLY, FEBRUARY),
        "has the month first (by the order of the rows"),
}  # fmt: skip


def read(folder, name: str, written: str, **params) -> pd.DataFrame:
    path = folder / name
    path.write_text(written)
    return clean(path, DataParams.model_validate({"file": str(path), **params}))


@pytest.mark.parametrize("kind", READ)
def test_programs_write_bars_in_their_own_way(tmp_path, kind):
    name, table, times, written, note = READ[kind]
    found = read(tmp_path, name, written)
    assert found["timestamp"].tolist() == times.tz_localize("UTC").tolist()
    np.testing.assert_array_equal(found[PRICES], table[PRICES])
    np.testing.assert_allclose(found["volume"], table["volume"], rtol=1e-12)
    assert any(note in one for one in found.attrs["notes"]), found.attrs["notes"]


def test_a_spreadsheet_of_bars_is_read(tmp_path):
    start = pd.Timestamp("1899-12-30")
    rows: list[list[object]] = [["Security", "AAPL US Equity"], ["Period", "D"], []]
    rows.append(["Dates", "PX_OPEN", "PX_HIGH", "PX_LOW", "PX_LAST"])
    for day, bar in zip(DAYS, DAILY.itertuples(), strict=True):
        rows.append([("date", (day - start).days), bar.open, bar.high, bar.low, bar.close])
    path = write_xlsx(tmp_path / "AAPL.xlsx", {"Sheet1": rows})
    found = clean(path, DataParams(file=str(path)))
    assert found["timestamp"].tolist() == DAYS.tz_localize("UTC").tolist()
    np.testing.assert_array_equal(found[PRICES], DAILY[PRICES])


MINUTES = pd.date_range("2024-02-03", periods=120, freq="min")
AMBIGUOUS = dated("%d/%m/%Y %H:%M", HOURLY, MINUTES)
JPY = lines(HOURLY, lambda i, r: (HOURS[i].strftime("%Y%m%d %H%M%S"), *(
    f"{r[name] * 2:.3f}" for name in PRICES), 0), ";")  # fmt: skip
STATED = {
    "the day is first": (AMBIGUOUS, {"day_first": True}, "2024-02-03"),
    "the month is first": (AMBIGUOUS, {"day_first": False}, "2024-03-02"),
    "a decimal point": (JPY, {"decimal": "point"}, "2024-01-01"),
}


@pytest.mark.parametrize("name", STATED)
def test_an_option_decides_where_no_row_does(tmp_path, name):
    written, options, day = STATED[name]
    with pytest.raises(MendableError, match=f"signals.data.read.{next(iter(options))}="):
        read(tmp_path, "ETHUSDT.csv", written)
    found = read(tmp_path, "ETHUSDT.csv", written, read=options)
    assert str(found["timestamp"][0].date()) == day
    assert found["close"].max() < 200


def with_cell(cell: str, column: str = "close", row: int = 50, table: pd.DataFrame = BIG) -> str:
    texts = table.astype("str")
    texts.loc[row, column] = cell
    return texts.to_csv(index=False, sep=";")


SUMMER = pd.date_range("2024-10-24", periods=120, freq="h")
REFUSED = {
    "a letter in a number": (with_cell("1.5O2"), r"row 51 \(line 52\): close is not a number"),
    "the other decimal mark": (with_cell("1515,63"), r"row 51 \(line 52\): close is not a number"),
    "another currency": (with_cell("€1515.63"), r"row 51 \(line 52\): close is not a number"),
    "a bound": (with_cell("<1515"), r"row 51 \(line 52\): close is not a number"),
    "a dash": (with_cell("-"), r"row 51 \(line 52\): close is empty"),
    "null": (with_cell("null", "low"), r"row 51 \(line 52\): low is empty"),
    "an infinity": (with_cell("inf"), r"row 51 \(line 52\): close is not a number"),
    "a negative price": (with_cell("(5.00)", "low"), r"row 51 \(line 52\): low -5.0 must be above"),
    "no date": (with_cell("0000-00-00", "timestamp"), r"row 51 \(line 52\): timestamp is no time"),
    "a far date": (with_cell("1066-10-14", "timestamp"), r"row 51 .* before 1900 or after 2150"),
    "no word for a volume": (with_cell("many", "volume"), r"row 51 .*: volume is not a number"),
    "both orders of day and month": (
        dated("%d/%m/%Y").replace("14/01/2022", "01/14/2022"), "other rows have the day before",
    ),
    "two units of time": (
        epochs("ms").replace("1704412800000", "1704412800"), r"row 97 \(line 97\): timestamp is no",
    ),
    "Coinbase's order": (lines(HOURLY, lambda i, r: (int(HOURS[i].timestamp()), r.low, r.high,
        r.open, r.close, r.volume)), "high and low do not bound the others; name the columns"),
    "an adjusted close without a name": (lines(DAILY, lambda i, r: (DAYS[i].date(), r.open, r.high,
        r.low, r.close, r.close, r.volume)), "the place of the volume holds prices"),
    "eight columns without names": (epochs("s", more=(1, 2)), "has no header and 8 columns"),
    "prices alone": ("snapped_at,price,market_cap\n" + lines(
        HOURLY, lambda i, r: (f"{HOURS[i]} UTC", r.close, 1000)), "column 'open' is missing"),
    "a repeated hour": (HOURLY.assign(timestamp=SUMMER.tz_localize("UTC").tz_convert(
        "Europe/Berlin").strftime("%d.%m.%Y %H:%M")).to_csv(index=False),
        "skipped or repeated by a change of the clocks of Europe/Berlin"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_cell_that_is_not_certain_is_refused_with_its_row(tmp_path, name):
    written, message = REFUSED[name]
    zone = "Europe/Berlin" if name == "a repeated hour" else "UTC"
    with pytest.raises(MendableError, match=message):
        read(tmp_path, "ETHUSDT.csv", written, timezone=zone)


@pytest.mark.parametrize("word", ["-", "null", "N/A", ""])
def test_missing_volumes_are_zero_and_told(tmp_path, word):
    found = read(tmp_path, "AAPL.csv", with_cell(word, "volume"))
    assert found["volume"][50] == 0
    assert (found["volume"].drop(50) == BIG["volume"].drop(50)).all()
    assert any("volume is empty in 1 of 120 bars" in note for note in found.attrs["notes"])


def test_an_empty_name_leaves_a_column_out(tmp_path):
    table = DAILY.assign(adj_close=DAILY["close"] / 2)
    found = read(tmp_path, "AAPL.csv", table.to_csv(index=False), columns={"adjusted": ""})
    np.testing.assert_array_equal(found[PRICES], DAILY[PRICES])


def test_lines_are_those_of_the_file(tmp_path):
    written = "a made-up export\n\n" + with_cell("oops")
    with pytest.raises(MendableError, match=r"row 51 \(line 54\): close is not a number"):
        read(tmp_path, "AAPL.csv", written)
    hole = "made up\n\n" + HOURLY.drop(index=7).to_csv(index=False)
    with pytest.raises(MendableError, match=r"row 8 \(line 11\): .* so 1 is missing"):
        read(tmp_path, "ETHUSDT.csv", hole)
