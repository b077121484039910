import time

import numpy as np
import pytest
import sklearn.metrics as reference
from scipy.stats import spearmanr

from crisol.core import metrics
from crisol.core.metrics import PAIRED, bootstrap_interval, paired_bootstrap

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.integers(0, 4, 500)
GUESS = np.where(RANDOM.random(500) < 0.6, TRUTH, RANDOM.integers(0, 5, 500))
NAMES = np.array(["sell", "hold", "buy", "wait", "other"])
VALUES = RANDOM.normal(100, 2, 300)
ESTIMATES = VALUES + RANDOM.normal(0, 1, 300)


@pytest.mark.parametrize("as_text", [False, True])
def test_classification_agrees_with_scikit_learn(as_text):
    truth, guess = (NAMES[TRUTH], NAMES[GUESS]) if as_text else (TRUTH, GUESS)
    assert metrics.accuracy(truth, guess) == reference.accuracy_score(truth, guess)
    assert metrics.macro_f1(truth, guess) == pytest.approx(
        reference.f1_score(truth, guess, average="macro", zero_division=0)
    )
    assert metrics.mcc(truth, guess) == pytest.approx(reference.matthews_corrcoef(truth, guess))


def test_constant_predictions_have_no_correlation():
    assert metrics.mcc([0, 1, 1], [1, 1, 1]) == 0
    assert metrics.information_coefficient([1.0, 2.0], [3.0, 3.0]) == 0


def test_regression_agrees_with_scikit_learn():
    assert metrics.mae(VALUES, ESTIMATES) == pytest.approx(
        reference.mean_absolute_error(VALUES, ESTIMATES)
    )
    assert metrics.rmse(VALUES, ESTIMATES) == pytest.approx(
        reference.root_mean_squared_error(VALUES, ESTIMATES)
    )
    assert metrics.r2(VALUES, ESTIMATES) == pytest.approx(reference.r2_score(VALUES, ESTIMATES))
    assert np.isnan(metrics.r2([1.0, 1.0], [1.0, 2.0]))


def test_information_coefficient_agrees_with_scipy_with_and_without_ties():
    for decimals in (6, 0):
        outcome, score = VALUES.round(decimals), ESTIMATES.round(decimals)
        assert metrics.information_coefficient(outcome, score) == pytest.approx(
            spearmanr(outcome, score).statistic
        )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.accuracy([1], [1, 2]), "vectors of one length"),
        (lambda: metrics.accuracy([], []), "at least 1"),
        (lambda: metrics.mae([1.0, np.nan], [1.0, 2.0]), "NaN or infinity"),
        (lambda: metrics.accuracy([1, 2], ["1", "2"]), "numbers cannot be compared with text"),
        (lambda: metrics.mae(["a"], ["b"]), "needs numbers"),
        (lambda: paired_bootstrap([1], [1], [1], metric="f1"), "'f1' is unknown; there are: acc"),
        (lambda: paired_bootstrap([1], [1], [1], groups=[1, 2]), "groups: 2 of them for 1 rows"),
    ],
)
def test_nonsense_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("metric", list(PAIRED))
def test_bootstrap_equals_computing_the_metric_on_every_resample(metric):
    numeric = metric in {"mae", "rmse", "r2", "mean"}
    truth, a = (VALUES, ESTIMATES) if numeric else (TRUTH[:300], GUESS[:300])
    b = truth + RANDOM.normal(0, 2, 300) if numeric else RANDOM.permutation(GUESS[:300])
    groups = RANDOM.integers(0, 40, 300)
    result = paired_bootstrap(truth, a, b, groups, metric, resamples=50, seed=3)
    # The same draws, the slow way: rows of the drawn groups put together.
    rows = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    drawn = np.random.default_rng(3).integers(0, 40, size=(50, 40), dtype=np.int32)
    value = {"mean": lambda _, scores: scores.mean()}.get(metric) or getattr(metrics, metric)
    for difference, groups_drawn in zip(result.differences, drawn, strict=True):
        index = np.concatenate([rows[group] for group in groups_drawn])
        expected = value(truth[index], a[index]) - value(truth[index], b[index])
        assert difference == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert result.value_a == pytest.approx(value(truth, a))
    assert result.value_b == pytest.approx(value(truth, b))


def test_bootstrap_is_deterministic_and_pairs_the_rows():
    truth = RANDOM.integers(0, 3, 2_000)
    good = np.where(RANDOM.random(2_000) < 0.5, truth, 0)
    better = np.where(RANDOM.random(2_000) < 0.05, truth, good)
    one = paired_bootstrap(truth, better, good, seed=1)
    assert np.array_equal(
        one.differences, paired_bootstrap(truth, better, good, seed=1).differences
    )
    assert not np.array_equal(
        one.differences, paired_bootstrap(truth, better, good, seed=2).differences
    )
    assert (one.differences > 0).mean() > 0.99
    same = paired_bootstrap(truth, good, good)
    assert (same.differences == 0).all()


def test_groups_that_move_together_widen_the_interval():
    days = np.repeat(np.arange(50), 40)
    right = np.repeat(RANDOM.random(50) < 0.5, 40).astype(int)
    alone = bootstrap_interval(np.ones(2_000, int), right)
    grouped = bootstrap_interval(np.ones(2_000, int), right, days)
    assert grouped.low < grouped.value < grouped.high
    assert grouped.high - grouped.low > 3 * (alone.high - alone.low)


def test_the_interval_covers_as_often_as_it_says():
    hits = 0
    for _ in range(200):
        sample = RANDOM.normal(0, 1, 60)
        interval = bootstrap_interval(
            sample, sample, metric="mean", resamples=200, confidence=0.9, seed=1
        )
        hits += interval.low <= 0 <= interval.high
    assert 165 <= hits <= 195


def test_the_bootstrap_is_fast():
    truth, a, b = (RANDOM.integers(0, 3, 20_000) for _ in range(3))
    best = np.inf
    for _ in range(3):  # of the process's own time: the machine may be busy
        started = time.process_time()
        paired_bootstrap(truth, a, b, metric="macro_f1", resamples=1000)
        best = min(best, time.process_time() - started)
    assert best < 2.0
