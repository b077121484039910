"""One AutoML library of the race, in the environment of its own that ``automl_race.py`` names.

    python benchmarks/automl_peers.py fit|answer autogluon|flaml FOLDER

``fit`` reads ``train.csv`` and writes the model; ``answer`` reads ``test.csv``, which has no
target, loads the model in a new process, and writes ``answers.npy`` and ``answer.json``. Neither
imports Crisol. ``case.json`` in the folder tells target, kind, seconds and seed.
"""

import json
import logging
import pickle
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

WARM_ROWS = 3
TIMED_ROWS = 60


def fit_autogluon(train: pd.DataFrame, case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """``best_quality``, and its folds one after the other: parallel ones need several cores."""
    from autogluon.tabular import TabularPredictor

    whole = folder / "whole"
    kind = case["kind"]
    problem = "regression" if kind == "regression" else _classes(train[case["target"]])
    predictor = TabularPredictor(
        case["target"],
        problem_type=problem,
        eval_metric="root_mean_squared_error" if kind == "regression" else "log_loss",
        path=str(whole),
        verbosity=1,
    ).fit(
        train,
        time_limit=case["seconds"],
        presets="best_quality",
        num_cpus=1,
        num_gpus=0,
        ag_args_ensemble={"fold_fitting_strategy": "sequential_local"},
        ds_args={"enable_ray_logging": False},
    )
    board = predictor.leaderboard(silent=True)[["model", "score_val", "stack_level", "fit_time"]]
    # Only the best model: describing all of them fails where time ran out in one.
    best = predictor._trainer.load_model(predictor.model_best).get_info()
    weights = [
        {model: round(float(weight), 2) for model, weight in child["model_weights"].items()}
        for child in best.get("children_info", {}).values()
        if "model_weights" in child
    ]
    predictor.clone_for_deployment(str(folder / "model"))
    megabytes = _megabytes(whole)
    shutil.rmtree(whole)
    return {
        "made_of": f"{predictor.model_best} {weights}",
        "megabytes_trained": megabytes,
        "leaderboard": board.head(12).to_dict("records"),
    }


def _classes(target: "pd.Series[Any]") -> str:
    return "binary" if target.nunique() == 2 else "multiclass"


def answer_autogluon(rows: pd.DataFrame, case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The answers of the model that ``clone_for_deployment`` left, kept in memory."""
    from autogluon.tabular import TabularPredictor

    predictor = TabularPredictor.load(str(folder / "model"), verbosity=0)
    predictor.persist()
    if case["kind"] == "regression":
        answer = lambda some: predictor.predict(some).to_numpy()  # noqa: E731 - of two, one
    else:
        answer = lambda some: predictor.predict_proba(some)[case["classes"]].to_numpy()  # noqa: E731
    return _answered(answer, rows, folder)


def fit_flaml(train: pd.DataFrame, case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """FLAML's defaults, with words as categories: it reads no texts."""
    from flaml import AutoML

    learner = AutoML()
    regression = case["kind"] == "regression"
    learner.fit(
        _categories(train.drop(columns=case["target"])),
        train[case["target"]],
        task="regression" if regression else "classification",
        metric="rmse" if regression else "log_loss",
        time_budget=case["seconds"],
        n_jobs=1,
        seed=case["seed"],
        verbose=0,
    )
    (folder / "model").mkdir()
    with (folder / "model" / "automl.pkl").open("wb") as stream:
        pickle.dump(learner, stream)
    return {"made_of": f"{learner.best_estimator} {learner.best_config}"}


def answer_flaml(rows: pd.DataFrame, case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The answers of the pickled learner."""
    with (folder / "model" / "automl.pkl").open("rb") as stream:
        learner = pickle.load(stream)
    rows = _categories(rows)
    if case["kind"] == "regression":
        return _answered(lambda some: np.asarray(learner.predict(some)), rows, folder)
    places = [list(map(str, learner.classes_)).index(name) for name in case["classes"]]
    return _answered(lambda some: learner.predict_proba(some)[:, places], rows, folder)


def _categories(rows: pd.DataFrame) -> pd.DataFrame:
    words = rows.select_dtypes(exclude="number").columns
    return rows.astype(dict.fromkeys(words, "category"))


def _answered(answer: Any, rows: pd.DataFrame, folder: Path) -> dict[str, Any]:
    """All rows at once, then some of them alone; the median of those is told."""
    np.save(folder / "answers.npy", np.asarray(answer(rows), dtype=np.float64))
    alone = []
    for at in range(WARM_ROWS + TIMED_ROWS):
        row = rows.iloc[[at % len(rows)]]
        began = time.perf_counter()
        answer(row)
        alone.append(1000 * (time.perf_counter() - began))
    return {"row_ms": float(np.median(alone[WARM_ROWS:]))}


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def main() -> None:
    """Fit or answer."""
    step, name, place = sys.argv[1:4]
    logging.disable(logging.WARNING)
    folder = Path(place)
    case = json.loads((folder / "case.json").read_text())
    rows = pd.read_csv(folder / ("train.csv" if step == "fit" else "test.csv"))
    if step == "fit" and case["kind"] != "regression":
        rows[case["target"]] = rows[case["target"]].astype(str)
    steps: dict[str, Any] = {
        "fit autogluon": fit_autogluon,
        "answer autogluon": answer_autogluon,
        "fit flaml": fit_flaml,
        "answer flaml": answer_flaml,
    }
    told = steps[f"{step} {name}"](rows, case, folder)
    (folder / f"{step}.json").write_text(json.dumps(told, default=str))


if __name__ == "__main__":
    main()
