"""Texts read as sentences: training, the written predictor, explanations, and missing weights."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crisol.core.backbones import store
from crisol.core.backbones.store import BackboneError
from crisol.models.tabular.auto.text_choice import choose, wanted_reference
from crisol.models.tabular.data.source_table import ROW
from crisol.models.tabular.data.tables import schema_table
from crisol.models.tabular.features.encoder import Encoder
from crisol.models.tabular.features.folds import divide
from crisol.models.tabular.params import DataParams, ModelParams, TrainParams
from crisol.models.tabular.predictor import TabularPredictor
from crisol.models.tabular.schema import Column, Schema
from crisol.models.tabular.training import fit

SCHEMA = Schema(
    task="classification",
    columns=(
        Column(name="said", kind="text"),
        Column(name="size", kind="number"),
        Column(name="label", kind="category", role="target"),
    ),
    rows=0,
)
ANIMALS = ["cat", "dog", "horse", "cow", "sheep", "goat", "lion", "tiger", "wolf", "fox", "bear"]
TOOLS = ["hammer", "saw", "drill", "wrench", "pliers", "chisel", "axe", "lathe", "screwdriver"]
needs_weights = pytest.mark.skipif(
    not any(b.name == "minilm" for b in store.installed()), reason="make install fetches minilm"
)


def _table(words: list[str], label: str) -> pd.DataFrame:
    size = np.random.default_rng(len(words)).normal(size=len(words))
    return pd.DataFrame({"said": words, "size": size, "label": label})


def _rows() -> pd.DataFrame:
    """Every word is in one row alone: words say nothing of held-out rows, meanings do."""
    rows = pd.concat([_table(ANIMALS, "animal"), _table(TOOLS, "tool")], ignore_index=True)
    return rows.assign(**{ROW: np.arange(len(rows))})


def _fitted(tmp_path: Path, algorithm: str) -> TabularPredictor:
    rows = _rows()
    parts = pd.DataFrame({"row": rows[ROW], "part": "train"})
    table = schema_table(SCHEMA)
    model = ModelParams(algorithm=algorithm, text="sentences")
    images = pd.DataFrame()
    return fit(
        rows, images, parts, table, DataParams(), model, TrainParams(), tmp_path / "fits"
    ).predictor


@needs_weights
@pytest.mark.parametrize("algorithm", ["linear", "random_forest"])
def test_sentences_tell_words_that_training_never_met(tmp_path: Path, algorithm: str) -> None:
    predictor = _fitted(tmp_path, algorithm)
    unseen = ["zebra", "elephant", "spanner", "soldering iron"]
    request = predictor.request_type.model_validate(
        {"rows": [{"said": said, "size": 0.0} for said in unseen]}
    )
    (answer,) = predictor.predict([request])
    assert [p.prediction for p in answer.predictions] == ["animal", "animal", "tool", "tool"]


@needs_weights
def test_a_written_predictor_names_its_backbone_and_answers_alike(tmp_path: Path) -> None:
    predictor = _fitted(tmp_path, "linear")
    predictor.save(tmp_path / "saved")
    loaded = TabularPredictor.load(tmp_path / "saved")
    assert [one.name for one in loaded.backbones] == ["minilm"]
    assert {"onnxruntime", "tokenizers"} <= set(TabularPredictor.packages(loaded.runtime))
    assert loaded.replay_golden() == []


@needs_weights
def test_explanations_move_vectors_with_their_text(tmp_path: Path) -> None:
    predictor = _fitted(tmp_path, "linear")
    request = predictor.request_type.model_validate(
        {"rows": [{"said": "zebra", "size": 0.0}], "explain": True}
    )
    (answer,) = predictor.predict([request])
    shares = answer.predictions[0].explanation.contributions
    assert shares["said"] > 5 * abs(shares["size"])


@needs_weights
def test_auto_takes_sentences_where_they_surely_help() -> None:
    rows = pd.concat([_rows()] * 6, ignore_index=True)
    rows["said"] = [f"{said} {at}" for at, said in enumerate(rows["said"])]
    part = (encoder := Encoder.fit(rows, SCHEMA)).part(rows)
    groups = np.tile(np.arange(len(_rows())), 6)
    folds = divide(part.target, len(rows), 3, 0, groups=groups)
    model = ModelParams(algorithm="linear", text="auto")
    reference = wanted_reference(model, SCHEMA).reference
    assert reference is not None
    found = choose(reference, part, folds, encoder.schema, model, 0)
    assert found.reference == reference
    assert "held-out training rows" in found.reason


def test_missing_weights_fail_or_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRISOL_BACKBONES", str(tmp_path))
    with pytest.raises(BackboneError, match="kedro fetch weights minilm"):
        wanted_reference(ModelParams(text="sentences"), SCHEMA)
    told = wanted_reference(ModelParams(text="auto"), SCHEMA)
    assert told.reference is None
    assert "kedro fetch weights minilm" in told.reason
