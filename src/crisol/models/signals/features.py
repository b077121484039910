"""The network's inputs from sixty bars: stationary, causal, the same code in training and service.

Legend: B windows, N = 60 bars, T newest steps, F features. Every feature of step ``t`` is built
from bars up to the end of the window only, prices enter as differences of logarithms, and moves are
measured in units of the window's own volatility, so that a price level never reaches the network.

Trailing means are products with constant triangular matrices: one call for a window or for a
hundred thousand.
"""

from functools import cache

import numpy as np

BARS = 60
_MEANS = (5, 10, 20, 30)
_DECAYS = (2, 6, 24)
_FLOOR = 1e-5
"""Smallest volatility (log return) a move is measured in."""
_HARMONICS = (1, 2, 3, 4)
_LIMIT = 8.0
"""Features are cut here (but the window's volatility), so that absurd bars stay finite."""

NAMES: tuple[str, ...] = (
    "return", "gap", "body", "upper_wick", "lower_wick", "close_in_range",
    *(f"mean_{k}" for k in _MEANS),
    *(f"volatility_{k}" for k in _DECAYS),
    "range_6", "window_volatility", "volume_z20", "volume_48", "volume_change", "stochastic_20",
    "trend_60", "move_lag_23", "move_lag_47", "return_lag_23",
    "weekday_sin", "weekday_cos",
    *(f"hour_{wave}_{q}" for q in _HARMONICS for wave in ("sin", "cos")),
)  # fmt: skip
"""Every feature, in the order of the last axis of :func:`features`.

return, gap (open against the last close), body, upper_wick, lower_wick: parts of the bar, in window
volatilities · close_in_range: -1 at the low, 1 at the high · mean_k: mean log close of k bars
against the close · volatility_k: log of the decayed volatility (half-life k) against the window's ·
range_6: the same of high-low ranges · window_volatility: its logarithm · volume_z20: z-score of log
volume in 20 bars · volume_48: log volume against its 48-bar mean · volume_change · stochastic_20:
close within the 20-bar range · trend_60: net move of the window · *_lag_q: what happened q bars
before, which for hourly bars is the hour to be predicted one (23) and two (47) days earlier ·
weekday and hour of day (harmonics) of the bar.
"""


class _Operators:
    """Constant matrices for the newest ``steps`` of a window; a product with one is a filter."""

    def __init__(self, steps: int) -> None:
        newest = slice(BARS - steps, BARS)
        bar = np.eye(BARS)[:, newest]
        mean_20, range_decay = trailing_mean(20)[:, newest], _decayed_mean(6)[:, newest]
        self.means = np.concatenate([trailing_mean(k)[:, newest] - bar for k in _MEANS], axis=1)
        self.decays = np.concatenate([_decayed_mean(k)[:, newest] for k in _DECAYS], axis=1)
        self.range_decay = np.ascontiguousarray(range_decay)
        self.volume = np.concatenate([bar - mean_20, bar - trailing_mean(48)[:, newest]], axis=1)
        self.mean_20 = np.ascontiguousarray(mean_20)


def _distance() -> np.ndarray:
    """[N, N]: number of bars between source (row) and step (column)."""
    return np.arange(BARS)[None, :] - np.arange(BARS)[:, None]


@cache
def trailing_mean(width: int) -> np.ndarray:
    """[N, N] matrix whose product averages the last ``width`` bars (fewer at the start)."""
    inside = (_distance() >= 0) & (_distance() < width)
    return np.asarray(inside / inside.sum(0))


def _decayed_mean(half_life: float) -> np.ndarray:
    """[N, N] matrix whose product is the exponentially decayed mean of the bars so far."""
    weight = np.where(_distance() >= 0, 0.5 ** (np.maximum(_distance(), 0) / half_life), 0.0)
    return np.asarray(weight / weight.sum(0))


_operators = cache(_Operators)


def _clock() -> np.ndarray:
    """[168, 10]: weekday and hour-of-day waves of each hour of the week, Monday 00:00 UTC first."""
    hour = np.arange(168)
    weekday, day = 2 * np.pi * hour / 168, 2 * np.pi * (hour % 24) / 24
    waves = [np.sin(weekday), np.cos(weekday)]
    waves += [wave(q * day) for q in _HARMONICS for wave in (np.sin, np.cos)]
    return np.stack(waves, axis=-1).astype(np.float32)


_CLOCK = _clock()


def features(bars_BN5: np.ndarray, seconds_BN: np.ndarray, steps: int = BARS) -> np.ndarray:
    """Features of the newest ``steps`` bars of windows.

    Args:
        bars_BN5: open, high, low, close, volume; float64; prices above 0.
        seconds_BN: when each bar opened, seconds since 1970 (UTC).
        steps: T, 2 to 60.

    Returns:
        float32 [B, T, F], F as in :data:`NAMES`, cut at ±8 but for the window's volatility. The
        first steps of a window see few earlier bars.
    """
    operators, windows = _operators(steps), len(bars_BN5)
    newest = slice(BARS - steps, BARS)
    opened_BN, high_BN, low_BN, close_BN = np.log(bars_BN5[..., :4]).transpose(2, 0, 1)
    volume_BN = np.log1p(bars_BN5[..., 4])
    volume_BN = volume_BN - volume_BN[:, :1]
    before = np.concatenate([close_BN[:, :1], close_BN[:, :-1]], axis=1)
    returns, ranges = close_BN - before, high_BN - low_BN
    squares = returns * returns
    scale = np.sqrt(squares.sum(1, keepdims=True) / (BARS - 1)) + _FLOOR
    unit = 1 / scale
    moves = returns * unit
    opened, high, low, close = (x[:, newest] for x in (opened_BN, high_BN, low_BN, close_BN))
    out = np.empty((windows, steps, len(NAMES)), np.float32)
    out[:, :, 0] = moves[:, newest]
    out[:, :, 1] = (opened - before[:, newest]) * unit
    out[:, :, 2] = (close - opened) * unit
    out[:, :, 3] = (high - np.maximum(close, opened)) * unit
    out[:, :, 4] = (low - np.minimum(close, opened)) * unit
    out[:, :, 5] = (2 * close - high - low) / (ranges[:, newest] + 1e-6)
    out[:, :, 6:10] = _unfold((close_BN @ operators.means) * unit, steps)
    decays = np.sqrt(squares @ operators.decays) * unit
    out[:, :, 10:13] = _unfold(np.log(decays + 1e-2), steps)
    out[:, :, 13] = np.log(np.sqrt((ranges * ranges) @ operators.range_decay) * unit + 1e-2)
    volume = volume_BN @ operators.volume
    from_mean = volume[:, :steps]
    mean_20 = volume_BN[:, newest] - from_mean
    variance = (volume_BN * volume_BN) @ operators.mean_20 - mean_20 * mean_20
    out[:, :, 15] = from_mean / (np.sqrt(np.maximum(variance, 0)) + 0.1)
    out[:, :, 16] = volume[:, steps:]
    out[:, 0, 17] = volume_BN[:, -steps] - volume_BN[:, max(0, BARS - steps - 1)]
    out[:, 1:, 17] = volume_BN[:, 1 - steps :] - volume_BN[:, -steps:-1]
    highest, lowest = _extremes(high_BN, low_BN, 20, steps)
    out[:, :, 18] = (close - lowest) / (highest - lowest + 1e-6) - 0.5
    out[:, :, 19] = (close_BN[:, -1:] - close_BN[:, :1]) * unit / np.sqrt(BARS)
    _put_lag(out[:, :, 20], np.abs(moves), 23)
    _put_lag(out[:, :, 21], np.abs(moves), 47)
    _put_lag(out[:, :, 22], moves, 23)
    hour_of_week = (seconds_BN[:, newest] // 3600 + 72) % 168  # 1970-01-01 was a Thursday
    out[:, :, 23:] = _CLOCK[hour_of_week.astype(np.intp)]
    out.clip(-_LIMIT, _LIMIT, out=out)
    out[:, :, 14] = np.log(scale)
    return out


def volatility(bars_BN5: np.ndarray) -> np.ndarray:
    """Standard deviation of each window's log returns, [B]; of one window [N, 5] a number."""
    return np.asarray(np.diff(np.log(bars_BN5[..., 3])).std(-1))


def trend_strength(bars_BN5: np.ndarray) -> np.ndarray:
    """Absolute net move of the log close over the length of its path, [B]: 0 (no trend) to 1."""
    steps = np.diff(np.log(bars_BN5[..., 3]))
    path = np.asarray(np.abs(steps).sum(-1))
    net = np.abs(steps.sum(-1))
    share = np.divide(net, path, out=np.zeros_like(path), where=path > 0)
    return np.asarray(np.minimum(share, 1.0))


def _unfold(values: np.ndarray, steps: int) -> np.ndarray:
    """[B, K·T] to [B, T, K]."""
    return values.reshape(len(values), -1, steps).swapaxes(1, 2)


def _put_lag(out_BT: np.ndarray, values_BN: np.ndarray, bars: int) -> None:
    """Fill with the values ``bars`` earlier; zero where the window does not reach."""
    missing = max(0, out_BT.shape[1] + bars - BARS)
    out_BT[:, :missing] = 0
    first = BARS - out_BT.shape[1] - bars + missing
    out_BT[:, missing:] = values_BN[:, first : BARS - bars]


def _extremes(
    high_BN: np.ndarray,
    low_BN: np.ndarray,
    width: int,
    steps: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Highest high and lowest low of the last ``width`` bars (fewer at the start), [B, T]."""
    # The lowest low is the highest of the negated lows: one pass finds both.
    reached = np.stack([high_BN, -low_BN])
    lacking = steps + width - 1 - BARS
    if lacking > 0:  # repeating the first bar changes no extreme
        reached = np.concatenate([reached[..., :1].repeat(lacking, -1), reached], axis=-1)
    reach = 1
    while reach < width:  # windows of 2, 4, 8, 16, then the width
        shift = min(reach, width - reach)
        reached = np.maximum(reached[..., shift:], reached[..., :-shift])
        reach += shift
    highest, negated_lowest = reached[..., -steps:]
    return highest, -negated_lowest
