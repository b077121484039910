"""Metrics of classifications, on scikit-learn; class probabilities are (N rows, K classes)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crisol.core.arrays import Floats
from crisol.core.metrics import aligned


def confusion_matrix(truth: ArrayLike, predicted: ArrayLike, labels: ArrayLike) -> NDArray[Any]:
    """Counts (K, K): row = truth, column = prediction, in the order of ``labels``.

    Raises:
        ValueError: a label that is not in ``labels``, or different lengths.

    >>> confusion_matrix(["a", "b"], ["a", "a"], ["a", "b"]).tolist()
    [[1, 0], [1, 0]]
    """
    from sklearn import metrics

    truth, predicted = aligned(truth, predicted)
    names = np.asarray(labels).tolist()
    unknown = (set(truth.tolist()) | set(predicted.tolist())) - set(names)
    if unknown:
        raise ValueError(f"labels: {sorted(map(str, unknown))} are not among {names}")
    return np.asarray(metrics.confusion_matrix(truth, predicted, labels=names))


def log_loss(truth: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean negative log-probability (nats) of the true class; rows are normalised to sum to 1."""
    from sklearn import metrics

    classes, p = _classes_and_probabilities(truth, probabilities)
    p = p / p.sum(axis=1, keepdims=True)
    return float(metrics.log_loss(classes, p, labels=range(p.shape[1])))


def expected_calibration_error(truth: ArrayLike, probabilities: ArrayLike, bins: int = 15) -> float:
    """Mean distance between confidence and accuracy (arXiv:1706.04599), in [0, 1]."""
    return float(
        sum(
            row.share * abs(row.accuracy - row.confidence)
            for row in reliability_bins(truth, probabilities, bins)
        )
    )


@dataclass(frozen=True)
class ReliabilityBin:
    """The predictions whose confidence lies in one interval."""

    confidence: float
    accuracy: float
    share: float


def reliability_bins(
    truth: ArrayLike, probabilities: ArrayLike, bins: int = 15
) -> list[ReliabilityBin]:
    """Confidence against accuracy in intervals of equal width; empty ones are left out."""
    classes, p = _classes_and_probabilities(truth, probabilities)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == classes
    # Intervals are closed above: a confidence of exactly 1 lies in the last one.
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return [
        ReliabilityBin(
            float(confidence[inside].mean()), float(right[inside].mean()), float(inside.mean())
        )
        for inside in (index == number for number in range(bins))
        if inside.any()
    ]


def _classes_and_probabilities(
    truth: ArrayLike, probabilities: ArrayLike
) -> tuple[NDArray[np.int64], Floats]:
    classes, p = np.asarray(truth), np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 2 or classes.shape != (len(p),) or len(p) == 0:
        raise ValueError(
            f"metrics: need truth (N,) and probabilities (N, K); got {classes.shape}, {p.shape}"
        )
    if classes.dtype.kind not in "iu" or classes.min() < 0 or classes.max() >= p.shape[1]:
        raise ValueError(f"truth: must be class numbers from 0 to {p.shape[1] - 1}")
    if not np.isfinite(p).all() or not np.allclose(p.sum(axis=1), 1.0, atol=1e-3):
        raise ValueError("probabilities: every row must sum to 1")
    return classes.astype(np.int64), p
