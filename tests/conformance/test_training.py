"""Every family: training repeats itself and saves what it is; a network learns, and resumes."""

from pathlib import Path

import pandas as pd
import pytest
from tests.conformance.conftest import Released, weights

from crisol import models
from crisol.core.predictor import PredictorError, compare_answers, predictor_digest

pytestmark = pytest.mark.timeout(600)  # the first test waits for two runs and a promotion


@pytest.mark.usefixtures("trains_network")
def test_a_tiny_fit_lowers_the_loss(released: Released) -> None:
    history = pd.read_parquet(
        released.project
        / "data"
        / "08_reporting"
        / released.family.name
        / "training_history.parquet"
    )
    for label, epochs in history.groupby("label"):
        losses = epochs.sort_values("epoch")["train_loss"]
        assert losses.iloc[-1] < losses.iloc[0], label


def test_two_runs_give_two_versions_with_equal_metrics(released: Released) -> None:
    assert [int(v["version"]) for v in released.versions] == [1, 2]
    first, second = (v["metrics"] for v in released.versions)
    assert first == second
    assert first


@pytest.mark.usefixtures("trains_network")
def test_killed_training_resumes_to_the_same_weights(released: Released) -> None:
    assert "resum" in released.resumed_output.lower()
    assert "KILLED" in released.resumed_output, (
        "the killed run is still RUNNING, or nobody said that it was closed"
    )
    assert released.resumed_weights == weights(released.predictor_dir)
    assert not released.left_by_resumed


def test_save_load_predict_is_identical(released: Released, tmp_path: Path) -> None:
    family = models.family(released.family.name)
    predictor = models.load_predictor(released.predictor_dir)
    again = models.load_predictor(predictor.save(tmp_path / "again"))
    requests = [predictor.request_type.model_validate(g.request) for g in predictor.golden]
    requests.append(family.example_request())
    for before, after in zip(predictor.predict(requests), again.predict(requests), strict=True):
        assert not compare_answers(
            before.model_dump(mode="json"),
            after.model_dump(mode="json"),
            ignore=predictor.volatile_fields,
        )
    assert again.golden == predictor.golden


def test_golden_examples_replay(released: Released) -> None:
    predictor = models.load_predictor(released.predictor_dir)
    assert len(predictor.golden) >= 3
    assert predictor.replay_golden() == []


def test_a_changed_file_is_refused(released: Released, tmp_path: Path) -> None:
    directory = models.load_predictor(released.predictor_dir).save(tmp_path / "changed")
    victim = next(directory.rglob("*.safetensors"))
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(bytes(data))
    with pytest.raises(PredictorError, match=victim.name):
        models.load_predictor(directory)


def test_the_digest_names_the_content(released: Released, tmp_path: Path) -> None:
    predictor = models.load_predictor(released.predictor_dir)
    assert predictor_digest(predictor.save(tmp_path / "same")) == predictor_digest(
        released.predictor_dir
    )


def test_no_pickle_in_a_predictor(released: Released) -> None:
    suffixes = {p.suffix for p in released.predictor_dir.rglob("*") if p.is_file()}
    assert suffixes <= {".json", ".safetensors", ".onnx", ".md", ".txt"}, suffixes
