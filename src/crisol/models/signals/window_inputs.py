"""The columns a network reads, by name: of one set of features, of the other, or of both."""

from functools import cache

import numpy as np

from crisol.models.signals.features import NAMES, features
from crisol.models.signals.percent_features import PERCENT_NAMES, percent_features

FEATURE_SETS: dict[str, tuple[str, ...]] = {"stationary": NAMES, "percent": PERCENT_NAMES}
ALL_NAMES: tuple[str, ...] = (*NAMES, *PERCENT_NAMES)
"""Every feature that a network may read."""


def window_inputs(
    bars_BN5: np.ndarray, seconds_BN: np.ndarray, steps: int, names: tuple[str, ...]
) -> np.ndarray:
    """The named features of the newest ``steps`` bars, float32 [B, T, F] in the order of ``names``.

    Only the sets that are asked for are computed.

    Args:
        bars_BN5: open, high, low, close, volume; float64; prices above 0.
        seconds_BN: when each bar opened, seconds since 1970 (UTC).
        steps: T, 2 to 60.
        names: out of :data:`ALL_NAMES`.
    """
    sets, chosen = _columns(names)
    parts = []
    if "stationary" in sets:
        parts.append(features(bars_BN5, seconds_BN, steps))
    if "percent" in sets:
        parts.append(percent_features(bars_BN5, steps))
    together = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
    return together.take(chosen, axis=-1)


@cache
def _columns(names: tuple[str, ...]) -> tuple[tuple[str, ...], np.ndarray]:
    """The sets that hold the names, and the position of each name in those sets one after another.

    >>> _columns(("return_percent", "open_percent"))
    (('percent',), array([3, 0]))
    """
    sets = tuple(name for name, members in FEATURE_SETS.items() if set(members) & set(names))
    there = [name for one in sets for name in FEATURE_SETS[one]]
    return sets, np.array([there.index(name) for name in names])
