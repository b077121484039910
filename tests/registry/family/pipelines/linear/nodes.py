import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from crisol.models.linear.contract import example_request
from crisol.models.linear.params import DataParams, ModelParams, TrainParams
from crisol.models.linear.predictor import LinePredictor

from crisol.core.candidate import Candidate, Report
from crisol.core.predictor import Predictor
from crisol.core.progress import emit


def clean(rows_raw: pd.DataFrame) -> pd.DataFrame:
    return rows_raw.sort_values("x", ignore_index=True)


def fit(
    rows: pd.DataFrame,
    data: DataParams,
    model: ModelParams,
    train: TrainParams,
    checkpoints: Path,
) -> tuple[Predictor[Any, Any], pd.DataFrame]:
    if train.fail:
        raise ArithmeticError("asked to fail")
    known = rows.iloc[: -data.held_out]
    slope, offset = np.polyfit(known["x"], known["y"], 1)
    predictor = LinePredictor(float(slope) + model.slope_error, float(offset))
    history = []
    for epoch in range(1, train.epochs + 1):
        (checkpoints / "epoch").write_text(str(epoch))
        emit({"line.train_loss": 1 / epoch}, epoch)
        history.append({"label": "line", "epoch": epoch, "train_loss": 1 / epoch, "extra": 2.0})
        time.sleep(train.pause_s)
    predictor.record_golden([example_request()])
    return predictor, pd.DataFrame(history)


def evaluate(
    predictor: Predictor[Any, Any],
    champion: Predictor[Any, Any] | None,
    rows: pd.DataFrame,
    data: DataParams,
) -> tuple[Report, pd.DataFrame, dict[str, Any], dict[str, float]]:
    from matplotlib.figure import Figure

    held = rows.tail(data.held_out)

    def say(line: Any) -> Any:
        return line.slope * held["x"] + line.offset

    scores = pd.DataFrame(
        {
            "row": held.index,
            "group": held.index // 4,
            "truth": held["y"],
            "candidate": say(predictor),
            "mean": rows["y"].iloc[: -data.held_out].mean(),
        }
    )
    if champion is not None:
        scores["champion"] = say(champion)
    error = float((scores["candidate"] - scores["truth"]).abs().mean())
    report = Report(
        family="linear",
        headline=f"A line misses by {error:.3f} on average.",
        metrics={"mae": error},
        tables={"Errors": [{"model": "line", "mae": error}]},
        data=["200 made-up points."],
        limits=["Knows straight lines only."],
        synthetic=True,
    )
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot(held["x"], held["y"])
    return report, scores, {"line": figure}, {"rows": float(len(held)), "predict_ms": time.time()}


def register(
    predictor: Predictor[Any, Any], scores: pd.DataFrame, report: Report, data: DataParams
) -> Candidate:
    return Candidate(predictor, scores, data.gate, report)
