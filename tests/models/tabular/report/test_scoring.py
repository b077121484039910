import numpy as np
import pytest

from crisol.models.tabular.auto.metrics import auc
from crisol.models.tabular.report.scoring import score_classes, score_numbers

NAMES = ("no", "yes")


def probabilities(second):
    second = np.asarray(second, float)
    return np.column_stack([1 - second, second])


def test_an_interval_of_rows_that_are_all_right_is_not_a_point():
    truth = np.arange(100) % 2
    found = score_classes(truth, probabilities(truth), NAMES).intervals["accuracy"]
    assert found.value == found.high == 1
    assert found.low == pytest.approx(0.9638, abs=1e-4)  # Clopper and Pearson
    wrong = score_classes(truth, probabilities(1 - truth), NAMES).intervals["accuracy"]
    assert (wrong.low, wrong.high) == (0, pytest.approx(1 - 0.9638, abs=1e-4))


def test_the_interval_of_the_area_covers_as_a_bootstrap_of_scikit_learn_does():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 300)
    score = np.round(np.clip(truth * 0.2 + rng.random(300) * 0.8, 0, 1), 1)  # many equal scores
    found = score_classes(truth, probabilities(score), NAMES).intervals["auc"]
    areas = []
    for _ in range(400):
        rows = rng.integers(0, 300, 300)
        areas.append(roc_auc_score(truth[rows], score[rows]))
    low, high = np.quantile(areas, [0.025, 0.975])
    assert found.value == pytest.approx(roc_auc_score(truth, score))
    assert found.low == pytest.approx(low, abs=0.015)
    assert found.high == pytest.approx(high, abs=0.015)


def test_groups_widen_the_intervals():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 25)
    truth = rng.integers(0, 2, 1000)
    right = np.repeat(rng.random(40) < 0.7, 25)
    score = probabilities(np.where(right, truth, 1 - truth) * 0.8 + 0.1)
    alone = score_classes(truth, score, NAMES).intervals["accuracy"]
    together = score_classes(truth, score, NAMES, groups).intervals["accuracy"]
    assert together.high - together.low > 2.5 * (alone.high - alone.low)


def test_what_cannot_be_computed_is_left_out():
    one = score_classes(np.zeros(20, int), probabilities(np.full(20, 0.2)), NAMES)
    assert "auc" not in one.metrics
    assert one.metrics["recall"] == 0
    assert auc(np.zeros(20, int), probabilities(np.full(20, 0.2))) is None
    constant = score_numbers(np.ones(20), np.full(20, 1.1))
    assert "r2" not in constant.metrics
    assert constant.metrics["rmse"] == pytest.approx(0.1)


def test_a_class_without_held_out_rows_counts_for_nothing():
    truth = np.array([0, 0, 1, 1] * 5)
    predicted = np.eye(3)[truth] * 0.9 + 0.1 / 3
    found = score_classes(truth, predicted, ("a", "b", "c"))
    assert found.metrics["f1"] == found.metrics["balanced_accuracy"] == found.metrics["auc"] == 1
    assert found.classes[2] == {"class": "c", "rows": 0, "precision": 0, "recall": 0, "f1": 0}
