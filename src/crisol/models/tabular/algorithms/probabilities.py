"""Probabilities and scores, computed with NumPy alone because a bundle has no scikit-learn.

Legend: N rows, K classes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats

SMALLEST = 1e-7
"""Smaller probabilities are raised to it before their logarithm is taken."""


def softmax(scores: Floats) -> Floats:
    """Probabilities [N, K] of scores [N, K]."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def sigmoid(scores: Floats) -> Floats:
    """The logistic function, without overflow."""
    small = np.exp(-np.abs(scores))
    return np.where(scores >= 0, 1.0, small) / (1.0 + small)


def both_sides(positive: NDArray[Any]) -> Floats:
    """Probabilities [N, 2] from those [N] of the second class."""
    second = np.asarray(positive, dtype=np.float64)
    return np.column_stack([1.0 - second, second])


def log_probabilities(probabilities: Floats) -> Floats:
    """Logarithms of probabilities, none below that of :data:`SMALLEST`."""
    logs: Floats = np.log(np.clip(probabilities, SMALLEST, 1.0))
    return logs
