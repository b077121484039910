"""The checks of a table of raw bars, before anything is computed from it.

The rules are pandera checks; the error names the file (if known), the row, and the rule. A row is
counted as a person sees it in the CSV: the first bar is row 1 and stands in line 2.
"""

import pandas as pd
import pandera.pandas as pa

from crisol.core.data.raw_tables import RawTableValidator
from crisol.models.signals.contract import (
    CRYPTO_EXCHANGES,
    EQUITY_EXCHANGES,
    MAX_PRICE,
    MAX_VOLUME,
    check_symbol,
)
from crisol.models.signals.data.bar_times import refuse_times
from crisol.models.signals.data.errors import BarsError
from crisol.models.signals.params import DataParams

COLUMNS = ("symbol", "exchange", "timestamp", "open", "high", "low", "close", "volume")


def _prices() -> pa.Column:
    return pa.Column(
        float,
        [
            pa.Check.gt(0, error="must be above 0"),
            pa.Check.lt(float("inf"), error="is infinite"),
            pa.Check.le(MAX_PRICE, error=f"is above {MAX_PRICE:g}, the most in a request"),
        ],
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
            [
                pa.Check.ge(0, error="must be 0 or more"),
                pa.Check.le(MAX_VOLUME, error=f"is above {MAX_VOLUME:g}, the most in a request"),
            ],
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


def validate_bars(
    bars: pd.DataFrame, file: str = "bars", params: DataParams | None = None
) -> pd.DataFrame:
    """The same bars with numbers as float64 and timestamps as UTC, or an error.

    Args:
        bars: the columns of :data:`COLUMNS`; an index of different whole numbers holds the rows of
            the file.
        file: its name.
        params: the calendars of exchanges.

    Raises:
        BarsError: a missing, extra or wrongly typed column, an empty value, a price or volume out
            of range, a bar whose open or close lies outside low..high, an unsorted or repeated
            timestamp, a symbol that does not fit its exchange, or a bar that the clock of its
            exchange does not expect there.
    """
    attrs = dict(bars.attrs)
    if not bars.index.is_unique:
        bars = bars.reset_index(drop=True)
    bars.attrs.update(attrs)
    raw = RawTableValidator(bars, file, BarsError)
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
    checked.attrs.update(attrs)
    _check_relations(RawTableValidator(checked, file, BarsError))
    refuse_times(checked, params or DataParams(), file)
    return checked


def _timestamps(raw: RawTableValidator) -> pd.Series:
    found = raw.rows["timestamp"]
    if isinstance(found.dtype, pd.DatetimeTZDtype):
        utc: pd.Series[pd.Timestamp] = found.dt.tz_convert("UTC").dt.as_unit("ns")
        return utc
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
