"""The predictor: save and load, runtimes, batches, what a response says."""

import subprocess
import sys

import numpy as np
import pytest

from crisol.core.predictor import PredictorError
from crisol.models import load_predictor
from crisol.models.signals.contract import example_request
from crisol.models.signals.predictor import SignalsPredictor
from crisol.models.signals.training import request_at


@pytest.fixture(scope="module")
def directory(fitted, tmp_path_factory):
    return fitted.fit.predictor.save(tmp_path_factory.mktemp("predictor") / "signals")


def test_golden_examples_replay_after_loading(directory):
    predictor = load_predictor(directory)
    assert isinstance(predictor, SignalsPredictor)
    assert len(predictor.golden) >= 3
    assert predictor.replay_golden() == []


@pytest.mark.parametrize(("runtime", "tolerance"), [("torch", 1e-5), ("onnx", 1e-5), ("int8", 0.1)])
def test_runtimes_agree(directory, fitted, runtime, tolerance):
    predictor = load_predictor(directory, runtime=runtime)
    x = np.random.default_rng(0).normal(size=(33, 12, 5)).astype(np.float32)
    reference = load_predictor(directory, runtime="torch").probabilities(x)
    found = predictor.probabilities(x)
    assert np.abs(found - reference).max() <= tolerance
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(predictor.probabilities(x[:1]), found[:1], atol=1e-5)


def test_an_unknown_runtime_names_those_there_are(directory):
    with pytest.raises(PredictorError, match="torch, onnx, int8"):
        load_predictor(directory, runtime="tensorrt")


def test_a_response_is_consistent(directory, world):
    predictor = load_predictor(directory)
    requests = [request_at(world.bars, end) for end in (100, 350, 800)]
    together = predictor.predict(requests)
    for request, response in zip(requests, together, strict=True):
        prediction = response.prediction
        probabilities = prediction.probabilities.model_dump()
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-9)
        assert prediction.confidence == max(probabilities.values())
        assert probabilities[prediction.signal] == prediction.confidence
        assert (prediction.symbol, prediction.exchange) == (request.symbol, request.exchange)
        assert prediction.model_version == "unregistered"
        assert prediction.timestamp.utcoffset().total_seconds() == 0
        assert response.risk.risk_score == sum(f.points for f in response.risk.factors)
        alone = predictor.predict([request])[0]
        assert alone.prediction.probabilities.buy == pytest.approx(probabilities["buy"], abs=1e-6)
    assert predictor.predict([]) == []


def test_strange_bars_are_told(directory, world):
    predictor = load_predictor(directory)
    known = predictor.predict([request_at(world.bars, 300)])[0]
    assert "unfamiliar_bars" not in {f.name for f in known.risk.factors}
    body = request_at(world.bars, 300).model_dump()
    for bar in body["sequence"]:
        bar |= {"open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0}
    constant = predictor.predict([predictor.request_type.model_validate(body)])[0]
    assert "unfamiliar_bars" in {f.name for f in constant.risk.factors}


def test_attention_sums_to_one(directory, world):
    predictor = load_predictor(directory)
    encoded = predictor.encode(request_at(world.bars, 300))
    windows = predictor.windows(encoded.bars_N5[None], encoded.seconds_N[None])
    weights = predictor.attention(windows)
    assert weights.shape == (1, 12)
    assert weights.sum() == pytest.approx(1, abs=1e-5)


def test_serving_loads_no_training_library(directory):
    """The bundle installs neither pandas nor scikit-learn; onnx answers without torch too."""
    code = f"""
import sys
from crisol.models import load_predictor
from crisol.models.signals import example_request
predictor = load_predictor({str(directory)!r}, runtime="onnx")
predictor.predict([example_request()])
heavy = {{"pandas", "scipy", "sklearn", "pandera", "matplotlib", "torch"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_changed_file_is_refused(directory, tmp_path):
    import shutil

    copy = shutil.copytree(directory, tmp_path / "copy")
    weights = copy / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(PredictorError, match="differs from the digest"):
        load_predictor(copy)


def test_the_example_is_valid_and_says_nothing_of_any_market():
    assert len(example_request().sequence) == 60
