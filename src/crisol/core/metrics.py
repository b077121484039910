"""Metrics of predictions and their bootstrap. Importing it loads NumPy only: served bundles do.

Labels may be integers or strings. :mod:`crisol.core.classification` has the metrics of class
probabilities, which need scikit-learn.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crisol.core.arrays import Floats

_CHUNK_CELLS = 4_000_000
"""Group counts of the bootstrap held at once (32 MB)."""


def accuracy(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Share of rows predicted right.

    >>> accuracy([1, 2, 2], [1, 2, 1])
    0.6666666666666666
    """
    return _value("accuracy", truth, predicted)


def macro_f1(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Mean over the classes of F1; a class that is never right counts 0.

    >>> round(macro_f1([0, 0, 1], [0, 1, 1]), 4)
    0.6667
    """
    return _value("macro_f1", truth, predicted)


def mcc(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Matthews correlation (K classes: Gorodkin's R_K); 0 when a side is constant.

    >>> mcc([0, 0, 1, 1], [0, 0, 1, 1])
    1.0
    """
    return _value("mcc", truth, predicted)


def mae(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Mean absolute error."""
    return _value("mae", truth, predicted)


def rmse(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Root of the mean squared error."""
    return _value("rmse", truth, predicted)


def r2(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Share of the truth's variance that is explained; NaN for constant truth."""
    return _value("r2", truth, predicted)


def information_coefficient(outcome: ArrayLike, score: ArrayLike) -> float:
    """Spearman's rank correlation of a score with an outcome; 0 when a side is constant.

    >>> information_coefficient([1.0, 2.0, 3.0], [0.1, 0.5, 0.9])
    1.0
    """
    from scipy.stats import rankdata

    outcome, score = aligned(outcome, score)
    return correlation(rankdata(outcome), rankdata(score))


def correlation(a: ArrayLike, b: ArrayLike) -> float:
    """Pearson's correlation; 0 when a side is constant."""
    x, y = (np.asarray(side, dtype=np.float64) for side in aligned(a, b))
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(np.clip(x @ y / scale, -1.0, 1.0)) if scale > 0 else 0.0


@dataclass(frozen=True)
class PairedMetric:
    """A metric that can be computed from sums over the rows, and so bootstrapped quickly.

    Attributes:
        higher_is_better: the direction.
        statistics: (truth, predicted) to one vector of numbers a row, (N, S).
        value: sums of such vectors, (..., S), to the metric's values, (...).
    """

    higher_is_better: bool
    statistics: Callable[[NDArray[Any], NDArray[Any]], Floats]
    value: Callable[[Floats], Floats]


def _class_statistics(truth: NDArray[Any], predicted: NDArray[Any]) -> Floats:
    """Per class: is right, is true, is predicted; (N, 3 K)."""
    codes = np.unique(np.concatenate([truth, predicted]), return_inverse=True)[1]
    one_hot = np.eye(int(codes.max()) + 1)
    true, guessed = one_hot[codes[: len(truth)]], one_hot[codes[len(truth) :]]
    return np.concatenate([true * guessed, true, guessed], axis=1)


def _macro_f1_value(sums: Floats) -> Floats:
    right, true, guessed = np.split(sums, 3, axis=-1)
    either = true + guessed
    f1 = np.divide(2 * right, either, out=np.zeros_like(right), where=either > 0)
    return np.asarray(f1.mean(axis=-1))


def _mcc_value(sums: Floats) -> Floats:
    right, true, guessed = np.split(sums, 3, axis=-1)
    total = true.sum(axis=-1)
    covariance = right.sum(axis=-1) * total - (true * guessed).sum(axis=-1)
    spread = (total**2 - (true**2).sum(axis=-1)) * (total**2 - (guessed**2).sum(axis=-1))
    scale = np.sqrt(np.maximum(spread, 0.0))
    return np.asarray(np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 0))


def _numbers(values: NDArray[Any]) -> Floats:
    if values.dtype.kind not in "biuf":
        raise ValueError(f"this metric needs numbers, not {values.dtype}")
    return values.astype(np.float64)


def _mean_value(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / sums[..., 1])


def _with_count(values: Floats) -> Floats:
    return np.column_stack([values, np.ones(len(values))])


def _r2_statistics(truth: NDArray[Any], predicted: NDArray[Any]) -> Floats:
    y, error = _numbers(truth), _numbers(truth) - _numbers(predicted)
    y = y - y.mean()  # the variance of large values far from 0 would drown in rounding
    return np.column_stack([error**2, y, y**2, np.ones(len(y))])


def _r2_value(sums: Floats) -> Floats:
    error, y, squares, rows = np.moveaxis(sums, -1, 0)
    variance = squares - y**2 / rows
    ratio = np.divide(error, variance, out=np.full_like(error, np.nan), where=variance > 0)
    return np.asarray(1.0 - ratio)


PAIRED: Mapping[str, PairedMetric] = MappingProxyType(
    {
        "accuracy": PairedMetric(
            True, lambda t, p: _with_count((t == p).astype(np.float64)), _mean_value
        ),
        "macro_f1": PairedMetric(True, _class_statistics, _macro_f1_value),
        "mcc": PairedMetric(True, _class_statistics, _mcc_value),
        "mae": PairedMetric(
            False, lambda t, p: _with_count(np.abs(_numbers(t) - _numbers(p))), _mean_value
        ),
        "rmse": PairedMetric(
            False,
            lambda t, p: _with_count((_numbers(t) - _numbers(p)) ** 2),
            lambda sums: np.sqrt(_mean_value(sums)),
        ),
        "r2": PairedMetric(True, _r2_statistics, _r2_value),
        "mean": PairedMetric(True, lambda _, p: _with_count(_numbers(p)), _mean_value),
    }
)
"""The metrics that the gate may use. ``mean`` takes a score per row instead of a prediction and
ignores the truth: it serves every other metric that is a mean, such as NDCG."""


@dataclass(frozen=True)
class Interval:
    """A value and the percentile interval of its bootstrap."""

    value: float
    low: float
    high: float

    @property
    def signed(self) -> str:
        """The interval of a difference, as tables show it.

        >>> Interval(0.1, -0.02, 0.21).signed
        '-0.0200 to +0.2100'
        """
        return f"{self.low:+.4f} to {self.high:+.4f}"


@dataclass(frozen=True)
class PairedResult:
    """Two predictions compared on the same rows.

    Attributes:
        value_a: the metric of ``a`` on all rows.
        value_b: the metric of ``b`` on all rows.
        differences: metric of ``a`` minus metric of ``b`` in every resample.
    """

    value_a: float
    value_b: float
    differences: Floats

    @property
    def difference(self) -> Interval:
        """Metric of ``a`` minus metric of ``b`` with its 95 % interval."""
        low, high = np.nanquantile(self.differences, [0.025, 0.975])
        return Interval(self.value_a - self.value_b, float(low), float(high))

    @property
    def probability(self) -> float:
        """The share of the resamples in which the metric of ``a`` is above that of ``b``."""
        return float((self.differences > 0).mean())


def paired_bootstrap(
    truth: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    groups: ArrayLike | None = None,
    metric: str = "accuracy",
    resamples: int = 1000,
    seed: int = 0,
) -> PairedResult:
    """Compare two predictions by resampling groups of rows, the same ones for both.

    Rows of one group (a day, a user) are not independent, so whole groups are drawn with
    replacement. Without ``groups`` every row is its own.

    Args:
        truth: (N,); not looked at for ``mean``.
        a: (N,) predictions, or scores for ``mean``.
        b: (N,) the same of the other.
        groups: (N,) names of the groups.
        metric: a name in :data:`PAIRED`.
        resamples: how many.
        seed: of the draws.

    Raises:
        ValueError: unknown metric, different lengths, missing values.
    """
    chosen = _paired_metric(metric)
    truth, a, b = aligned(a if metric == "mean" else truth, a, b)
    sums_a, sums_b = chosen.statistics(truth, a), chosen.statistics(truth, b)
    width = sums_a.shape[1]
    sums = _by_group(np.concatenate([sums_a, sums_b], axis=1), groups)
    drawn = _resampled(sums, resamples, seed)
    return PairedResult(
        value_a=float(chosen.value(sums_a.sum(axis=0))),
        value_b=float(chosen.value(sums_b.sum(axis=0))),
        differences=chosen.value(drawn[:, :width]) - chosen.value(drawn[:, width:]),
    )


def bootstrap_interval(
    truth: ArrayLike,
    predicted: ArrayLike,
    groups: ArrayLike | None = None,
    metric: str = "accuracy",
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """A metric with its bootstrap percentile interval; arguments as :func:`paired_bootstrap`."""
    chosen = _paired_metric(metric)
    truth, predicted = aligned(truth, predicted)
    sums = chosen.statistics(truth, predicted)
    values = chosen.value(_resampled(_by_group(sums, groups), resamples, seed))
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return Interval(float(chosen.value(sums.sum(axis=0))), float(low), float(high))


def _by_group(sums: Floats, groups: ArrayLike | None) -> Floats:
    if groups is None:
        return sums
    names = np.asarray(groups)
    if len(names) != len(sums):
        raise ValueError(f"groups: {len(names)} of them for {len(sums)} rows")
    codes = np.unique(names, return_inverse=True)[1]
    count = int(codes.max()) + 1
    return np.column_stack(
        [np.bincount(codes, weights=column, minlength=count) for column in sums.T]
    )


def _resampled(sums: Floats, resamples: int, seed: int) -> Floats:
    """Sums (resamples, S) over groups drawn with replacement from sums (groups, S)."""
    generator, count = np.random.default_rng(seed), len(sums)
    chunk = max(1, _CHUNK_CELLS // count)
    results = []
    for start in range(0, resamples, chunk):
        rows = min(chunk, resamples - start)
        drawn = generator.integers(0, count, size=(rows, count), dtype=np.int32)
        offsets = np.arange(rows, dtype=np.int64)[:, None] * count
        times = np.bincount((drawn + offsets).ravel(), minlength=rows * count)
        results.append(times.reshape(rows, count).astype(np.float64) @ sums)
    return np.concatenate(results)


def _paired_metric(name: str) -> PairedMetric:
    if name not in PAIRED:
        raise ValueError(f"metric: {name!r} is unknown; there are: {', '.join(PAIRED)}")
    return PAIRED[name]


def _value(name: str, truth: ArrayLike, predicted: ArrayLike) -> float:
    truth, predicted = aligned(truth, predicted)
    metric = PAIRED[name]
    return float(metric.value(metric.statistics(truth, predicted).sum(axis=0)))


def aligned(*columns: ArrayLike) -> tuple[NDArray[Any], ...]:
    """The columns as vectors of one length.

    Raises:
        ValueError: different lengths, no rows, NaN or infinite values, or numbers beside text.
    """
    arrays = tuple(np.asarray(column) for column in columns)
    shapes = [array.shape for array in arrays]
    if len(set(shapes)) > 1 or len(shapes[0]) != 1 or shapes[0][0] == 0:
        raise ValueError(f"metrics: need vectors of one length, at least 1; got shapes {shapes}")
    for array in arrays:
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError("metrics: the values hold NaN or infinity")
    if len({array.dtype.kind in "biuf" for array in arrays}) > 1:
        raise ValueError(
            f"metrics: numbers cannot be compared with text; got {[a.dtype.name for a in arrays]}"
        )
    return arrays
