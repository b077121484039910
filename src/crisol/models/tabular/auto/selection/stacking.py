"""The second level: learned on out-of-fold answers, kept only where it is better on others.

Classes: the logarithmic opinion pool of :class:`crisol.models.tabular.ensemble.SecondLevel`, fitted
by maximum likelihood; its slopes also correct probabilities that are too sure or not sure enough.
Numbers: ridge regression. Slopes are not negative, and are drawn towards the greedy weights.
"""

import time

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from crisol.core.arrays import Floats
from crisol.models.tabular.algorithms.probabilities import log_probabilities, softmax
from crisol.models.tabular.auto import metrics
from crisol.models.tabular.auto.selection.greedy_selection import nested_loss, select, weighting
from crisol.models.tabular.ensemble import SecondLevel

PULL = 10.0
"""Strength of the penalty on slopes that leave the greedy weights, in rows."""
LEAST_GAIN = 1e-3
"""Share of the loss that a second level must save to be kept."""


def better_stack(
    metric: metrics.Metric,
    answers: Floats,
    target: NDArray[np.generic],
    weights: Floats,
    parts: NDArray[np.integer],
    deadline: float,
) -> SecondLevel | None:
    """A second level on the trials that have weight, if nested cross-validation finds it better.

    Args:
        metric: what is minimised.
        answers: [M, N, K] or [M, N] of all trials.
        target: [N].
        weights: [M] of the greedy selection.
        parts: [N] the nested folds.
        deadline: monotonic seconds after which not to begin.

    Returns:
        Slopes for the trials with weight, in order; ``None`` where the weighted mean is as good.
    """
    kept = np.flatnonzero(weights)
    chosen = answers[kept]
    started = time.monotonic()
    plain = nested_loss(metric, chosen, target, weighting(metric), parts)
    if 3 * (time.monotonic() - started) > deadline - time.monotonic():
        return None

    def learn(given: Floats, truth: NDArray[np.generic]):  # type: ignore[no-untyped-def]
        return fit_stack(given, truth, select(metric, given, truth)).combine

    stacked = nested_loss(metric, chosen, target, learn, parts)
    if stacked >= plain * (1 - LEAST_GAIN):
        return None
    return fit_stack(chosen, target, weights[kept])


def fit_stack(answers: Floats, target: NDArray[np.generic], weights: Floats) -> SecondLevel:
    """Slopes [M] and offsets from answers [M, N, K] or [M, N]."""
    if answers.ndim == 2:
        return _of_numbers(answers, target.astype(np.float64), weights)
    return _of_classes(log_probabilities(answers), target.astype(np.int64), weights)


def _of_numbers(answers: Floats, target: Floats, weights: Floats) -> SecondLevel:
    size, rows = answers.shape
    spread = float(answers.var(axis=1).mean()) or 1.0
    centre, means = float(target.mean()), answers.mean(axis=1)
    given, wanted = answers - means[:, None], target - centre
    gram = given @ given.T + PULL * spread * np.eye(size)
    pulled = given @ wanted + PULL * spread * weights
    objective = lambda w: (0.5 * w @ gram @ w - w @ pulled, gram @ w - pulled)  # noqa: E731
    found = minimize(objective, weights, jac=True, bounds=[(0, None)] * size, method="L-BFGS-B")
    slopes = np.asarray(found.x)
    assert rows == len(target)
    return SecondLevel(tuple(slopes.tolist()), (centre - float(slopes @ means),))


def _of_classes(logs: Floats, target: NDArray[np.int64], weights: Floats) -> SecondLevel:
    size, rows, classes = logs.shape
    truth = np.eye(classes)[target]

    def objective(vector: Floats) -> tuple[float, Floats]:
        slopes, offsets = vector[:size], vector[size:]
        shares = softmax(np.einsum("m,mnk->nk", slopes, logs) + offsets)
        away = slopes - weights
        penalty = PULL * (away @ away + offsets @ offsets)
        loss = -np.log(np.clip((shares * truth).sum(axis=1), 1e-300, 1)).sum() + penalty
        error = shares - truth
        gradient = np.concatenate(
            [
                np.einsum("mnk,nk->m", logs, error) + 2 * PULL * away,
                error.sum(axis=0) + 2 * PULL * offsets,
            ]
        )
        return float(loss) / rows, gradient / rows

    start = np.concatenate([weights, np.zeros(classes)])
    bounds = [(0, None)] * size + [(None, None)] * classes
    found = minimize(objective, start, jac=True, bounds=bounds, method="L-BFGS-B")
    slopes, offsets = found.x[:size], found.x[size:]
    return SecondLevel(tuple(slopes.tolist()), tuple(offsets.tolist()))
