"""The real bars: where they come from, and how the public files become one table.

ACL18 (Xu & Cohen, 2018): 87 US stocks, daily, from Yahoo Finance by way of StockNet and Adv-ALSTM.
Open, high and low are multiplied by adjusted close / close, and close *is* the adjusted close, so
that splits and dividends are no moves; high and low are then widened where the rounding of the
published prices leaves the adjusted close outside them. BTCUSDT: hourly bars of Binance's perpetual
future, as published.
"""

from importlib.resources import files
from pathlib import Path

import pandas as pd

from crisol.core.data.sources import Source
from crisol.core.data.sources import fetch as fetch_sources
from crisol.core.files import replacing_file
from crisol.models.signals.data.adjustment import PRICES, follow_adjusted_close
from crisol.models.signals.data.prepare import clean

REAL_BARS = "real_bars.csv"
_ACL18 = (
    "https://raw.githubusercontent.com/fulifeng/Adv-ALSTM/"
    "3d6c3dc921f44832dd48734d79dbf60cd832cf5b/data/stocknet-dataset/price/raw"
)
_ACL18_LICENCE = (
    "MIT (yumoxu/stocknet-dataset); prices of Yahoo Finance; cite Xu & Cohen, ACL 2018; "
    "for research"
)
_BTCUSDT = Source(
    name="public/BTCUSDT_1h.csv",
    url="https://raw.githubusercontent.com/hmate9/PatchTST/"
    "38722595bca7bc37b8ec69133b5308edb70aaf4a/BTCUSDT_1h.csv",
    sha256="d3afcad89cbaf778326ae2da3eff7c5c8ec11d019391ad2848f468e429d12750",
    licence="Apache-2.0 (hmate9/PatchTST); public market data of Binance",
    mirror_path="signals/btcusdt_binance_futures/BTCUSDT_1h.csv",
)
_NASDAQ_SYMBOLS = "AAPL AGFS AMGN AMZN CELG CHTR CMCSA CSCO FB GOOG IEP INTC MSFT PCLN PICO"


def sources() -> list[Source]:
    """Every public file: 87 stocks and one future."""
    listed = files(__package__).joinpath("acl18.sha256").read_text().split("\n")
    stocks = []
    for line in filter(None, listed):
        digest, name = line.split()
        stocks.append(
            Source(
                name=f"public/acl18/{name}",
                url=f"{_ACL18}/{name}",
                sha256=digest,
                licence=_ACL18_LICENCE,
                mirror_path=f"signals/acl18_stocknet/raw/{name}",
            )
        )
    return [*stocks, _BTCUSDT]


def fetch(directory: Path | str, mirror: Path | str | None = None) -> list[Path]:
    """Have the public files in ``directory/public`` and the table made of them beside them.

    Args:
        directory: usually ``data/01_raw/signals``.
        mirror: a folder with local copies.

    Returns:
        The one path that ``--env real`` reads: ``real_bars.csv``.
    """
    directory = Path(directory)
    *stocks, future = fetch_sources(sources(), directory, mirror)
    table = pd.concat([*(read_stock(path) for path in stocks), read_future(future)])
    table.attrs["file"] = REAL_BARS
    table = clean(table)
    table["timestamp"] = table["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    target = directory / REAL_BARS
    with replacing_file(target) as scratch:
        table.to_csv(scratch, index=False, lineterminator="\n")
    return [target]


def read_stock(path: Path) -> pd.DataFrame:
    """One ACL18 file as raw bars, adjusted for splits and dividends."""
    raw = pd.read_csv(path)
    symbol = path.stem
    bars = pd.DataFrame(
        {
            "symbol": symbol,
            "exchange": "nasdaq" if symbol in _NASDAQ_SYMBOLS.split() else "nyse",
            "timestamp": raw["Date"] + "T00:00:00Z",
            **{name: raw[name.title()] for name in PRICES},
            "volume": raw["Volume"].astype(float),
        }
    )
    return follow_adjusted_close(bars, raw["Adj Close"])[0]


def read_future(path: Path) -> pd.DataFrame:
    """The BTCUSDT file as raw bars."""
    raw = pd.read_csv(path)
    times = pd.to_datetime(raw["time"], unit="ms", utc=True)
    return pd.DataFrame(
        {
            "symbol": "BTC/USDT",
            "exchange": "binance",
            "timestamp": times.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            **{name: raw[name].astype(float) for name in ("open", "high", "low", "close")},
            "volume": raw["volume"].astype(float),
        }
    )
