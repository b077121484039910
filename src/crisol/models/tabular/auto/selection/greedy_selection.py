"""The weights of trials in the ensemble.

Greedy forward selection with replacement on out-of-fold answers (Caruana et al., Ensemble Selection
from Libraries of Models, ICML 2004): start from the best, add again and again whichever trial helps
the mean most; how often each was taken is its weight. It needs no learned parameters, so that it
hardly overfits; what little it does is what :func:`nested_loss` measures.

Shapes: M trials, N judged rows, K classes.
"""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.models.tabular.auto import metrics
from crisol.models.tabular.ensemble import weighted_mean
from crisol.models.tabular.features.folds import Folds

ROUNDS = 40
SMALLEST_WEIGHT = 0.03
"""Members with less are dropped: they cost time with every row and bring nothing."""
NESTED_FOLDS = 5


def select(
    metric: metrics.Metric,
    answers: Floats,
    target: NDArray[np.generic],
    *,
    rounds: int = ROUNDS,
    deadline: float | None = None,
) -> Floats:
    """Weights [M] that sum to 1.

    Args:
        metric: what is minimised.
        answers: [M, N, K] or [M, N].
        target: [N].
        rounds: how often a trial is added at most.
        deadline: monotonic seconds after which to stop with what there is.
    """
    counts, total = np.zeros(len(answers)), np.zeros_like(answers[0])
    best_loss, best_counts = float("inf"), counts
    for size in range(1, rounds + 1):
        losses = [metrics.loss(metric, target, (total + each) / size) for each in answers]
        chosen = int(np.argmin(losses))
        counts = counts.copy()
        counts[chosen] += 1
        total = total + answers[chosen]
        if losses[chosen] < best_loss:
            best_loss, best_counts = losses[chosen], counts
        if deadline is not None and time.monotonic() > deadline:
            break
    return _without_small(best_counts / best_counts.sum())


def _without_small(weights: Floats) -> Floats:
    kept = np.where(weights >= SMALLEST_WEIGHT, weights, 0.0)
    whole: Floats = kept / kept.sum()
    return whole


def nested_loss(
    metric: metrics.Metric,
    answers: Floats,
    target: NDArray[np.generic],
    learn: Callable[[Floats, NDArray[np.generic]], Callable[[Floats], Floats]],
    parts: NDArray[np.integer],
) -> float:
    """The loss of a way to combine answers, on rows it did not learn the combination from.

    Args:
        metric: what is measured.
        answers: [M, N, K] or [M, N].
        target: [N].
        learn: answers and target to a way to combine.
        parts: [N] which rows are held out together, see :func:`nested_parts`.
    """
    combined = np.empty_like(answers[0])
    for part in np.unique(parts):
        held_out = parts == part
        combine = learn(answers[:, ~held_out], target[~held_out])
        combined[held_out] = combine(answers[:, held_out])
    return metrics.loss(metric, target, combined)


def nested_parts(folds: Folds, judged: NDArray[np.intp], seed: int) -> NDArray[np.integer]:
    """[N] what to hold out together among the judged rows: the folds, so that groups stay whole.

    Where all of them are of one fold they are divided at random.
    """
    numbers: NDArray[np.integer] = folds.numbers[0][judged] % NESTED_FOLDS
    if (numbers != numbers[:1]).any():
        return numbers
    parts = np.empty(len(judged), np.int64)
    parts[np.random.default_rng((seed, 3)).permutation(len(judged))] = (
        np.arange(len(judged)) % NESTED_FOLDS
    )
    return parts


def weighting(
    metric: metrics.Metric, deadline: float | None = None
) -> Callable[[Floats, NDArray[np.generic]], Callable[[Floats], Floats]]:
    """The weighted mean, in the shape :func:`nested_loss` takes."""

    def learn(answers: Floats, target: NDArray[np.generic]) -> Callable[[Floats], Floats]:
        weights = select(metric, answers, target, deadline=deadline)
        return lambda given: weighted_mean(given, weights)

    return learn
