"""The symbol and the exchange of bars that do not name them in our form."""

import re

from crisol.models.signals.contract import CRYPTO_EXCHANGES, EQUITY_EXCHANGES

_QUOTES = ("USDT", "USDC", "BUSD", "TUSD", "USD", "EUR", "GBP", "JPY", "BTC", "ETH")
_SPAN = re.compile(r"-\d+(?:s|m|h|d|w|mo|min)(?:-\d{4}(?:-\d\d){0,2})?$", re.IGNORECASE)
"""The interval and the month that Binance appends to the names of its files."""
_STABLE = ("USDT", "USDC", "BUSD", "TUSD")
_OF_SUFFIX = {
    "DE": "xetra", "L": "lse", "PA": "euronext", "AS": "euronext", "BR": "euronext",
    "LS": "euronext", "SW": "six", "TO": "tsx", "T": "tse", "HK": "hkex", "AX": "asx", "NS": "nse",
    "BO": "bse",
}  # fmt: skip
"""The exchange of a Yahoo ticker such as ``SAP.DE``."""


def symbol_of_name(stem: str, exchange: str = "") -> str:
    """The symbol in the name of a file without ending.

    >>> symbol_of_name("AAPL"), symbol_of_name("Binance_BTCUSDT_1h"), symbol_of_name("eth-eur_2024")
    ('AAPL', 'BTC/USDT', 'ETH/EUR')
    >>> symbol_of_name("BTCUSDT-1h-2024-01"), symbol_of_name("XBTUSD_60")
    ('BTC/USDT', 'XBT/USD')
    """
    stem = _SPAN.sub("", stem)
    known = {*CRYPTO_EXCHANGES, *EQUITY_EXCHANGES}
    parts = [part for part in re.split(r"[_\s]+", stem) if part and part.lower() not in known]
    chosen = parts[0] if parts else stem
    return standard_symbol(chosen, exchange or exchange_of(chosen, stem))


def standard_symbol(symbol: str, exchange: str) -> str:
    """A symbol in the form of its exchange.

    >>> standard_symbol("btcusdt", "binance"), standard_symbol("ETH-EUR", "kraken")
    ('BTC/USDT', 'ETH/EUR')
    >>> standard_symbol("brk.b", "nyse"), standard_symbol("^GSPC", "nyse")
    ('BRK.B', 'GSPC')
    """
    text = symbol.strip().upper().lstrip("^").removesuffix("=X")
    if exchange not in CRYPTO_EXCHANGES or "/" in text:
        return text
    if re.fullmatch(r"[A-Z0-9]+[-_:][A-Z0-9]+", text):
        return re.sub(r"[-_:]", "/", text)
    for quote in _QUOTES:
        if text.endswith(quote) and len(text) > len(quote) + (2 if quote in _STABLE else 0):
            return f"{text.removesuffix(quote)}/{quote}"
    return text


def exchange_of(symbol: str, stem: str) -> str:
    """The exchange that the name of the file says, or one on which such a symbol trades.

    >>> exchange_of("SAP.DE", ""), exchange_of("BRK.B", ""), exchange_of("ETH-EUR", "kraken_eth")
    ('xetra', 'nasdaq', 'kraken')
    """
    for part in re.split(r"[_\s-]+", stem.lower()):
        if part in CRYPTO_EXCHANGES or part in EQUITY_EXCHANGES:
            return part
    text = symbol.strip().upper()
    pair = "/" in text or any(
        re.search(rf"{mark}{quote}$", text) and len(text) > len(quote)
        for quote in _QUOTES
        for mark in ("-", "" if quote in _STABLE or text.startswith(("BTC", "ETH")) else "-")
    )
    return "binance" if pair else _OF_SUFFIX.get(text.rpartition(".")[2], "nasdaq")
