"""What a table of raw bars must satisfy before anything is computed from it.

The rules are pandera checks; the error names the file (if known), the row, and the rule. A row is
counted as a person sees it in the CSV: the first bar is row 1 and stands in line 2.
"""

from typing import Any

import pandas as pd
import pandera.pandas as pa

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
    missing = [name for name in COLUMNS if name not in bars.columns]
    if missing:
        raise BarsError(f"{file}: column {missing[0]!r} is missing; needed: {', '.join(COLUMNS)}")
    extra = [str(name) for name in bars.columns if name not in COLUMNS]
    if extra:
        raise BarsError(f"{file}: column {extra[0]!r} is unknown; only: {', '.join(COLUMNS)}")
    if bars.empty:
        raise BarsError(f"{file}: there are no bars")
    bars = bars.loc[:, list(COLUMNS)].reset_index(drop=True)
    for name in COLUMNS:
        _refuse(bars, bars[name].isna(), file, f"{name} is empty")
    checked = bars.assign(timestamp=_timestamps(bars, file))
    for name in COLUMNS[3:]:
        numbers = pd.to_numeric(checked[name], errors="coerce")
        _refuse(bars, numbers.isna(), file, f"{name} is not a number", name)
    try:
        checked = SCHEMA.validate(checked)
    except pa.errors.SchemaError as error:
        raise BarsError(f"{file}{_locate(error)}") from error
    _check_relations(checked, file)
    return checked


def _timestamps(bars: pd.DataFrame, file: str) -> pd.Series:
    raw = bars["timestamp"]
    if pd.api.types.is_numeric_dtype(raw):
        raise BarsError(f"{file}: timestamp must be ISO 8601 text, such as 2024-01-31T10:00:00Z")
    times = pd.to_datetime(raw, utc=True, errors="coerce", format="ISO8601")
    _refuse(bars, times.isna(), file, "timestamp is not ISO 8601", "timestamp")
    return times.dt.as_unit("ns")


def _check_relations(bars: pd.DataFrame, file: str) -> None:
    """What several columns or neighbouring rows must satisfy."""
    _refuse(bars, bars.high < bars.low, file, "high is below low")
    for name in ("open", "close"):
        outside = (bars[name] < bars.low) | (bars[name] > bars.high)
        _refuse(bars, outside, file, f"{name} is outside low..high")
    for (symbol, exchange), rows in bars.groupby(["symbol", "exchange"], sort=False).groups.items():
        problem = check_symbol(str(symbol), str(exchange))
        if problem:
            raise BarsError(f"{file}, {_place(rows[0])}: {problem}")
        series = bars.loc[rows]
        steps = series["timestamp"].diff()
        _refuse(series, steps == pd.Timedelta(0), file, "timestamp is repeated", "timestamp")
        _refuse(
            series, steps < pd.Timedelta(0), file, "bars of a symbol are not in time order",
            "timestamp",
        )  # fmt: skip
        if len(series) < 3:
            continue
        interval = steps.mode().iloc[0]
        if exchange in CRYPTO_EXCHANGES:
            gap, rule = steps != interval, f"not {interval} after the bar before (gap)"
        else:
            gap = steps > pd.Timedelta(days=MAX_CLOSED_DAYS)
            rule = f"more than {MAX_CLOSED_DAYS} days after the bar before (gap)"
        gap.iloc[0] = False
        _refuse(series, gap, file, f"{symbol}: {rule}", "timestamp")


def _refuse(
    bars: pd.DataFrame, bad: pd.Series, file: str, rule: str, column: str | None = None
) -> None:
    if not bad.any():
        return
    index = int(bad[bad].index[0])
    value = f" ({column} {bars.loc[index, column]})" if column else ""
    more = int(bad.sum()) - 1
    raise BarsError(
        f"{file}, {_place(index)}: {rule}{value}" + (f"; {more} more rows like it" if more else "")
    )


def _place(index: Any) -> str:
    return f"row {int(index) + 1} (line {int(index) + 2})"


def _locate(error: pa.errors.SchemaError) -> str:
    column = getattr(error.schema, "name", None)
    rule = getattr(error.check, "error", None) or str(error.check)
    cases = error.failure_cases
    if isinstance(cases, pd.DataFrame) and len(cases) and pd.notna(cases["index"].iloc[0]):
        index, value = cases["index"].iloc[0], cases["failure_case"].iloc[0]
        return f", {_place(index)}: {column} {value!s} {rule}"
    return f": {column}: {error}"
