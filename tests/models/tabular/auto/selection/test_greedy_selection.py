"""Weights and second level: what helps on rows they were not learned from."""

import numpy as np

from crisol.models.tabular.auto.search.search_trial import SearchTrial
from crisol.models.tabular.auto.selection.ensemble_selection import CANDIDATES, _candidates
from crisol.models.tabular.auto.selection.greedy_selection import (
    nested_loss,
    nested_parts,
    select,
    weighting,
)
from crisol.models.tabular.auto.selection.stacking import better_stack, fit_stack
from crisol.models.tabular.ensemble import weighted_mean
from crisol.models.tabular.features.folds import divide

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.normal(size=2000)
NOISES = RANDOM.normal(size=(3, 2000))
FAR = float("inf")
PARTS = np.arange(2000) % 5


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
    stack = better_stack("log_loss", answers, target, weights, PARTS, FAR)
    assert stack is not None
    assert 0.1 < sum(stack.slopes) < 0.5


def test_a_bias_of_numbers_is_mended() -> None:
    answers = 0.8 * TRUTH + 1.0 + 0.3 * NOISES
    weights = select("rmse", answers, TRUTH)
    stack = better_stack("rmse", answers, TRUTH, weights, PARTS, FAR)
    assert stack is not None
    error = np.std(stack.combine(answers[np.flatnonzero(weights)]) - TRUTH)
    assert error < 0.25


def test_no_second_level_where_the_mean_is_right() -> None:
    odds = TRUTH * 2
    target = (RANDOM.random(2000) < sigmoid(odds)[:, 1]).astype(np.int64)
    answers = np.stack([sigmoid(odds + 0.2 * noise) for noise in NOISES])
    weights = select("log_loss", answers, target)
    assert better_stack("log_loss", answers, target, weights, PARTS, FAR) is None


def test_without_time_no_second_level_is_tried() -> None:
    answers = 0.8 * TRUTH + 1.0 + 0.3 * NOISES
    weights = select("rmse", answers, TRUTH)
    assert better_stack("rmse", answers, TRUTH, weights, PARTS, deadline=0.0) is None


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
    honest = nested_loss("rmse", answers, target, weighting("rmse"), PARTS[:60])
    assert honest > flattering * 1.1


def test_groups_are_whole_where_weights_are_judged() -> None:
    groups = RANDOM.integers(0, 20, 300)
    folds = divide(None, 300, 4, 0, groups=groups)
    parts = nested_parts(folds, np.arange(300), 0)
    assert len(np.unique(parts)) == 4
    assert all(len(np.unique(parts[groups == group])) == 1 for group in np.unique(groups))
    # A member for each group: of use only where its own rows were learned from.
    target = np.where(groups % 2, 1.0, -1.0)
    answers = np.stack([np.where(groups == g, target, 0.0) for g in range(20)])
    honest = nested_loss("rmse", answers, target, weighting("rmse"), parts)
    mixed = nested_loss("rmse", answers, target, weighting("rmse"), RANDOM.permutation(300) % 4)
    assert honest > mixed


def test_rows_of_one_fold_are_divided_at_random() -> None:
    folds = divide(None, 300, 1, 0)
    parts = nested_parts(folds, np.flatnonzero(folds.judged), 0)
    assert np.bincount(parts).tolist() == [6] * 5
    assert (parts == nested_parts(folds, np.flatnonzero(folds.judged), 0)).all()


def test_of_many_rows_and_classes_fewer_trials_are_looked_at() -> None:
    names = ["lightgbm"] * 30 + ["linear", "xgboost"]
    ranked = [SearchTrial(at, name, {}, 0, 1) for at, name in enumerate(names)]
    usual = [trial.number for trial in _candidates(ranked, CANDIDATES)]
    assert usual == [*range(CANDIDATES), 30, 31]
    assert [trial.number for trial in _candidates(ranked, 4)] == [0, 1, 30, 31]
    assert [trial.number for trial in _candidates(ranked, 0)] == [0]
