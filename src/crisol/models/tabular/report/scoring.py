"""Scores of predictions, with intervals.

Classes: probabilities [N, K] against codes [N]. Numbers: [N] against [N]. scikit-learn and
:mod:`crisol.core.metrics` compute; the intervals are bootstraps over groups of rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crisol.core import metrics as shared
from crisol.core.arrays import Floats
from crisol.core.classification import expected_calibration_error
from crisol.core.metrics import Interval
from crisol.models.tabular.auto.metrics import auc

RESAMPLES = 1000
AREA_RESAMPLES = 200
"""Resamples for the area under the curve, which is slower to compute."""
NOTHING = 1e-12
"""Absolute values up to it are shown as 0 in tables."""


@dataclass(frozen=True)
class Scored:
    """The figures of one model on one set of rows.

    Attributes:
        metrics: name to value.
        intervals: 95 % of some of them.
        classes: per class: name, rows, precision, recall, F1.
    """

    metrics: dict[str, float]
    intervals: dict[str, Interval] = field(default_factory=dict)
    classes: list[dict[str, Any]] = field(default_factory=list)


def score_classes(
    truth: NDArray[np.int64],
    probabilities: Floats,
    names: tuple[str, ...],
    groups: NDArray[Any] | None = None,
    *,
    intervals: bool = True,
) -> Scored:
    """Every figure of a classification.

    ``auc`` of several classes is the mean of each against the rest; it is left out where the rows
    hold one class alone. ``brier`` is the mean squared distance of the probabilities from the
    truth, summed over the classes (0 to 2).
    """
    from sklearn.metrics import precision_recall_fscore_support

    predicted = probabilities.argmax(axis=1)
    codes = np.arange(len(names))
    precision, recall, f1, count = precision_recall_fscore_support(
        truth, predicted, labels=codes, zero_division=0
    )
    there = count > 0
    losses = row_log_loss(truth, probabilities)
    found = {
        "accuracy": shared.accuracy(truth, predicted),
        "balanced_accuracy": float(recall[there].mean()),
        "precision": float(precision[there].mean()),
        "recall": float(recall[there].mean()),
        "f1": float(f1[there].mean()),
        "mcc": shared.mcc(truth, predicted),
        "log_loss": float(losses.mean()),
        "brier": float(((probabilities - np.eye(len(names))[truth]) ** 2).sum(axis=1).mean()),
        "ece": expected_calibration_error(truth, probabilities),
    }
    if len(names) == 2:  # as of a test for the second class
        found |= {"precision": float(precision[1]), "recall": float(recall[1])}
        found |= {"f1": float(f1[1]), "f1_macro": float(f1[there].mean())}
    area = auc(truth, probabilities)
    if area is not None:
        found["auc"] = area
    table = [
        {
            "class": name,
            "rows": int(count[code]),
            "precision": float(precision[code]),
            "recall": float(recall[code]),
            "f1": float(f1[code]),
        }
        for code, name in enumerate(names)
    ]
    if not intervals:
        return Scored(found, {}, table)
    spans = {
        "accuracy": _share_interval(truth, predicted, groups),
        "log_loss": shared.bootstrap_interval(losses, losses, groups, "mean"),
    }
    if area is not None:
        spans["auc"] = _area_interval(truth, probabilities, groups, area)
    return Scored(found, spans, table)


def score_numbers(
    truth: Floats, predicted: Floats, groups: NDArray[Any] | None = None, *, intervals: bool = True
) -> Scored:
    """Every figure of a regression; ``r2`` is left out where the truth never changes."""
    errors = predicted - truth
    found = {
        "rmse": shared.rmse(truth, predicted),
        "mae": shared.mae(truth, predicted),
        "mse": float(np.mean(errors**2)),
        "median_absolute_error": float(np.median(np.abs(errors))),
    }
    r2 = shared.r2(truth, predicted)
    names = ["rmse", "mae"]
    if np.isfinite(r2):
        found["r2"] = r2
        names.append("r2")
    if not intervals:
        return Scored(found)
    return Scored(
        found, {name: shared.bootstrap_interval(truth, predicted, groups, name) for name in names}
    )


def row_log_loss(truth: NDArray[np.int64], probabilities: Floats) -> Floats:
    """Negative log-probability [N] of each row's true class."""
    chosen = probabilities[np.arange(len(truth)), truth]
    return -np.log(np.clip(chosen, np.finfo(np.float64).eps, 1.0))


def _share_interval(
    truth: NDArray[np.int64], predicted: NDArray[np.int64], groups: NDArray[Any] | None
) -> Interval:
    """The interval of accuracy; where every row is right, or wrong, a bootstrap knows no doubt.

    Then it is the exact one of Clopper and Pearson (1934), with groups in the place of rows.
    """
    found = shared.bootstrap_interval(truth, predicted, groups, "accuracy")
    if 0 < found.value < 1:
        return found
    count = len(truth) if groups is None else len(np.unique(groups))
    doubt = 0.025 ** (1 / count)
    return Interval(1.0, doubt, 1.0) if found.value == 1 else Interval(0.0, 0.0, 1 - doubt)


def _area_interval(
    truth: NDArray[np.int64], probabilities: Floats, groups: NDArray[Any] | None, value: float
) -> Interval:
    """The percentile interval of :func:`auc`, by resampling whole groups."""
    names = np.arange(len(truth)) if groups is None else groups
    codes = np.unique(names, return_inverse=True)[1].reshape(-1)
    count = int(codes.max()) + 1
    generator = np.random.default_rng(0)
    drawn = [
        np.bincount(generator.integers(0, count, count), minlength=count)[codes]
        for _ in range(AREA_RESAMPLES)
    ]
    columns = [1] if probabilities.shape[1] == 2 else list(range(probabilities.shape[1]))
    areas = np.full((len(columns), AREA_RESAMPLES), np.nan)
    for place, code in enumerate(columns):
        area = _weighted_area(truth == code, probabilities[:, code])
        areas[place] = [area(weights) for weights in drawn]
    known = np.isfinite(areas)
    means = np.where(known, areas, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    low, high = np.quantile(means[known.any(axis=0)], [0.025, 0.975])
    return Interval(value, float(low), float(high))


def _weighted_area(positive: NDArray[np.bool_], score: Floats) -> Callable[[NDArray[Any]], float]:
    """Area under the curve as a function of the rows' weights; equal scores count half."""
    order = np.argsort(score, kind="stable")
    sorted_scores, sorted_positive = score[order], positive[order]
    starts = np.flatnonzero(np.r_[True, sorted_scores[1:] != sorted_scores[:-1]])

    def area(weights: NDArray[Any]) -> float:
        own = weights[order].astype(np.float64)
        wins = np.add.reduceat(own * sorted_positive, starts)
        losses = np.add.reduceat(own * ~sorted_positive, starts)
        pairs = wins.sum() * losses.sum()
        below = np.cumsum(losses) - losses
        return float((wins * (below + losses / 2)).sum() / pairs) if pairs > 0 else np.nan

    return area


def rounded(metrics: Mapping[str, float], names: tuple[str, ...]) -> dict[str, float | None]:
    """Some of the figures as a table shows them, ``None`` where there is no such figure."""
    return {
        name: float(f"{metrics[name]:.4g}") * (abs(metrics[name]) > NOTHING)
        if name in metrics
        else None
        for name in names
    }
