"""Sixty bars to what the network sees: stationary, causal, the same code in training and service.

Legend: B windows, N = 60 bars, T newest steps, F features. Every feature of step ``t`` is built
from bars up to the end of the window only, prices enter as differences of logarithms, and moves are
measured in units of the window's own volatility, so that a price level never reaches the network.

Trailing means are products with constant triangular matrices: one call for a window or for a
hundred thousand.
"""

from collections.abc import Sequence

import numpy as np

BARS = 60
_MEANS = (5, 10, 20, 30)
_DECAYS = (2, 6, 24)
_FLOOR = 1e-5
"""Smallest volatility (log return) a move is measured in."""
_HARMONICS = (1, 2, 3, 4)

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


def _trailing_mean(width: int) -> np.ndarray:
    """[N, N] matrix whose product averages the last ``width`` bars (fewer at the start)."""
    distance = np.subtract.outer(np.arange(BARS), np.arange(BARS)).T  # step minus source
    inside = (distance >= 0) & (distance < width)
    return inside / inside.sum(0)


def _decayed_mean(half_life: float) -> np.ndarray:
    """[N, N] matrix whose product is the exponentially decayed mean of the bars so far."""
    distance = np.subtract.outer(np.arange(BARS), np.arange(BARS)).T
    weight = np.where(distance >= 0, 0.5 ** (np.maximum(distance, 0) / half_life), 0.0)
    return weight / weight.sum(0)


_CLOSE_MEANS = np.concatenate([_trailing_mean(k) for k in _MEANS], axis=1)
_SQUARE_DECAYS = np.concatenate([_decayed_mean(k) for k in _DECAYS], axis=1)
_RANGE_DECAY = _decayed_mean(6)
_VOLUME_MEANS = np.concatenate([_trailing_mean(20), _trailing_mean(48)], axis=1)
_VOLUME_MEAN_20 = _trailing_mean(20)


def columns(names: Sequence[str]) -> np.ndarray:
    """Positions of ``names`` on the feature axis."""
    return np.array([NAMES.index(name) for name in names])


def features(bars_BN5: np.ndarray, seconds_BN: np.ndarray) -> np.ndarray:  # noqa: N803 (shape legend)
    """Features of windows.

    Args:
        bars_BN5: open, high, low, close, volume; float64; prices above 0.
        seconds_BN: when each bar opened, seconds since 1970 (UTC).

    Returns:
        float32 [B, N, F], F as in :data:`NAMES`. The first steps of a window see few bars.
    """
    logs = np.log(bars_BN5[..., :4])
    opened, high, low, close = (logs[..., i] for i in range(4))
    log_volume = np.log1p(bars_BN5[..., 4])
    windows = len(close)
    out = np.empty((windows, BARS, len(NAMES)), np.float32)
    position = 0

    def put(values: np.ndarray) -> None:
        nonlocal position
        out[:, :, position] = values
        position += 1

    returns = _difference(close)
    squares = returns * returns
    scale = np.sqrt(squares[:, 1:].mean(1, keepdims=True)) + _FLOOR
    moves = returns / scale
    gap = np.zeros_like(close)
    gap[:, 1:] = opened[:, 1:] - close[:, :-1]
    ranges = high - low
    put(moves)
    put(gap / scale)
    put((close - opened) / scale)
    put((high - np.maximum(close, opened)) / scale)
    put((low - np.minimum(close, opened)) / scale)
    put((2 * close - high - low) / (ranges + 1e-9))
    means = (close @ _CLOSE_MEANS).reshape(windows, len(_MEANS), BARS)
    for index in range(len(_MEANS)):
        put((means[:, index] - close) / scale)
    decays = np.sqrt((squares @ _SQUARE_DECAYS).reshape(windows, len(_DECAYS), BARS))
    decays = np.log(decays / scale[:, :, None] + 1e-2)
    for index in range(len(_DECAYS)):
        put(decays[:, index])
    put(np.log(np.sqrt((ranges * ranges) @ _RANGE_DECAY) / scale + 1e-2))
    put(np.log(scale))
    volume_means = log_volume @ _VOLUME_MEANS
    mean_20 = volume_means[:, :BARS]
    centred = log_volume - log_volume.mean(1, keepdims=True)  # variance without cancellation
    mean_centred = centred @ _VOLUME_MEAN_20
    variance = (centred * centred) @ _VOLUME_MEAN_20 - mean_centred * mean_centred
    put((log_volume - mean_20) / (np.sqrt(np.maximum(variance, 0)) + 0.1))
    put(log_volume - volume_means[:, BARS:])
    put(_difference(log_volume))
    put(_stochastic(high, low, close, 20))
    put((close[:, -1:] - close[:, :1]) / scale / np.sqrt(BARS))
    put(_lag(np.abs(moves), 23))
    put(_lag(np.abs(moves), 47))
    put(_lag(moves, 23))
    weekday = 2 * np.pi / 7 * ((seconds_BN / 86_400 + 3) % 7)  # 1970-01-01 was a Thursday
    put(np.sin(weekday))
    put(np.cos(weekday))
    hour = 2 * np.pi / 86_400 * (seconds_BN % 86_400)
    for harmonic in _HARMONICS:
        put(np.sin(harmonic * hour))
        put(np.cos(harmonic * hour))
    return out


def volatility(bars_N5: np.ndarray) -> float:  # noqa: N803
    """Standard deviation of the log returns of one window."""
    return float(np.diff(np.log(bars_N5[:, 3])).std())


def trend_strength(bars_N5: np.ndarray) -> float:  # noqa: N803
    """Absolute net move of the log close over the length of its path: 0 (no trend) to 1."""
    steps = np.diff(np.log(bars_N5[:, 3]))
    path = float(np.abs(steps).sum())
    return min(1.0, abs(float(steps.sum())) / path) if path > 0 else 0.0


def _difference(values_BN: np.ndarray) -> np.ndarray:  # noqa: N803
    out = np.zeros_like(values_BN)
    out[:, 1:] = values_BN[:, 1:] - values_BN[:, :-1]
    return out


def _lag(values_BN: np.ndarray, bars: int) -> np.ndarray:  # noqa: N803
    out = np.zeros_like(values_BN)
    out[:, bars:] = values_BN[:, : BARS - bars]
    return out


def _stochastic(high: np.ndarray, low: np.ndarray, close: np.ndarray, width: int) -> np.ndarray:
    """Where the close lies in the range of the last ``width`` bars: -0.5 to 0.5."""
    highest, lowest = high.copy(), low.copy()
    step = 1
    while step < width:  # running extremes by doubling: window 2, 4, 8, 16, then up to the width
        shift = min(step, width - step)
        highest[:, shift:] = np.maximum(highest[:, shift:], highest[:, :-shift].copy())
        lowest[:, shift:] = np.minimum(lowest[:, shift:], lowest[:, :-shift].copy())
        step += shift
    return (close - lowest) / (highest - lowest + 1e-9) - 0.5
