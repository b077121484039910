"""The requests that `signals` answers, and its responses.

The checks that look at one number run inside pydantic's compiled core; those that look at several
run once per bar or once per sequence, so that a request of 60 bars parses in tens of microseconds.
"""

import re
from datetime import UTC, datetime, timedelta
from operator import lt
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from crisol.core.contract import Contract

SEQUENCE_BARS = 60
"""Bars in a request: the newest 60 finished ones."""
MAX_BATCH = 100
MAX_PRICE = 1e15
MAX_VOLUME = 1e21

CRYPTO_EXCHANGES = ("binance", "coinbase", "kraken", "bybit", "okx")
EQUITY_EXCHANGES = (
    "nyse", "nasdaq", "amex", "arca", "cboe", "iex", "otc",
    "lse", "xetra", "euronext", "six", "tsx", "tse", "hkex", "asx", "nse", "bse",
)  # fmt: skip
_CRYPTO_SYMBOL = re.compile(r"[A-Z0-9]{1,15}/[A-Z0-9]{2,10}")
_EQUITY_SYMBOL = re.compile(r"[A-Z0-9]{1,12}(?:[.-][A-Z0-9]{1,3})?")

Signal = Literal["sell", "hold", "buy"]
SIGNALS: tuple[Signal, ...] = ("sell", "hold", "buy")
"""The classes, in the order of the network's outputs."""
FactorName = Literal[
    "low_confidence", "high_volatility", "weak_trend", "unfamiliar_bars", "price_jump", "pause"
]
RiskLevel = Literal["low", "medium", "high", "critical"]


def check_exchange(value: str) -> str:
    """The exchange's canonical (lower-case) name.

    >>> check_exchange("Binance")
    'binance'

    Raises:
        ValueError: an unknown exchange; the message names those that are known.
    """
    name = value.lower()
    if name not in CRYPTO_EXCHANGES and name not in EQUITY_EXCHANGES:
        known = ", ".join((*CRYPTO_EXCHANGES, *EQUITY_EXCHANGES))
        raise ValueError(f"unknown exchange {value[:40]!r}; use one of: {known}")
    return name


def check_symbol(symbol: str, exchange: str) -> str | None:
    """Why ``symbol`` cannot trade on ``exchange`` (canonical name); ``None`` if it can.

    >>> check_symbol("AAPL", "binance")
    "symbol 'AAPL' does not fit the crypto exchange 'binance'; write BASE/QUOTE ... 'BTC/USDT'"
    """
    if exchange in CRYPTO_EXCHANGES:
        if _CRYPTO_SYMBOL.fullmatch(symbol):
            return None
        kind, form = "crypto", "BASE/QUOTE in capitals, such as 'BTC/USDT'"
    else:
        if _EQUITY_SYMBOL.fullmatch(symbol):
            return None
        kind, form = "equity", "a ticker in capitals, such as 'AAPL' or 'BRK.B'"
    return f"symbol {symbol!r} does not fit the {kind} exchange {exchange!r}; write {form}"


Price = Annotated[
    float, Field(gt=0, le=MAX_PRICE, description="Price in the quote currency, above 0.")
]


@dataclass(slots=True, frozen=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class OHLCVPoint:
    """One finished bar. A timestamp without an offset is UTC.

    A pydantic dataclass with slots, not a model: sixty of them parse in half the time.
    """

    timestamp: Annotated[datetime, Field(description="When the bar opened (ISO 8601).")]
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Annotated[float, Field(ge=0, le=MAX_VOLUME, description="Traded amount, 0 or more.")]

    def __post_init__(self) -> None:
        low, high = self.low, self.high
        if low <= self.open <= high and low <= self.close <= high:
            return
        if high < low:
            raise ValueError(f"high ({high}) is below low ({low}); swap or correct them")
        name, value = ("open", self.open) if not low <= self.open <= high else ("close", self.close)
        raise ValueError(f"{name} ({value}) is outside low..high ({low}..{high}); correct the bar")


def _check_order(sequence: list[OHLCVPoint]) -> list[OHLCVPoint]:
    times = [point.timestamp for point in sequence]
    try:
        if all(map(lt, times, times[1:])):
            return sequence
    except TypeError as error:  # Python does not compare a time with an offset to one without
        raise ValueError(
            "some timestamps carry a UTC offset and some do not; give all of them one, or none"
        ) from error
    index = next(i for i in range(1, len(times)) if times[i] <= times[i - 1])
    raise ValueError(
        f"timestamps must strictly increase: bar {index} ({times[index].isoformat()}) is not "
        f"after bar {index - 1} ({times[index - 1].isoformat()}); sort the bars and drop repeats"
    )


class PredictionRequest(Contract):
    """The newest 60 finished bars of one instrument, oldest first."""

    symbol: Annotated[str, Field(min_length=1, max_length=32, examples=["BTC/USDT", "AAPL"])]
    exchange: Annotated[
        str, Field(min_length=1, max_length=32, examples=["binance", "nasdaq"]),
        AfterValidator(check_exchange),
    ]  # fmt: skip
    sequence: Annotated[
        list[OHLCVPoint],
        Field(
            min_length=SEQUENCE_BARS,
            max_length=SEQUENCE_BARS,
            description="Exactly 60 bars, oldest first, strictly increasing in time.",
        ),
        AfterValidator(_check_order),
    ]

    @model_validator(mode="after")
    def _check_symbol(self) -> Self:
        problem = check_symbol(self.symbol, self.exchange)
        if problem:
            raise ValueError(problem)
        return self


class BatchRequest(Contract):
    """Several requests answered in one pass."""

    requests: Annotated[list[PredictionRequest], Field(min_length=1, max_length=MAX_BATCH)]


Probability = Annotated[float, Field(ge=0, le=1)]


class Probabilities(Contract):
    """How likely each signal is; they sum to 1."""

    sell: Probability
    hold: Probability
    buy: Probability


class Prediction(Contract):
    """The signal for the bar after the last one of the request."""

    signal: Signal
    confidence: Annotated[float, Field(ge=0, le=1, description="Probability of the signal.")]
    probabilities: Probabilities
    symbol: str
    exchange: str
    model_version: str
    inference_time_ms: Annotated[float, Field(ge=0)]
    timestamp: Annotated[datetime, Field(description="When this was answered (UTC).")]


class RiskFactor(Contract):
    """One reason for caution and the points it adds to the score."""

    name: FactorName
    points: Annotated[float, Field(gt=0)]
    value: Annotated[float, Field(description="What was found in this request.")]
    limit: Annotated[float, Field(description="The value beyond which it counts.")]
    message: str


class Risk(Contract):
    """How careful to be with the prediction: 0 (nothing speaks against it) to 10."""

    risk_score: Annotated[float, Field(ge=0, le=10)]
    risk_level: RiskLevel
    factors: list[RiskFactor]
    recommendation: str


class PredictionResponse(Contract):
    """A prediction and how much care it needs."""

    prediction: Prediction
    risk: Risk


class BatchResponse(Contract):
    """One response per request, in order."""

    predictions: list[PredictionResponse]


def example_request() -> PredictionRequest:
    """A valid request: 60 made-up hourly bars of BTC/USDT (plain arithmetic, no market data)."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    sequence: list[OHLCVPoint] = []
    close = 42_000.0
    for index in range(SEQUENCE_BARS):
        opened, close = close, round(close * (1 + 0.004 * ((index * 7) % 11 - 4.8) / 5), 2)
        sequence.append(
            OHLCVPoint(
                timestamp=start + timedelta(hours=index),
                open=opened,
                high=round(max(opened, close) * 1.0012, 2),
                low=round(min(opened, close) * 0.9988, 2),
                close=close,
                volume=float(900 + (index * 137) % 400),
            )
        )
    return PredictionRequest(symbol="BTC/USDT", exchange="binance", sequence=sequence)
