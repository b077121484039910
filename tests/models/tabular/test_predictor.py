import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.models.tabular import served

from crisol.core.errors import FieldError
from crisol.core.predictor import PredictorError
from crisol.models import load_predictor
from crisol.models.tabular.predictor import TabularPredictor
from crisol.models.tabular.schema import Column

MIXED = (*served.COLUMNS[:3], Column(name="picture", kind="image"))


@pytest.fixture(scope="module")
def predictor() -> TabularPredictor:
    return served.model(max_iterations=30)


def ask(predictor: TabularPredictor, **body: Any) -> dict[str, Any]:
    """One answer as JSON."""
    request = predictor.request_type.model_validate(body)
    return predictor.predict([request])[0].model_dump(mode="json")


def test_it_answers_alike_after_a_round_trip(predictor: TabularPredictor, tmp_path: Path) -> None:
    directory = predictor.save(tmp_path / "predictor")
    loaded = load_predictor(directory)
    assert isinstance(loaded, TabularPredictor)
    assert loaded.replay_golden(tolerance=0.0) == []
    assert loaded.schema == predictor.schema
    assert loaded.runtime == "lightgbm"
    assert loaded.request_type.model_json_schema() == predictor.request_type.model_json_schema()
    assert not [p for p in directory.rglob("*") if p.suffix in (".pkl", ".pickle", ".joblib")]
    with pytest.raises(PredictorError, match="no runtime 'torch'; there is: lightgbm"):
        load_predictor(directory, runtime="torch")


def test_the_words_for_no_value_are_told_as_missing(predictor: TabularPredictor) -> None:
    sent = [{"class": "NA", "schema": " ? "}, {"class": "na", "schema": "na"}, {"class": None}]
    found = ask(predictor, rows=[{**served.ROW, **row} for row in sent])["predictions"]
    told = [[(w["field"], w["type"], w["message"]) for w in one["warnings"]] for one in found]
    said = "says, as it does in the data, that there is no value"
    assert told[0] == [("class", "missing", f"'NA' {said}"), ("schema", "missing", f"'?' {said}")]
    assert [one[:2] for one in told[1]] == [("class", "unknown_category")]
    assert [one[:2] for one in told[2]] == [("class", "missing")]
    assert (
        found[0]["probabilities"]
        == ask(predictor, rows=[{**served.ROW, "class": None, "schema": None}])["predictions"][0][
            "probabilities"
        ]
    )


def test_one_row_is_answered_as_among_many(predictor: TabularPredictor) -> None:
    rows = predictor.encoder.requests(served.table(20, seed=3))
    together = ask(predictor, rows=rows, explain=True)["predictions"]
    requests = [predictor.request_type.model_validate({"rows": [r], "explain": True}) for r in rows]
    alone = [a.model_dump(mode="json")["predictions"][0] for a in predictor.predict(requests)]
    assert alone == together


def test_a_class_comes_with_probabilities_and_reasons(predictor: TabularPredictor) -> None:
    [found] = ask(predictor, rows=[served.ROW], explain=True)["predictions"]
    chances = found["probabilities"]
    assert list(chances) == ["<=middle", "high", "low"]
    assert sum(chances.values()) == pytest.approx(1)
    assert found["prediction"] == max(chances, key=lambda name: chances[name]) == "high"
    why = found["explanation"]
    assert set(why["contributions"]) == set(served.ROW)
    total = why["base"] + sum(why["contributions"].values())
    assert total == pytest.approx(chances["high"])
    assert next(iter(why["contributions"])) == "income", "the column that decides comes first"
    assert ask(predictor, rows=[served.ROW])["predictions"][0]["explanation"] is None


def test_more_of_what_helps_raises_the_answer() -> None:
    predictor = served.model("lightgbm", "regression", max_iterations=30)
    low, high = ask(predictor, rows=[{**served.ROW, "income": v} for v in (-1, 1)])["predictions"]
    assert high["prediction"] > low["prediction"] + 1
    assert set(low) == {"prediction", "explanation", "warnings"}


def test_what_training_did_not_show_is_told(predictor: TabularPredictor) -> None:
    rows = [
        served.ROW,
        {**served.ROW, "education-num": 17, "income": None, "class": "violet"},
        {"income": -99, "class": "red", "model_x": "2031-01-01"},
    ]
    found = ask(predictor, rows=rows)["predictions"]
    told = [[(w["field"], w["type"]) for w in one["warnings"]] for one in found]
    assert told[0] == []
    assert told[1] == [("education-num", "out_of_range"), ("class", "unknown_category")]
    assert told[2] == [
        ("education-num", "missing"),
        ("income", "out_of_range"),
        ("2nd floor", "missing"),
        ("model_x", "out_of_range"),
        ("schema", "missing"),
    ]
    blank = ask(predictor, rows=[{**served.ROW, "class": " "}])["predictions"][0]
    assert [(w["field"], w["type"]) for w in blank["warnings"]] == [("class", "missing")]
    message = found[1]["warnings"][0]["message"]
    assert message == "above the training range, 1 to 16"


def test_too_much_to_explain_is_refused(predictor: TabularPredictor) -> None:
    with pytest.raises(FieldError, match="at most 20 rows; there are 21"):
        ask(predictor, rows=[served.ROW] * 21, explain=True)


def test_pictures_are_read_and_broken_ones_named() -> None:
    import pandas as pd

    frame = served.table(60)
    frame["picture"] = [f"{n}" for n in range(60)]
    pixels = [np.full((8, 8, 3), 4 * n, np.uint8).tobytes() for n in range(60)]
    images = pd.DataFrame({"image": frame["picture"], "pixels": pixels})
    encoder = served.Encoder.fit(frame, served.schema("classification", MIXED), 8)
    part = encoder.part(frame, images)
    fitted = served.model(max_iterations=5, columns=served.COLUMNS[:3])
    predictor = TabularPredictor(encoder, fitted.ensemble, part.features)
    assert predictor.runtime == "lightgbm+pillow"
    row = {"income": 1.0, "class": "red", "picture": served.picture(form="JPEG")}
    [found] = ask(predictor, rows=[row], explain=True)["predictions"]
    assert set(found["explanation"]["contributions"]) == {
        "education-num", "income", "class", "picture"
    }  # fmt: skip
    assert found["explanation"]["contributions"]["picture"] == 0, "this ensemble is blind"
    cut = served.picture(size=200)[:200]
    for wrong in ("no base64!", "aGVsbG8=", cut, ""):
        with pytest.raises(FieldError) as refused:
            ask(predictor, rows=[row, {**row, "picture": wrong}])
        assert refused.value.field == "rows.1.picture"


def test_a_bundle_needs_no_training_library(predictor: TabularPredictor, tmp_path: Path) -> None:
    directory = predictor.save(tmp_path / "predictor")
    code = (
        "import sys\n"
        "absent = ['pandas', 'sklearn', 'matplotlib', 'torch']\n"
        "sys.modules.update(dict.fromkeys(absent))\n"
        "from crisol.models import load_predictor\n"
        f"p = load_predictor({str(directory)!r}); assert p.replay_golden() == []\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
