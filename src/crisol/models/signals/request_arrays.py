"""The arrays of a request: from the contract's objects, or straight from JSON.

An object per bar costs more than everything else that the event loop does for a request.
:func:`parse_request` and :func:`parse_batch` read JSON without them, with the checks of the
contract. They only answer what an ordinary body holds: everything that is wrong or unusual is left
to the contract, which alone says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from operator import itemgetter
from typing import Any, Self, TypeVar

import numpy as np
import orjson

from crisol.models.signals.bar_clock import Finding
from crisol.models.signals.contract import (
    MAX_BATCH,
    MAX_PRICE,
    MAX_VOLUME,
    SEQUENCE_BARS,
    PredictionRequest,
    check_exchange,
    check_symbol,
)

_request = itemgetter("symbol", "exchange", "sequence")
_bar = itemgetter("timestamp", "open", "high", "low", "close", "volume")
_NUMBERS = {float, int}
_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_OFFSETS = {
    ",".join([f"0000-00-00{between}00:00:00{fraction}{offset}"] * SEQUENCE_BARS).encode(): offset
    for between in "T "
    for fraction in ("", ".000")
    for offset in ("", "Z", "+00:00")
}
"""Sixty ordinary timestamps whose digits are all 0, and the offset of each."""

_ParsedT = TypeVar("_ParsedT")


@dataclass(frozen=True, slots=True)
class RequestArrays:
    """One request: its bars [N, 5] (open, high, low, close, volume) and when each opened [N].

    ``exchange`` is the canonical name; times are seconds since 1970. ``unsure`` is what a model's
    clock cannot decide about them.
    """

    symbol: str
    exchange: str
    bars_N5: np.ndarray
    seconds_N: np.ndarray
    unsure: tuple[Finding, ...] = ()

    @classmethod
    def of(cls, request: PredictionRequest) -> Self:
        """The arrays of a request that keeps the contract."""
        bars = np.array([(p.open, p.high, p.low, p.close, p.volume) for p in request.sequence])
        times = [p.timestamp for p in request.sequence]
        if times[0].tzinfo is None:  # the contract: no offset is UTC
            times = [time.replace(tzinfo=UTC) for time in times]
        seconds = np.array([time.timestamp() for time in times])
        return cls(request.symbol, request.exchange, bars, seconds)


@dataclass(frozen=True, slots=True)
class ArraysBatch:
    """The requests of a batch."""

    requests: list[RequestArrays]


def parse_request(body: bytes) -> RequestArrays | None:
    """The arrays of a ``PredictionRequest`` in JSON; ``None``: let the contract read it."""
    return _parsed(body, _arrays)


def parse_batch(body: bytes) -> ArraysBatch | None:
    """The arrays of a ``BatchRequest`` in JSON; ``None``: let the contract read it."""
    return _parsed(body, _batch)


def _parsed(body: bytes, make: Callable[[Any], _ParsedT]) -> _ParsedT | None:
    try:
        return make(orjson.loads(body))
    except (ValueError, TypeError, KeyError, AttributeError):  # of another shape or type
        return None


def _batch(document: Any) -> ArraysBatch:
    requests = document["requests"]
    if len(document) != 1 or not 1 <= len(requests) <= MAX_BATCH:
        raise ValueError
    return ArraysBatch(list(map(_arrays, requests)))


def _arrays(document: Any) -> RequestArrays:
    symbol, exchange, sequence = _request(document)
    exchange = check_exchange(exchange)
    if check_symbol(symbol, exchange) or len(document) != 3 or len(sequence) != SEQUENCE_BARS:
        raise ValueError
    times: list[str] = []
    numbers: list[float] = []
    for bar in sequence:
        time, opened, high, low, close, volume = _bar(bar)
        prices_fit = 0 < low <= opened <= high <= MAX_PRICE and low <= close <= high
        if not prices_fit or not 0 <= volume <= MAX_VOLUME or len(bar) != 6:
            raise ValueError
        times.append(time)
        numbers += opened, high, low, close, volume
    if not {*map(type, numbers)} <= _NUMBERS:  # true is 1 for Python, not for JSON
        raise ValueError
    bars = np.array(numbers, float).reshape(SEQUENCE_BARS, 5)
    return RequestArrays(symbol, exchange, bars, _seconds(times))


def _seconds(times: list[str]) -> np.ndarray:
    text = ",".join(times)
    offset = _OFFSETS[text.encode().translate(_DIGITS)]
    if offset:
        text = text.replace(offset, "")
    if "+" in text:  # another offset than +00:00
        raise ValueError
    milliseconds = np.array(text.split(","), "M8[ms]").astype(np.int64)
    if milliseconds[0] < 0 or not (milliseconds[1:] > milliseconds[:-1]).all():
        raise ValueError
    return milliseconds / 1000
