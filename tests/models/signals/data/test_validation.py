"""Raw bars that are wrong are refused with file, row and rule."""

import io

import pandas as pd
import pytest

from crisol.models.signals.data.validation import BarsError, BarsValidator, validate_bars


@pytest.fixture
def bars(raw_bars) -> pd.DataFrame:
    return raw_bars.iloc[:50].reset_index(drop=True)


def _set(row: int, column: str, value):
    def change(bars: pd.DataFrame) -> pd.DataFrame:
        bars = bars.astype({column: object})
        bars.loc[row, column] = value
        return bars

    return change


BAD = {
    "missing column": (lambda b: b.drop(columns="close"), "column 'close' is missing"),
    "unknown column": (lambda b: b.assign(vwap=1.0), "column 'vwap' is unknown"),
    "no rows": (lambda b: b.iloc[:0], "there are no bars"),
    "text price": (_set(6, "close", "cheap"), r"row 7 \(line 8\): close is not a number"),
    "NaN": (_set(6, "volume", None), r"row 7 \(line 8\): volume is empty"),
    "price 0": (_set(6, "low", 0.0), r"row 7 \(line 8\): low 0.0 must be above 0"),
    "infinite": (_set(6, "high", float("inf")), r"row 7 \(line 8\): high inf is infinite"),
    "negative volume": (_set(6, "volume", -1.0), r"row 7 \(line 8\): volume -1.0 must be 0"),
    "high below low": (_set(6, "high", 1.0), r"row 7 \(line 8\): high is below low"),
    "open outside": (_set(6, "open", 1.0), r"row 7 \(line 8\): open is outside low..high"),
    "bad time": (_set(6, "timestamp", "noon"), r"row 7 \(line 8\): timestamp is not ISO 8601"),
    "time as number": (lambda b: b.assign(timestamp=range(len(b))), "must be ISO 8601 text"),
    "repeated time": (
        lambda b: b.assign(timestamp=b["timestamp"].where(b.index != 6, b["timestamp"][5])),
        r"row 7 \(line 8\): timestamp is repeated",
    ),
    "out of order": (lambda b: b.iloc[::-1].reset_index(drop=True), "not in time order"),
    "gap": (
        lambda b: b.drop(index=6).reset_index(drop=True),
        r"row 7 \(line 8\): .* so 1 is missing",
    ),
    "unknown exchange": (lambda b: b.assign(exchange="mtgox"), "exchange mtgox is not a known"),
    "symbol of another kind": (lambda b: b.assign(symbol="AAPL"), "does not fit"),
}


@pytest.mark.parametrize("name", BAD)
def test_wrong_bars_name_file_row_and_rule(bars, name):
    change, message = BAD[name]
    with pytest.raises(BarsError, match=message) as caught:
        BarsValidator("bars.csv").validate(change(bars))
    assert str(caught.value).startswith("bars.csv")


def test_good_bars_come_back_typed(bars):
    read = pd.read_csv(io.StringIO(bars.to_csv(index=False)))
    found = validate_bars(read)
    assert str(found["timestamp"].dt.tz) == "UTC"
    assert len(found) == len(bars)


def test_stock_exchanges_may_close_for_days_but_not_for_weeks(bars):
    daily = bars.assign(
        symbol="ABC",
        exchange="nyse",
        timestamp=pd.bdate_range("2020-01-01", periods=len(bars)).strftime("%Y-%m-%dT00:00:00Z"),
    )
    validate_bars(daily)
    with pytest.raises(BarsError, match=r"row 11 \(line 12\).*Wednesday 2020-01-15 is missing"):
        validate_bars(daily.drop(index=range(10, 25)).reset_index(drop=True))
