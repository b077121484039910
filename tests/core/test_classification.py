import numpy as np
import pytest
import sklearn.metrics as reference

from crisol.core.classification import confusion_matrix, expected_calibration_error, log_loss

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.integers(0, 4, 500)
GUESS = np.where(RANDOM.random(500) < 0.6, TRUTH, RANDOM.integers(0, 5, 500))
NAMES = np.array(["sell", "hold", "buy", "wait", "other"])
PROBABILITIES = RANDOM.dirichlet([1, 1, 1, 1], 500)


@pytest.mark.parametrize("as_text", [False, True])
def test_the_confusion_matrix_agrees_with_scikit_learn(as_text):
    truth, guess = (NAMES[TRUTH], NAMES[GUESS]) if as_text else (TRUTH, GUESS)
    labels = NAMES if as_text else np.arange(5)
    np.testing.assert_array_equal(
        confusion_matrix(truth, guess, labels),
        reference.confusion_matrix(truth, guess, labels=labels),
    )


def test_log_loss_agrees_with_scikit_learn():
    assert log_loss(TRUTH, PROBABILITIES) == pytest.approx(
        reference.log_loss(TRUTH, PROBABILITIES, labels=range(4))
    )
    assert np.isfinite(log_loss([0], [[0.0, 1.0]]))


def test_calibration_error():
    p = RANDOM.dirichlet([2, 2, 2], 20_000)
    truth = (p.cumsum(axis=1) < RANDOM.random((20_000, 1))).sum(axis=1)
    assert expected_calibration_error(truth, p) < 0.02
    sharp = p**3 / (p**3).sum(axis=1, keepdims=True)
    assert expected_calibration_error(truth, sharp) > 0.1
    # By hand: two predictions of 0.9, one right; one of 0.6, right.
    by_hand = expected_calibration_error([0, 1, 0], [[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]], bins=10)
    assert by_hand == pytest.approx((2 * 0.4 + 1 * 0.4) / 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: log_loss([0, 2], [[0.5, 0.5], [0.5, 0.5]]), "class numbers from 0 to 1"),
        (lambda: log_loss([0], [[0.5, 0.2]]), "must sum to 1"),
        (lambda: confusion_matrix(["a"], ["c"], ["a", "b"]), r"\['c'\] are not among"),
    ],
)
def test_nonsense_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
