"""The checks of a table of raw bars, before anything is computed from it.

The rules are pandera checks; the error names the file (if known), the row, and the rule. A row is
counted as a person sees it in the CSV: the first bar is row 1 and stands in line 2.
"""

import pandas as pd
import pandera.pandas as pa

from crisol.core.data.raw_tables import RawTableValidator
from crisol.core.errors import MendableError
from crisol.models.signals.contract import (
    CRYPTO_EXCHANGES,
    EQUITY_EXCHANGES,
    check_symbol,
)

COLUMNS = ("symbol", "exchange", "timestamp", "open", "high", "low", "close", "volume")
MAX_CLOSED_DAYS = 10
"""Longest pause of a stock exchange (weekends, holidays, market closures) that is not a gap."""


class BarsError(MendableError):
    """Raw bars that cannot be used; the message names file, row and rule."""


def _prices() -> pa.Column:
    return pa.Column(
        float,
        [pa.Check.gt(0, error="must be above 0"), pa.Check.lt(float("inf"), error="is infinite")],
        coerce=True,
    )


SCHEMA = pa.DataFrameSchema(
    {
        "symbol": pa.Column(str),
        "exchange": pa.Column(
            str,
            pa.Check.isin(
                (*CRYPTO_EXCHANGES, *EQUITY_EXCHANGES), error="is not a known exchange (lower case)"
            ),
        ),
        "timestamp": pa.Column(),
        "open": _prices(),
        "high": _prices(),
        "low": _prices(),
        "close": _prices(),
        "volume": pa.Column(
            float,
            [pa.Check.ge(0, error="must be 0 or more"), pa.Check.lt(float("inf"))],
            coerce=True,
        ),
    },
    strict=True,
)


class BarsValidator:
    """The validator a catalog entry names, with the file it reads so that errors can say so."""

    def __init__(self, file: str = "bars") -> None:
        self.file = file

    def validate(self, data: pd.DataFrame) -> pd.DataFrame:
        """See :func:`validate_bars`."""
        return validate_bars(data, file=self.file)


def validate_bars(bars: pd.DataFrame, file: str = "bars") -> pd.DataFrame:
    """The same bars with numbers as float64 and timestamps as UTC, or an error.

    Raises:
        BarsError: a missing, extra or wrongly typed column, an empty value, a price or volume out
            of range, a bar whose open or close lies outside low..high, an unsorted or repeated
            timestamp, a symbol that does not fit its exchange, or a gap in the series.
    """
    raw = RawTableValidator(bars.reset_index(drop=True), file, BarsError)
    raw.refuse_columns(COLUMNS, COLUMNS)
    if bars.empty:
        raise BarsError(f"{file}: there are no bars")
    bars = raw.rows.loc[:, list(COLUMNS)]
    for name in COLUMNS:
        raw.refuse(bars[name].isna(), f"{name} is empty")
    checked = bars.assign(timestamp=_timestamps(raw))
    for name in COLUMNS[3:]:
        numbers = pd.to_numeric(checked[name], errors="coerce")
        raw.refuse(numbers.isna(), f"{name} is not a number", name)
    checked = raw.conform(checked, SCHEMA)
    _check_relations(RawTableValidator(checked, file, BarsError))
    return checked


def _timestamps(raw: RawTableValidator) -> pd.Series:
    found = raw.rows["timestamp"]
    if pd.api.types.is_numeric_dtype(found):
        raise BarsError(
            f"{raw.file}: timestamp must be ISO 8601 text, such as 2024-01-31T10:00:00Z"
        )
    times = pd.to_datetime(found, utc=True, errors="coerce", format="ISO8601")
    raw.refuse(times.isna(), "timestamp is not ISO 8601", "timestamp")
    return times.dt.as_unit("ns")


def _check_relations(checked: RawTableValidator) -> None:
    """The checks across several columns or neighbouring rows."""
    bars = checked.rows
    checked.refuse(bars.high < bars.low, "high is below low")
    for name in ("open", "close"):
        outside = (bars[name] < bars.low) | (bars[name] > bars.high)
        checked.refuse(outside, f"{name} is outside low..high")
    for _, series in bars.groupby(["symbol", "exchange"], sort=False):
        symbol, exchange = (str(series[name].iloc[0]) for name in ("symbol", "exchange"))
        problem = check_symbol(symbol, exchange)
        if problem:
            raise BarsError(f"{checked.file}, {checked.place(series.index[0])}: {problem}")
        steps = series["timestamp"].diff()
        checked.refuse(steps == pd.Timedelta(0), "timestamp is repeated", "timestamp")
        checked.refuse(
            steps < pd.Timedelta(0), "bars of a symbol are not in time order", "timestamp"
        )
        if len(steps) < 3:
            continue
        interval = steps.mode().iloc[0]
        if exchange in CRYPTO_EXCHANGES:
            gap, rule = steps != interval, f"not {interval} after the bar before (gap)"
        else:
            gap = steps > pd.Timedelta(days=MAX_CLOSED_DAYS)
            rule = f"more than {MAX_CLOSED_DAYS} days after the bar before (gap)"
        gap.iloc[0] = False
        checked.refuse(gap, f"{symbol}: {rule}", "timestamp")
