"""From raw class probabilities to the ones that are answered: balance, hold shift, temperature.

The same rules serve the network and its baselines, and everything is fitted on validation samples.
Legend: R samples, C = 3 classes.
"""

import numpy as np
from scipy.special import softmax

from crisol.core.metrics import macro_f1
from crisol.models.signals.contract import SIGNALS

Offset = tuple[float, float, float]
"""Subtracted from the log-probabilities of sell, hold and buy."""
_SHIFTS = np.linspace(-0.35, 0.35, 15)


def balance_offset(labels_R: np.ndarray, balance: float) -> Offset:
    """``balance`` times the log frequency of each class in ``labels_R``.

    A class that is absent is left as improbable as it is: dividing its frequency out would raise it
    above the others.

    >>> balance_offset(np.array([0, 1, 1, 2]), 0.0)
    (0.0, 0.0, 0.0)
    >>> balance_offset(np.array([0, 2, 2, 0]), 1.0)[1]
    0.0
    """
    counts = np.bincount(labels_R, minlength=len(SIGNALS))
    if balance == 0:
        return (0.0, 0.0, 0.0)
    frequency = np.where(counts > 0, counts, counts.sum()) / counts.sum()
    sell, hold, buy = (float(x) for x in balance * np.log(frequency))
    return (sell, hold, buy)


def class_weights(labels_R: np.ndarray, balance: float) -> np.ndarray:
    """Weights of the classes [C] under which probabilities of that ``balance`` are calibrated."""
    frequency = np.bincount(labels_R, minlength=len(SIGNALS)) / len(labels_R)
    return np.where(frequency > 0, np.maximum(frequency, 1e-9) ** -balance, 0.0)


def weighted_log_loss(
    probabilities_RC: np.ndarray,
    labels_R: np.ndarray,
    weights_C: np.ndarray,
) -> float:
    """Mean negative log-probability of the truth, each sample weighted by its class."""
    chosen = np.maximum(probabilities_RC[np.arange(len(labels_R)), labels_R], 1e-12)
    return float(np.average(-np.log(chosen), weights=weights_C[labels_R]))


def best_hold_shift(probabilities_RC: np.ndarray, labels_R: np.ndarray) -> float:
    """The addition to log p(hold), within ±0.3, that maximises macro-F1.

    Scores are smoothed over three neighbouring shifts, so that a lucky one does not win.
    """
    logs = np.log(np.maximum(probabilities_RC, 1e-12))
    scores = [
        macro_f1(labels_R, (logs + np.array([0.0, shift, 0.0])).argmax(1)) for shift in _SHIFTS
    ]
    smooth = np.convolve(scores, np.ones(3) / 3, mode="valid")
    return float(_SHIFTS[1:-1][smooth.argmax()])


def apply_offset(probabilities_RC: np.ndarray, offset: Offset) -> np.ndarray:
    """Probabilities with ``offset`` taken from their logarithms, [R, C]."""
    logs = np.log(np.maximum(probabilities_RC, 1e-12)) - np.array(offset)
    return np.asarray(softmax(logs, axis=1))
