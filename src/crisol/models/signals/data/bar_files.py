"""A person's file of bars as the table of raw bars, and what was assumed on the way.

Columns are found by their names, whatever their case; times and numbers are read by
:mod:`crisol.models.signals.data.cells`. Each assumption is a sentence that the log and the report
show, with the parameter that changes it.
"""

import re
from pathlib import PurePath

import pandas as pd

from crisol.models.signals.data import cells
from crisol.models.signals.data.adjustment import follow_adjusted_close
from crisol.models.signals.data.errors import BarsError
from crisol.models.signals.data.instruments import exchange_of, standard_symbol, symbol_of_name
from crisol.models.signals.params import DataParams

COLUMNS = ["symbol", "exchange", "timestamp", "open", "high", "low", "close", "volume"]
PRICES = ("open", "high", "low", "close")
ALIASES = {
    "timestamp": (
        "timestamp", "datetime", "date time", "date", "time", "open time", "opentime", "unix",
        "unix timestamp", "unix time", "epoch", "ts", "gmt time", "dt", "t",
    ),
    "open": ("open", "o", "open price", "opening price", "first"),
    "high": ("high", "h", "high price", "max"),
    "low": ("low", "l", "low price", "min"),
    "close": ("close", "c", "close/last", "last", "close price", "closing price", "price"),
    "adjusted": ("adj close", "adjclose", "adjusted close", "close adj", "adjusted"),
    "volume": ("volume", "vol", "v", "tick volume", "tickvol", "tick vol"),
    "symbol": ("symbol", "ticker", "pair", "instrument", "tic", "name"),
    "exchange": ("exchange", "market", "venue"),
}  # fmt: skip
"""Our columns and the names that other programs give them, the surest first."""
_NUMBERED = re.compile(r"^\d+\s*\.\s*")
_OF_SYMBOL = re.compile(r"^.+[.](open|high|low|close|volume|adjusted)$")
_UNNAMED = "column_1"
"""The reader's name of a first column that has none."""
_CLOCK_ONLY = re.compile(r"\d{1,2}:\d\d(:\d\d)?|\d{4}|\d{6}")
_ROUNDING = 1e-6
"""Largest share by which open or close may lie outside low..high through rounding."""


def read_bars(raw: pd.DataFrame, params: DataParams, file: str) -> tuple[pd.DataFrame, list[str]]:
    """The columns of raw bars, numbered as the rows of the file.

    Args:
        raw: the file, its cells as text or as typed values.
        params: names of columns, symbol, exchange and time zone, where they are stated.
        file: its name.

    Returns:
        symbol, exchange, timestamp (UTC), open, high, low, close, volume (float64), by symbol in
        time order; and the assumptions.

    Raises:
        BarsError: names the column that is missing, or the row that cannot be read, and the fix.
    """
    raw = raw.reset_index(drop=True)
    if raw.empty:
        raise BarsError(f"{file}: there are no bars")
    notes: list[str] = []
    raw = _below_tickers(raw, file, notes)
    found = _find_columns(raw, params, file, notes)
    empty = pd.concat([cells.is_missing(raw[found[name]]) for name in PRICES], axis=1).all(axis=1)
    if empty.any():
        notes.append(f"{int(empty.sum())} rows without any price are left out")
    rows = raw[~empty]
    bars = pd.DataFrame({name: _numbers(rows, found[name], file, notes) for name in PRICES})
    bars.insert(0, "timestamp", _times(rows, found, params, file, notes))
    if "volume" in found:
        bars["volume"] = _numbers(rows, found["volume"], file, notes)
    else:
        bars["volume"] = 0.0
        notes.append(
            "there is no column for the volume: it is 0 in every bar; "
            "signals.data.columns.volume names one"
        )
    bars.insert(0, "exchange", "")
    bars.insert(0, "symbol", "")
    bars["symbol"], bars["exchange"] = _instruments(rows, found, params, file, notes)
    bars = _in_order(bars, notes)
    if "adjusted" in found:
        bars = _adjusted(bars, _numbers(rows, found["adjusted"], file, notes), found, notes)
    bars = _within_range(bars, notes)
    return bars[COLUMNS], notes


def _below_tickers(raw: pd.DataFrame, file: str, notes: list[str]) -> pd.DataFrame:
    """The rows below the three headers that yfinance writes: prices, tickers, and "Date"."""
    joined = [str(name).rpartition(" ") for name in raw.columns]
    if str(raw.columns[0]) == "Price Ticker":  # the reader has joined two of the headers
        tickers = {ticker for _, _, ticker in joined[1:]}
        below = raw.set_axis(["Date", *(name for name, _, _ in joined[1:])], axis=1)
    elif str(raw.columns[0]) == "Price" and len(raw) > 2 and str(raw.iloc[0, 0]) == "Ticker":
        tickers = {str(ticker) for ticker in raw.iloc[0, 1:]}
        below = raw.iloc[2:].rename(columns={raw.columns[0]: "Date"})
    else:
        return raw
    if len(tickers) > 1:
        raise BarsError(
            f"{file}: has several tickers ({', '.join(sorted(tickers)[:5])}) side by side; write "
            "them below one another, with a column Ticker"
        )
    notes.append("the rows of tickers and of 'Date' below the header are part of it")
    return below.assign(Ticker=tickers.pop())


def plain(name: str) -> str:
    """The name of a column as :data:`ALIASES` has it.

    >>> plain("<CLOSE>"), plain("Adj. Close"), plain("4. close"), plain("AAPL.Volume")
    ('close', 'adj close', 'close', 'volume')
    """
    text = _NUMBERED.sub("", name.strip().strip("<>").strip().lower())
    text = _OF_SYMBOL.sub(r"\1", text)
    return re.sub(r"[\s._]+", " ", text).strip()


def _find_columns(
    raw: pd.DataFrame, params: DataParams, file: str, notes: list[str]
) -> dict[str, str]:
    """Our columns to those of the file."""
    names = [str(name) for name in raw.columns]
    found: dict[str, str] = {}
    for ours, name in params.columns.items():
        if ours not in ALIASES:
            raise BarsError(
                f"signals.data.columns: {ours!r} is none of ours; there are: {', '.join(ALIASES)}"
            )
        if name not in names:
            raise BarsError(
                f"signals.data.columns.{ours}: {file} has no column {name!r}; there are: "
                + ", ".join(map(repr, names))
            )
        found[ours] = name
    free = {name: plain(name) for name in names if name not in found.values()}
    for ours, aliases in ALIASES.items():
        if ours in found:
            continue
        fitting = [name for alias in aliases for name, said in free.items() if said == alias]
        if not fitting and ours == "volume":
            fitting = [name for name, said in free.items() if said.startswith("volume ")]
        if not fitting and ours == "timestamp":
            fitting = [name for name in free if name.strip() in ("", _UNNAMED)][:1]
        if fitting:
            found[ours] = fitting[0]
            free.pop(fitting[0])
    _refuse_missing(found, names, file)
    read = {ours: name for ours, name in found.items() if name.lower() != ours}
    if read:
        said = ", ".join(f"{name!r} is {ours}" for ours, name in read.items())
        notes.append(f"{said}; signals.data.columns changes that")
    others = [name for name in free if not _is_time_of_day(raw, found, name)]
    if others:
        notes.append(f"not read: the columns {', '.join(map(repr, others))}")
    return found


def _refuse_missing(found: dict[str, str], names: list[str], file: str) -> None:
    for ours in ("timestamp", *PRICES):
        if ours not in found:
            raise BarsError(
                f"{file}: column {ours!r} is missing, it may also be called "
                f"{', '.join(map(repr, ALIASES[ours][1:5]))}; there are: "
                f"{', '.join(map(repr, names))}; name yours with signals.data.columns.{ours}=…"
            )


def _is_time_of_day(raw: pd.DataFrame, found: dict[str, str], name: str) -> bool:
    """Whether a column holds the clock time that belongs to the column of the days."""
    days = raw[found["timestamp"]].astype("str").str.strip()
    if plain(name) != "time" or name == found["timestamp"] or days.str.contains(":").any():
        return False
    return bool(raw[name].astype("str").str.strip().str.fullmatch(_CLOCK_ONLY).all())


def _numbers(rows: pd.DataFrame, name: str, file: str, notes: list[str]) -> "pd.Series[float]":
    missing = cells.is_missing(rows[name])
    _refuse(rows, missing, name, file, f"{name} is empty")
    values, said = cells.numbers(rows[name])
    if said:
        notes.append(f"{name}: {said}")
    rule = f"{name} is not a number; write it with a decimal point and without other marks"
    _refuse(rows, values.isna(), name, file, rule)
    return values


def _times(
    rows: pd.DataFrame, found: dict[str, str], params: DataParams, file: str, notes: list[str]
) -> "pd.Series[pd.Timestamp]":
    name = found["timestamp"]
    written = rows[name]
    if isinstance(written.dtype, pd.DatetimeTZDtype):
        utc: pd.Series[pd.Timestamp] = written.dt.tz_convert("UTC").dt.as_unit("ns")
        return utc
    clocks = [one for one in rows.columns if _is_time_of_day(rows, found, str(one))]
    if clocks:
        at = rows[clocks[0]].astype("str").str.strip()
        if not at.str.contains(":").any():
            at = at.str.zfill(int(at.str.len().max())).str.replace(
                r"^(\d\d)(\d\d)(\d\d)?$", lambda m: ":".join(filter(None, m.groups())), regex=True
            )
        days = written.astype("str").str.strip()
        days = days.str.replace(r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3", regex=True)
        written = days + " " + at.str.zfill(5)
        notes.append(f"{name!r} and {clocks[0]!r} together are timestamp")
    times, said = cells.moments(written, params.timezone)
    if said:
        change = "; signals.data.timezone changes that" if "offset" in said else ""
        notes.append(f"{name!r} holds {said}{change}")
    rule = (
        f"{name} is no time that can be read; write ISO 8601, such as 2024-01-31T10:00:00Z (every "
        "row with an offset or none), seconds since 1970, or 31/01/2024 in a file with days "
        "above 12"
    )
    _refuse(rows, times.isna(), name, file, rule)
    return times


def _refuse(rows: pd.DataFrame, bad: "pd.Series[bool]", name: str, file: str, rule: str) -> None:
    if not bad.any():
        return
    index = int(bad[bad].index[0])
    more = int(bad.sum()) - 1
    raise BarsError(
        f"{file}, row {index + 1} (line {index + 2}): {rule} ({name} {rows.loc[index, name]!r})"
        + (f"; {more} more rows like it" if more else "")
    )


def _instruments(
    rows: pd.DataFrame, found: dict[str, str], params: DataParams, file: str, notes: list[str]
) -> tuple["pd.Series[str]", "pd.Series[str]"]:
    """Symbol and exchange of each row."""
    symbol, exchange = params.symbol, params.exchange.lower()
    stem = PurePath(file).stem
    if "symbol" in found and not symbol:
        written = rows[found["symbol"]].astype("str").str.strip()
        missing = cells.is_missing(rows[found["symbol"]]) & (written.str.lower() != "na")
        _refuse(rows, missing, found["symbol"], file, "symbol is empty")
    else:
        if not symbol:
            symbol = symbol_of_name(stem, exchange)
            notes.append(
                f"the symbol is {symbol}, from the name of the file; "
                "signals.data.symbol states another"
            )
        written = pd.Series(symbol, index=rows.index, dtype="str")
    if "exchange" in found and not exchange:
        exchanges = rows[found["exchange"]].astype("str").str.strip().str.lower()
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
        f"{found['close']!r}{volume}; leave out {found['adjusted']!r} to keep them as they are"
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
