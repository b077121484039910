"""Weights and second level: what helps on rows they were not learned from."""

import numpy as np

from crisol.models.tabular.auto.selection import nested_loss, select, weighting
from crisol.models.tabular.auto.stacking import better_stack, fit_stack
from crisol.models.tabular.ensemble import weighted_mean

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.normal(size=2000)
NOISES = RANDOM.normal(size=(3, 2000))
FAR = float("inf")


def sigmoid(odds: np.ndarray) -> np.ndarray:
    positive = 1 / (1 + np.exp(-odds))
    return np.stack([1 - positive, positive], axis=-1)


def test_errors_that_differ_are_averaged_out() -> None:
    answers = TRUTH + 0.5 * NOISES
    weights = select("rmse", answers, TRUTH)
    assert weights.min() > 0.2
    assert abs(weights.sum() - 1) < 1e-12
    combined = weighted_mean(answers, weights)
    assert np.std(combined - TRUTH) < 0.75 * min(np.std(a - TRUTH) for a in answers)


def test_what_brings_nothing_gets_no_weight() -> None:
    answers = np.stack([TRUTH + 0.1 * NOISES[0], TRUTH + 3 * NOISES[1], NOISES[2]])
    assert select("rmse", answers, TRUTH).tolist() == [1.0, 0.0, 0.0]


def test_probabilities_that_are_too_sure_are_mended() -> None:
    odds = TRUTH * 2
    target = (RANDOM.random(2000) < sigmoid(odds)[:, 1]).astype(np.int64)
    answers = np.stack([sigmoid(4 * odds + noise) for noise in NOISES])
    weights = select("log_loss", answers, target)
    stack = better_stack("log_loss", answers, target, weights, 0, FAR)
    assert stack is not None
    assert 0.1 < sum(stack.slopes) < 0.5


def test_a_bias_of_numbers_is_mended() -> None:
    answers = 0.8 * TRUTH + 1.0 + 0.3 * NOISES
    weights = select("rmse", answers, TRUTH)
    stack = better_stack("rmse", answers, TRUTH, weights, 0, FAR)
    assert stack is not None
    error = np.std(stack.combine(answers[np.flatnonzero(weights)]) - TRUTH)
    assert error < 0.25


def test_no_second_level_where_the_mean_is_right() -> None:
    odds = TRUTH * 2
    target = (RANDOM.random(2000) < sigmoid(odds)[:, 1]).astype(np.int64)
    answers = np.stack([sigmoid(odds + 0.2 * noise) for noise in NOISES])
    weights = select("log_loss", answers, target)
    assert better_stack("log_loss", answers, target, weights, 0, FAR) is None


def test_without_time_no_second_level_is_tried() -> None:
    answers = 0.8 * TRUTH + 1.0 + 0.3 * NOISES
    weights = select("rmse", answers, TRUTH)
    assert better_stack("rmse", answers, TRUTH, weights, 0, deadline=0.0) is None


def test_slopes_equal_ridge_regression_where_no_bound_holds() -> None:
    from sklearn.linear_model import LinearRegression

    answers = TRUTH + 0.5 * NOISES
    stack = fit_stack(answers, TRUTH, np.full(3, 1 / 3))
    known = LinearRegression().fit(answers.T, TRUTH)
    np.testing.assert_allclose(stack.slopes, known.coef_, atol=0.01)


def test_nested_loss_does_not_flatter_chance() -> None:
    target = RANDOM.normal(size=60)
    answers = RANDOM.normal(size=(200, 60))
    chosen = weighted_mean(answers, select("rmse", answers, target))
    flattering = float(np.sqrt(np.mean((chosen - target) ** 2)))
    honest = nested_loss("rmse", answers, target, weighting("rmse"), seed=0)
    assert honest > flattering * 1.1
