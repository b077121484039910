"""Ten features of a bar in percent: its parts, its move, and trailing means against its close.

Feng et al. (IJCAI 2019, arXiv:1810.09936) read eleven. Here open, high, low and close are adjusted
alike, so that their two moves, of the close and of the adjusted close, are one.

Legend: B windows, N = 60 bars, T newest steps.
"""

import numpy as np

from crisol.models.signals.features import BARS, trailing_mean

_MEANS = (5, 10, 15, 20, 25, 30)
_LIMIT = 100.0
"""Features are cut at this many percent, so that absurd bars stay finite."""

PERCENT_NAMES: tuple[str, ...] = (
    "open_percent", "high_percent", "low_percent", "return_percent",
    *(f"mean_{k}_percent" for k in _MEANS),
)  # fmt: skip
"""Every feature, in the order of the last axis of :func:`percent_features`.

open, high, low: against the close of the same bar · return: the close against the one before ·
mean_k: the mean close of k bars against the close. All are ratios less 1, in percent.
"""


def percent_features(bars_BN5: np.ndarray, steps: int = BARS) -> np.ndarray:
    """Features of the newest ``steps`` bars of windows.

    Args:
        bars_BN5: open, high, low, close, volume; float64; prices above 0.
        steps: T, 2 to 60.

    Returns:
        float32 [B, T, 10], cut at ±100. A step looks at its own and earlier bars alone; the first
        steps of a window average the bars there are.
    """
    newest = slice(BARS - steps, BARS)
    close_BN, close_BT = bars_BN5[..., 3], bars_BN5[:, newest, 3]
    before_BN = np.concatenate([close_BN[:, :1], close_BN[:, :-1]], axis=1)
    with np.errstate(over="ignore"):  # cut below
        ratios = [bars_BN5[:, newest, column] / close_BT for column in range(3)]
        ratios.append(close_BT / before_BN[:, newest])
        ratios += [(close_BN @ trailing_mean(k)[:, newest]) / close_BT for k in _MEANS]
        percent = (np.stack(ratios, axis=-1) - 1) * 100
    return percent.clip(-_LIMIT, _LIMIT).astype(np.float32)
