"""Which column of a person's bar file is which, by its name, or by its place without a header."""

import re
from pathlib import Path

import pandas as pd

from crisol.core.data.read_params import ReadParams
from crisol.core.data.table_files import read_raw_table
from crisol.models.signals.data.errors import BarsError
from crisol.models.signals.data.number_cells import text
from crisol.models.signals.data.time_cells import holds_clock
from crisol.models.signals.params import DataParams

PRICES = ("open", "high", "low", "close")
ALIASES = {
    "timestamp": (
        "timestamp", "datetime", "date time", "date", "time", "open time", "opentime", "unix",
        "unix timestamp", "unix time", "epoch", "ts", "gmt time", "local time", "dt", "dates", "t",
        "snapped at", "datum", "zeit", "zeitpunkt", "fecha", "data",
    ),
    "open": (
        "open", "o", "open price", "opening price", "px open", "first", "eröffnung", "eröffn",
        "erster", "eröffnungskurs", "apertura", "abertura", "ouv", "ouverture",
    ),
    "high": (
        "high", "h", "high price", "px high", "max", "hoch", "tageshoch", "höchst", "höchstkurs",
        "máximo", "maximo", "máxima", "massimo", "plus haut", "haut",
    ),
    "low": (
        "low", "l", "low price", "px low", "min", "tief", "tagestief", "tiefst", "tiefstkurs",
        "mínimo", "minimo", "mínima", "plus bas", "bas",
    ),
    "close": (
        "close", "c", "close/last", "last", "close price", "closing price", "px last",
        "schluss", "schlusskurs", "letzter", "zuletzt",
        "cierre", "último", "ultimo", "chiusura", "fechamento", "dernier", "clôture", "price",
        "last price",
    ),
    "adjusted": (
        "adj close", "adjclose", "adjusted close", "close adj", "adjusted",
    ),
    "volume": (
        "volume", "vol", "v", "tick volume", "tickvol", "tick vol", "px volume", "volumen",
        "umsatz", "stücke", "stück", "total traded quantity", "traded volume", "shares traded",
        "no of shares",
    ),
    "symbol": ("symbol", "ticker", "pair", "instrument", "tic", "name"),
    "exchange": ("exchange", "market", "venue"),
}  # fmt: skip
"""Our columns and the names that other programs give them, the surest first."""
_NUMBERED = re.compile(r"^\d+\s*\.\s*")
_OF_SYMBOL = re.compile(r"^.+[.](open|high|low|close|volume|adjusted)$")
_EXPLAINED = re.compile(r"((?:adj )?close) (?:adjusted )?close price adjusted .*")
"""Names with the hint that Yahoo's page shows."""
_UNNAMED = re.compile(r"column_\d+")
_BARS = ("timestamp", *PRICES)
_PLACES = {
    5: _BARS,
    6: (*_BARS, "volume"),
    7: (*_BARS, "volume", "trades"),
    12: (*_BARS, "volume", "close time", "quote volume", "trades", "taker volume",
         "taker quote volume", "ignored"),
}  # fmt: skip
"""Columns by their number: plain bars, Kraken's OHLCVT, and Binance's klines."""


def read_file(path: Path, read: ReadParams) -> pd.DataFrame:
    """A file of bars as text, see :func:`crisol.core.data.table_files.read_raw_table`.

    A first row that holds the names of bars is the header, even if they look like numbers
    (``1. open``).

    Raises:
        FileNotFoundError: there is no such file.
        MendableError: it cannot be read.
    """
    raw = read_raw_table(path, read)
    if read.header is None and not read.names and _is_unnamed(raw):
        known = {alias for ours in PRICES for alias in ALIASES[ours]}
        first = {plain(str(cell)) for cell in raw.iloc[0]}
        if len(first & known) >= len(PRICES):
            return read_raw_table(path, read.model_copy(update={"header": True}))
    return raw


def _is_unnamed(raw: pd.DataFrame) -> bool:
    return len(raw) > 0 and all(_UNNAMED.fullmatch(str(name)) for name in raw.columns)


def named_by_place(raw: pd.DataFrame, file: str, notes: list[str]) -> pd.DataFrame:
    """The columns of a file without a header, named by their places.

    Raises:
        BarsError: there is another number of them than in the files that are known.
    """
    columns = [str(name) for name in raw.columns]
    if not _is_unnamed(raw):
        return raw
    second = raw[columns[min(1, len(columns) - 1)]]
    clock = bool(text(second).str.contains(":").all()) and holds_clock(second)
    names = _PLACES.get(len(columns) - int(clock))
    if names is None:
        raise BarsError(
            f"{file}: has no header and {len(columns)} columns; name them in their order with "
            "signals.data.read.names"
        )
    if clock:
        names = (names[0], "time", *names[1:])
    notes.append(
        f"there is no header: the columns are taken as {', '.join(names)}, in this order; "
        "signals.data.read.names states others"
    )
    return raw.set_axis(list(names), axis=1)


def below_tickers(raw: pd.DataFrame, file: str, notes: list[str]) -> pd.DataFrame:
    """The rows below the headers that yfinance writes: prices and tickers, and perhaps "Date".

    Raises:
        BarsError: several tickers stand side by side.
    """
    names = [str(name) for name in raw.columns]
    if names[0] == "Price" and len(raw) > 2 and str(raw.iloc[0, 0]) == "Ticker":
        names = [f"{name} {ticker}" for name, ticker in zip(names, raw.iloc[0], strict=True)]
        raw = raw.iloc[1:]
    if names[0] != "Price Ticker":
        return raw
    parts = [name.rsplit(" ", 1) for name in names[1:]]
    tickers = {part[-1] for part in parts}
    if len(tickers) > 1:
        raise BarsError(
            f"{file}: has several tickers ({', '.join(sorted(tickers)[:5])}) side by side; write "
            "them below one another, with a column Ticker"
        )
    if str(raw.iloc[0, 0]) == "Date":
        raw = raw.iloc[1:]
    notes.append("the rows of tickers and of 'Date' below the header are part of it")
    return raw.set_axis(["Date", *(part[0] for part in parts)], axis=1).assign(Ticker=tickers.pop())


def plain(name: str) -> str:
    """The name of a column as :data:`ALIASES` has it.

    >>> plain("<CLOSE>"), plain("Adj. Close"), plain("4. close"), plain("AAPL.Volume")
    ('close', 'adj close', 'close', 'volume')
    """
    plain_name = _NUMBERED.sub("", name.strip().strip("<>").strip().lower())
    plain_name = _OF_SYMBOL.sub(r"\1", plain_name)
    return _EXPLAINED.sub(r"\1", re.sub(r"[\s._]+", " ", plain_name).strip())


def find_columns(
    raw: pd.DataFrame, params: DataParams, file: str, notes: list[str]
) -> dict[str, str]:
    """Our columns to those of the file.

    Raises:
        BarsError: a column is missing, or ``signals.data.columns`` names one that is not there.
    """
    names = [str(name) for name in raw.columns]
    found = _stated(names, params, file)
    free = {name: plain(name) for name in names if name not in found.values()}
    for ours, aliases in ALIASES.items():
        if ours in found or params.columns.get(ours) == "":
            continue
        fitting = [name for alias in aliases for name, said in free.items() if said == alias]
        if not fitting and ours == "volume":
            fitting = [name for name, said in free.items() if said.startswith("volume ")]
        if not fitting and ours == "timestamp":
            fitting = [n for n in free if not n.strip() or _UNNAMED.fullmatch(n)][:1]
        if ours == "volume":  # that of the venue is often 0, and that of the ticks is not
            fitting = [one for one in fitting if not _is_zero(raw[one])] or fitting
        if fitting:
            found[ours] = fitting[0]
            free.pop(fitting[0])
    _refuse_missing(found, names, file)
    read = {ours: name for ours, name in found.items() if name.lower() != ours}
    if read:
        said = ", ".join(f"{name!r} is {ours}" for ours, name in read.items())
        notes.append(f"{said}; signals.data.columns changes that")
    others = [name for name in free if not is_time_of_day(raw, found, name)]
    if others:
        notes.append(f"not read: the columns {', '.join(map(repr, others))}")
    return found


def _is_zero(cells: "pd.Series[str]") -> bool:
    return bool(text(cells).isin(("", "0", "0.0", "0.00")).all())


def _stated(names: list[str], params: DataParams, file: str) -> dict[str, str]:
    """The columns that a person names; an empty name leaves one out."""
    found: dict[str, str] = {}
    for ours, name in params.columns.items():
        if ours not in ALIASES:
            raise BarsError(
                f"signals.data.columns: {ours!r} is none of ours; there are: {', '.join(ALIASES)}"
            )
        if name == "":
            continue
        if name not in names:
            raise BarsError(
                f"signals.data.columns.{ours}: {file} has no column {name!r}; there are: "
                + ", ".join(map(repr, names))
            )
        found[ours] = name
    return found


def _refuse_missing(found: dict[str, str], names: list[str], file: str) -> None:
    for ours in ("timestamp", *PRICES):
        if ours not in found:
            raise BarsError(
                f"{file}: column {ours!r} is missing, it may also be called "
                f"{', '.join(map(repr, ALIASES[ours][1:5]))}; there are: "
                f"{', '.join(map(repr, names))}; name yours with signals.data.columns.{ours}=…"
            )


def is_time_of_day(raw: pd.DataFrame, found: dict[str, str], name: str) -> bool:
    """Whether a column holds the clock time that belongs to the column of the days."""
    if plain(name) not in ("time", "zeit", "hora") or name == found["timestamp"]:
        return False
    return not text(raw[found["timestamp"]]).str.contains(":").any() and holds_clock(raw[name])
