"""Losses agree with scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, roc_auc_score

from crisol.core.errors import MendableError
from crisol.models.tabular.auto import metrics

RANDOM = np.random.default_rng(0)
CODES = RANDOM.integers(0, 3, 200)
SHARES = RANDOM.dirichlet([1, 1, 1], 200)


def test_of_classes() -> None:
    assert metrics.loss("log_loss", CODES, SHARES) == pytest.approx(log_loss(CODES, SHARES))
    assert metrics.loss("accuracy", CODES, SHARES) == pytest.approx(
        1 - accuracy_score(CODES, SHARES.argmax(1))
    )
    known = roc_auc_score(CODES, SHARES, multi_class="ovr")
    assert metrics.loss("auc", CODES, SHARES) == pytest.approx(1 - known)


def test_of_two_classes_with_ties() -> None:
    codes = CODES % 2
    shares = np.round(np.stack([1 - SHARES[:, 0], SHARES[:, 0]], axis=1), 1)
    known = roc_auc_score(codes, shares[:, 1])
    assert metrics.loss("auc", codes, shares) == pytest.approx(1 - known)


def test_of_numbers() -> None:
    truth, answers = RANDOM.normal(size=50), RANDOM.normal(size=50)
    assert metrics.loss("mae", truth, answers) == pytest.approx(mean_absolute_error(truth, answers))
    assert metrics.loss("rmse", truth, answers) == pytest.approx(
        float(np.sqrt(np.mean((truth - answers) ** 2)))
    )


def test_shown_as_people_know_it() -> None:
    assert metrics.shown("accuracy", 0.1) == pytest.approx(0.9)
    assert metrics.shown("silhouette", -0.4) == pytest.approx(0.4)
    assert metrics.shown("rmse", 0.4) == 0.4


def test_a_metric_of_another_task_is_refused() -> None:
    with pytest.raises(MendableError, match=r"auto\.metric.*'rmse'.*classification"):
        metrics.metric_of("classification", "rmse")
