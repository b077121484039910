"""The option ``architecture: alstm``: fitted, saved, answered and exported as the other network."""

import numpy as np
import pytest

from crisol.models.signals import training
from crisol.models.signals.data.forecasts import PROBABILITIES
from crisol.models.signals.data.prepare import label
from crisol.models.signals.params import (
    Adversarial,
    DataParams,
    ModelParams,
    StudyParams,
    TrainParams,
    WalkForward,
)
from crisol.models.signals.predictor import SignalsPredictor
from crisol.models.signals.training import request_at

STUDY = StudyParams(
    name="tiny",
    exchanges=("binance",),
    split=WalkForward(folds=1, test_fraction=0.4, embargo_bars=5),
)
DATA = DataParams(studies=(STUDY,), register_study="tiny", synthetic=True)
MODEL = ModelParams(architecture="alstm", features="percent", steps=5, hidden=4, dropout=0.0)
TRAIN = TrainParams(
    epochs=4,
    batch_size=128,
    learning_rate=0.01,
    loss="hinge",
    head_l2=0.01,
    adversarial=Adversarial(epsilon=0.05, weight=0.1),
    monitor="valid_accuracy",
    monitor_mode="max",
    ema_decay=None,
    gradient_clip=None,
    leakage_test=False,
    device="cpu",
)


@pytest.fixture(scope="module")
def fit(world, tmp_path_factory) -> training.Fit:
    return _fit(world, tmp_path_factory.mktemp("checkpoints"))


def _fit(world, folder) -> training.Fit:
    samples = label(world.bars, DATA)
    return training.fit(world.bars, samples, DATA, MODEL, TRAIN, folder)


def test_the_loss_falls_and_the_most_accurate_epoch_is_kept(fit):
    history = fit.history
    assert history["train_signal_loss"].iloc[-1] < history["train_signal_loss"].iloc[0]
    assert history["valid_accuracy"].between(0, 1).all()


def test_the_same_seed_gives_the_same_weights(fit, world, tmp_path):
    again = _fit(world, tmp_path)
    for name, value in fit.predictor.weights.items():
        np.testing.assert_array_equal(again.predictor.weights[name], value)
    np.testing.assert_array_equal(again.forecasts[PROBABILITIES], fit.forecasts[PROBABILITIES])


@pytest.mark.parametrize("runtime", ["torch", "onnx"])
def test_saved_and_loaded_it_answers_the_same(fit, world, tmp_path, runtime):
    predictor = fit.predictor
    loaded = SignalsPredictor.load(predictor.save(tmp_path / "saved"), runtime)
    requests = [request_at(world.bars, end) for end in (200, 300, 400)]
    for before, after in zip(predictor.predict(requests), loaded.predict(requests), strict=True):
        assert after.prediction.signal == before.prediction.signal
        for name in ("sell", "hold", "buy"):
            one, two = (getattr(r.prediction.probabilities, name) for r in (before, after))
            assert two == pytest.approx(one, abs=1e-5)


def test_its_quantised_form_stays_close(fit):
    windows = np.random.default_rng(0).normal(size=(50, 5, 10)).astype(np.float32)
    exact, small = (fit.predictor.runner(name)(windows) for name in ("torch", "int8"))
    assert np.abs(exact - small).max() < 0.1
