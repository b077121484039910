"""A small model of `tabular` whose columns are called and filled as awkwardly as any."""

import base64
import io
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from crisol.models.tabular.algorithm import FitContext, algorithm
from crisol.models.tabular.ensemble import Ensemble, Member
from crisol.models.tabular.features.encoder import Encoder
from crisol.models.tabular.params import TrainParams
from crisol.models.tabular.predictor import TabularPredictor
from crisol.models.tabular.schema import Column, Schema, Task
from crisol.models.tabular.settings import SETTINGS

COLUMNS = (
    Column(name="education-num", kind="number", integer=True),
    Column(name="income", kind="number"),
    Column(name="class", kind="category"),
    Column(name="2nd floor", kind="boolean", true_word="yes"),
    Column(name="model_x", kind="date", date_format="%d.%m.%Y"),
    Column(name="schema", kind="text"),
)
ROW: dict[str, Any] = {
    "education-num": 7,
    "income": 1.5,
    "class": "red",
    "2nd floor": True,
    "model_x": "2024-03-01",
    "schema": "good",
}


def table(rows: int = 240, seed: int = 0) -> pd.DataFrame:
    """Synthetic rows; `income` and `class` decide, and `income` has gaps."""
    rng = np.random.default_rng(seed)
    income = np.round(rng.normal(size=rows), 3)
    words = rng.choice(["red", "green", "blue"], rows, p=[0.5, 0.3, 0.2])
    frame = pd.DataFrame(
        {
            "education-num": rng.integers(1, 17, rows).astype(float),
            "income": np.where(rng.random(rows) < 0.1, np.nan, income),
            "class": words,
            "2nd floor": pd.array(rng.random(rows) < 0.5, dtype="boolean"),
            "model_x": pd.Timestamp("2024-01-01", tz="UTC")
            + pd.to_timedelta(rng.integers(0, 300, rows), unit="D"),
            "schema": rng.choice(["good", "bad one", "ugly"], rows),
        }
    )
    number = 2 * income + (words == "red") + 0.1 * rng.normal(size=rows)
    frame["label"] = np.where(number > 1, "high", np.where(number < -1, "low", "<=middle"))
    frame["number"] = number
    return frame


def schema(task: Task = "classification", columns: tuple[Column, ...] = COLUMNS) -> Schema:
    """Of :func:`table`."""
    target = {
        "classification": (Column(name="label", kind="category", role="target"),),
        "image": (Column(name="label", kind="category", role="target"),),
        "regression": (Column(name="number", kind="number", role="target"),),
    }
    return Schema(task=task, columns=(*columns, *target.get(task, ())), rows=0)


def model(
    name: str = "lightgbm",
    task: Task = "classification",
    columns: tuple[Column, ...] = COLUMNS,
    **settings: Any,
) -> TabularPredictor:
    """Two fold models of one algorithm."""
    frame = table()
    encoder = Encoder.fit(frame, schema(task, columns), missing=("", "?", "NA"))
    part = encoder.part(frame)
    kind = algorithm(name)
    context = FitContext(task, encoder.schema.classes, 0, 1, TrainParams())
    models = tuple(
        kind.fit(SETTINGS[name].model_validate(settings), part.take(np.arange(start, 240, 2)),
                 None, context).model
        for start in range(2)
    )  # fmt: skip
    ensemble = Ensemble(task, [Member(name, name, settings, models)])
    predictor = TabularPredictor(encoder, ensemble, part.features, dataset="test")
    requests: list[dict[str, Any]] = [
        {"rows": [{name: ROW[name] for name in encoder.columns}]},
        {"rows": encoder.requests(frame.head(3))},
    ]
    if task != "clustering":
        requests.append({"rows": [{"income": None}], "explain": True})
    predictor.record_golden([predictor.request_type.model_validate(r) for r in requests])
    return predictor


def picture(colour: str = "red", size: int = 20, form: str = "PNG") -> str:
    """A picture of one colour in base64."""
    stream = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(stream, form)
    return base64.b64encode(stream.getvalue()).decode()
