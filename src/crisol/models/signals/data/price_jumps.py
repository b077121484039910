"""Jumps between two bars that look like a split whose older prices were not adjusted.

The same function looks at the bars of training and of a request. It needs NumPy alone.
Legend: B windows, N bars.
"""

import numpy as np

SIMPLE_RATIOS = (
    1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0,
    100.0,
)  # fmt: skip
"""New shares for an old one in a split, or old ones for a new in a reverse split."""
LIMIT = 1.42
"""Smallest ratio of a close and the next open that is looked at."""
_TOLERANCE = 0.06
_UNUSUAL = 4.0
"""A jump is at least so many times the largest other gap or move of a bar (logarithms)."""
_NEAR, _AROUND = 30, 10
"""Bars on both sides that moves and volumes are compared with."""
_VOLUME_SHARE = 0.4
"""Where volumes are known they change by at least this power of the ratio, the other way."""


def jumps(bars_N5: np.ndarray) -> list[tuple[int, float]]:
    """The bars that open at a simple ratio of the close before: position and new shares for an old.

    >>> bars = np.full((60, 5), 100.0)
    >>> bars[30:, :4] /= 4
    >>> bars[30:, 4] *= 4
    >>> jumps(bars)
    [(30, 4.0)]
    """
    step = bars_N5[:-1, 3] / bars_N5[1:, 0]
    candidates = np.flatnonzero((step > LIMIT) | (step < 1 / LIMIT))
    if len(candidates) == 0:
        return []
    gaps = np.abs(np.log(step))
    others = gaps.copy()
    others[candidates] = 0
    moves = np.abs(np.log(bars_N5[:, 3] / bars_N5[:, 0]))
    found = []
    for i in candidates.tolist():
        ratio = split_ratio(float(step[i]), _TOLERANCE)
        if ratio is None:
            continue
        near = slice(max(0, i - _NEAR), i + _NEAR)
        usual = max(float(others[near].max()), float(moves[near].max()))
        if gaps[i] >= _UNUSUAL * usual or _volume_follows(bars_N5[:, 4], i, ratio):
            found.append((i + 1, ratio))
    return found


def splits(bars_BN5: np.ndarray) -> list[tuple[int, float] | None]:
    """The first jump of each window."""
    step = bars_BN5[:, :-1, 3] / bars_BN5[:, 1:, 0]
    strange = ((step > LIMIT) | (step < 1 / LIMIT)).any(1)
    return [
        next(iter(jumps(bars_BN5[i])), None) if one else None
        for i, one in enumerate(strange.tolist())
    ]


def _volume_follows(volume_N: np.ndarray, i: int, ratio: float) -> bool:
    """Whether volumes change with the number of shares."""
    before = np.median(volume_N[max(0, i + 1 - _AROUND) : i + 1])
    after = np.median(volume_N[i + 1 : i + 1 + _AROUND])
    if before <= 0 or after <= 0:
        return False
    change = float(np.log(after / before) / np.log(ratio))
    return _VOLUME_SHARE <= change <= 2 - _VOLUME_SHARE


def split_ratio(step: float, tolerance: float) -> float | None:
    """The simple ratio that ``step`` (above 1) or its inverse (below 1) is close to.

    >>> split_ratio(4.03, 0.04), split_ratio(0.0995, 0.04), split_ratio(1.02, 0.04)
    (4.0, 0.1, None)
    """
    size = max(step, 1 / step) if step > 0 else 1.0
    nearest = min(SIMPLE_RATIOS, key=lambda ratio: abs(np.log(size / ratio)))
    if abs(size / nearest - 1) > tolerance:
        return None
    return nearest if step >= 1 else 1 / nearest


def described(ratio: float) -> str:
    """A split as people name it, and what the older bars need.

    >>> described(4.0)
    'a 4:1 split; divide the prices before it by 4 and multiply the volumes by 4'
    >>> described(0.1)
    'a 1:10 split; multiply the prices before it by 10 and divide the volumes by 10'
    """
    size = max(ratio, 1 / ratio)
    named = {1.5: ("3", "2"), 2.5: ("5", "2")}.get(round(size, 6), (f"{size:g}", "1"))
    if ratio >= 1:
        return (
            f"a {named[0]}:{named[1]} split; divide the prices before it by {size:g} and multiply "
            f"the volumes by {size:g}"
        )
    return (
        f"a {named[1]}:{named[0]} split; multiply the prices before it by {size:g} and divide the "
        f"volumes by {size:g}"
    )
