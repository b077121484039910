"""A person's file of bars as the table of raw bars, and what was assumed on the way.

Columns are found by :mod:`crisol.models.signals.data.bar_columns`; numbers and times are read by
:mod:`crisol.models.signals.data.number_cells` and :mod:`crisol.models.signals.data.time_cells`.
Each assumption is a sentence that the log and the report show, with the parameter that changes it.
"""

from pathlib import PurePath

import pandas as pd

from crisol.core.data.raw_tables import RawTableValidator
from crisol.models.signals.data.adjustment import follow_adjusted_close
from crisol.models.signals.data.bar_columns import (
    PRICES,
    below_tickers,
    find_columns,
    is_time_of_day,
    named_by_place,
)
from crisol.models.signals.data.errors import BarsError
from crisol.models.signals.data.instruments import exchange_of, standard_symbol, symbol_of_name
from crisol.models.signals.data.number_cells import is_missing, read_numbers, text
from crisol.models.signals.data.time_cells import read_times, with_clock
from crisol.models.signals.params import DataParams

COLUMNS = ["symbol", "exchange", "timestamp", "open", "high", "low", "close", "volume"]
_NO_SYMBOL = ("", "nan", "null", "none", "n/a", "-")
"""In lower case; NA is a ticker."""
_EVENT = r"(?i).*\b(dividends?|splits?|capital gains?)\b.*"
_ROUNDING = 1e-6


def read_bars(raw: pd.DataFrame, params: DataParams, file: str) -> tuple[pd.DataFrame, list[str]]:
    """The bars of a file, and what was assumed.

    Args:
        raw: the file, its cells as text or as typed values; ``attrs`` as of
            :func:`crisol.core.data.table_files.read_raw_table`.
        params: names of columns, symbol, exchange and time zone, where they are stated.
        file: its name.

    Returns:
        symbol, exchange, timestamp (UTC), open, high, low, close, volume (float64), by symbol in
        time order, numbered by the rows of the file; and the assumptions.

    Raises:
        BarsError: names the column that is missing, or the row that cannot be read, and the fix.
    """
    attrs = dict(raw.attrs)
    raw = raw.reset_index(drop=True)
    if raw.empty:
        raise BarsError(f"{file}: there are no bars")
    notes: list[str] = list(attrs.get("notes", ()))
    raw = named_by_place(raw, file, notes)
    table = below_tickers(raw, file, notes)
    by_place = any("there is no header" in note for note in notes)
    found = find_columns(table, params, file, notes)
    raw = table.reindex(raw.index)  # with the names of the columns, and every row of the file
    raw.attrs.update(attrs)
    validator = RawTableValidator(raw, file, BarsError)
    rows = _bars_alone(table, found, notes)
    if rows.empty:
        raise BarsError(f"{file}: no row has a price")
    times = _times(validator, rows, found, params, notes)
    prices = [found[name] for name in (*PRICES, "adjusted") if name in found]
    numbers = read_numbers(validator, rows, prices, found.get("volume"), params, notes)
    bars = pd.DataFrame({"timestamp": times, **{name: numbers[found[name]] for name in PRICES}})
    if "volume" in found:
        bars["volume"] = numbers[found["volume"]]
    else:
        bars["volume"] = 0.0
        notes.append(
            "there is no column for the volume: it is 0 in every bar; "
            "signals.data.columns.volume names one"
        )
    if by_place:
        _check_places(bars, file)
    bars.insert(0, "exchange", "")
    bars.insert(0, "symbol", "")
    bars["symbol"], bars["exchange"] = _instruments(validator, rows, found, params, notes)
    bars = _in_order(bars, notes)
    if "adjusted" in found:
        bars = _adjusted(bars, numbers[found["adjusted"]], found, notes)
    bars = _within_range(bars, notes)[COLUMNS]
    bars.attrs.update({name: attrs[name] for name in ("first_line", "gaps") if name in attrs})
    return bars, notes


def _bars_alone(table: pd.DataFrame, found: dict[str, str], notes: list[str]) -> pd.DataFrame:
    """The rows without those that have no price, such as those of dividends."""
    prices = [found[name] for name in PRICES]
    none = pd.concat([is_missing(table[name]) for name in prices], axis=1)
    empty = none.all(axis=1)
    words = pd.concat([text(table[name]).str.fullmatch(_EVENT) for name in prices], axis=1)
    event = words.any(axis=1) & (words | none).all(axis=1)
    if empty.any():
        notes.append(f"{int(empty.sum())} rows without any price are left out")
    if event.any():
        notes.append(f"{int(event.sum())} rows about dividends or splits are left out")
    return table[~(empty | event)]


def _check_places(bars: pd.DataFrame, file: str) -> None:
    """Refuse columns without names whose values are not those of their places."""
    prices = bars[list(PRICES)]
    ordered = (bars["high"] >= prices.max(axis=1)) & (bars["low"] <= prices.min(axis=1))
    volume = bars["volume"]
    like_price = (volume > 0.5 * bars["low"]) & (volume < 1.5 * bars["high"])
    wrong = (
        "high and low do not bound the others" if ordered.mean() < 0.95
        else "the column at the place of the volume holds prices" if like_price.mean() > 0.95
        else None
    )  # fmt: skip
    if wrong is not None:
        raise BarsError(
            f"{file}: has no header, and as timestamp, open, high, low, close, volume {wrong}; "
            "name the columns in their order with signals.data.read.names"
        )


def _times(
    raw: RawTableValidator,
    rows: pd.DataFrame,
    found: dict[str, str],
    params: DataParams,
    notes: list[str],
) -> "pd.Series[pd.Timestamp]":
    name = found["timestamp"]
    written = rows[name]
    if isinstance(written.dtype, pd.DatetimeTZDtype):
        utc: pd.Series[pd.Timestamp] = written.dt.tz_convert("UTC").dt.as_unit("ns")
        return utc
    clocks = [one for one in rows.columns if is_time_of_day(rows, found, str(one))]
    if clocks:
        written = with_clock(written, rows[clocks[0]])
        notes.append(f"{name!r} and {clocks[0]!r} together are timestamp")
    return read_times(raw, written, name, params, notes)


def _instruments(
    raw: RawTableValidator,
    rows: pd.DataFrame,
    found: dict[str, str],
    params: DataParams,
    notes: list[str],
) -> tuple["pd.Series[str]", "pd.Series[str]"]:
    """Symbol and exchange of each row."""
    symbol, exchange = params.symbol, params.exchange.lower()
    stem = PurePath(raw.file).stem
    if "symbol" in found and not symbol:
        written = text(rows[found["symbol"]])
        missing = written.str.lower().isin(_NO_SYMBOL)
        raw.refuse(missing, "symbol is empty", found["symbol"])
    else:
        if not symbol:
            symbol = symbol_of_name(stem, exchange)
            notes.append(
                f"the symbol is {symbol}, from the name of the file; "
                "signals.data.symbol states another"
            )
        written = pd.Series(symbol, index=rows.index, dtype="str")
    if "exchange" in found and not exchange:
        exchanges = text(rows[found["exchange"]]).str.lower()
    elif exchange:
        exchanges = pd.Series(exchange, index=rows.index, dtype="str")
    else:
        exchanges = written.map(lambda one: exchange_of(one, stem))
        notes.append(
            f"the exchange is {', '.join(sorted(exchanges.unique()))}, assumed; "
            "signals.data.exchange states another"
        )
    pairs = pd.DataFrame({"symbol": written, "exchange": exchanges}).drop_duplicates()
    standard = {
        (symbol, where): standard_symbol(symbol, where)
        for symbol, where in pairs.itertuples(index=False, name=None)
    }
    changed = sorted({f"{old} is {new}" for (old, _), new in standard.items() if old != new})
    if changed:
        notes.append(f"symbols are written in our form: {', '.join(changed[:5])}")
    symbols = [standard[key] for key in zip(written, exchanges, strict=True)]
    return pd.Series(symbols, index=rows.index, dtype="str"), exchanges


def _in_order(bars: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """By symbol and exchange in time order, without repeated rows."""
    repeated = bars.duplicated()
    if repeated.any():
        notes.append(f"{int(repeated.sum())} rows repeat another one and are left out")
        bars = bars[~repeated]
    groups = [part["timestamp"] for _, part in bars.groupby(["exchange", "symbol"], sort=False)]
    if not all(times.is_monotonic_increasing for times in groups):
        newest = all(times.is_monotonic_decreasing for times in groups)
        said = "the newest bar is the first" if newest else "bars are not in time order"
        notes.append(f"{said}: they are sorted")
    return bars.sort_values(["exchange", "symbol", "timestamp"], kind="stable")


def _adjusted(
    bars: pd.DataFrame, adjusted: "pd.Series[float]", found: dict[str, str], notes: list[str]
) -> pd.DataFrame:
    adjusted = adjusted.reindex(bars.index)
    if bool((adjusted == bars["close"]).all()):
        return bars
    parts, splits = [], 0
    for _, part in bars.groupby(["exchange", "symbol"], sort=False):
        changed, count = follow_adjusted_close(part, adjusted.reindex(part.index))
        parts.append(changed)
        splits += count
    volume = f"; volumes before {splits} splits are multiplied by their ratio" if splits else ""
    notes.append(
        f"prices are adjusted for splits and dividends by {found['adjusted']!r} / "
        f"{found['close']!r}{volume}; signals.data.columns.adjusted='' keeps them as they are"
    )
    return pd.concat(parts)


def _within_range(bars: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """High and low widened where rounding left open or close outside them."""
    highest, lowest = bars[["open", "close"]].max(axis=1), bars[["open", "close"]].min(axis=1)
    high = bars["high"].where(bars["high"] >= highest, highest)
    low = bars["low"].where(bars["low"] <= lowest, lowest)
    rounded = ((high != bars["high"]) & (high <= bars["high"] * (1 + _ROUNDING))) | (
        (low != bars["low"]) & (low >= bars["low"] * (1 - _ROUNDING))
    )
    if not rounded.any():
        return bars
    notes.append(f"high or low of {int(rounded.sum())} bars is widened by a rounding error")
    return bars.assign(
        high=bars["high"].where(~rounded, high), low=bars["low"].where(~rounded, low)
    )
