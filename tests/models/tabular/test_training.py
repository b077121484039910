"""From prepared tables to a predictor: every task, one algorithm or a search."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crisol.core.errors import MendableError
from crisol.models.tabular import training
from crisol.models.tabular.auto.leaderboard import COLUMNS
from crisol.models.tabular.data.parts import split
from crisol.models.tabular.data.prepare import clean
from crisol.models.tabular.data.tables import schema_of, select
from crisol.models.tabular.params import DataParams, ModelParams, TrainParams
from crisol.models.tabular.predictor import TabularPredictor
from crisol.models.tabular.schema import Column, Schema
from crisol.models.tabular.training import Fitted, fit, fold_rows

RANDOM = np.random.default_rng(0)


def customers(rows: int = 160) -> pd.DataFrame:
    """Made-up people: spends says whether they stay, unless they live in the south."""
    spends = RANDOM.normal(50, 20, rows).round(2)
    town = RANDOM.choice(["north", "south"], rows)
    stays = np.where((spends > 50) != (town == "south"), "yes", "no")
    return pd.DataFrame({"spends": spends, "town": town, "stays": stays})


def learn(folder: Path, frame: pd.DataFrame, data: dict[str, Any], **model: Any) -> Fitted:
    """Through the family's own steps."""
    path = folder / "rows.csv"
    frame.to_csv(path, index=False)
    params = DataParams.model_validate(data)
    cleaned = clean(path, params)
    parts = split(cleaned.rows, cleaned.schema_table, params)
    return fit(
        cleaned.rows,
        cleaned.images,
        parts,
        cleaned.schema_table,
        params,
        ModelParams.model_validate(model),
        TrainParams(),
        folder / "checkpoints",
    )


def test_one_algorithm_on_folds(tmp_path: Path) -> None:
    made = learn(
        tmp_path,
        customers(),
        {"target": "stays", "read": {"missing": ["", "none"]}},
        algorithm="lightgbm",
        settings={"max_iterations": 60, "learning_rate": 0.2},
        folds=3,
    )
    assert made.predictor.encoder.missing == {"", "none"}, "requests are read as the file was"
    assert len(made.predictor.ensemble.members[0].models) == 3
    assert list(made.leaderboard.columns) == list(COLUMNS)
    assert made.leaderboard["algorithm"].tolist() == ["lightgbm"]
    assert made.history["label"].unique().tolist() == [f"lightgbm.fold{i}" for i in (1, 2, 3)]
    assert len(made.forecasts) == 128
    assert made.forecasts["row"].is_unique
    assert (made.forecasts["answer"] == made.forecasts["truth"]).mean() > 0.85
    np.testing.assert_allclose(made.forecasts[["p_0", "p_1"]].sum(axis=1), 1)
    assert not [path for path in (tmp_path / "checkpoints").rglob("*") if path.is_file()]
    again = TabularPredictor.load(made.predictor.save(tmp_path / "predictor"))
    assert len(again.golden) >= 3
    assert again.replay_golden() == []


def test_a_search_learns_numbers(tmp_path: Path) -> None:
    frame = customers()
    frame["bill"] = frame["spends"] * np.where(frame["town"] == "south", 2, 1) * 1000
    made = learn(
        tmp_path,
        frame.drop(columns="stays"),
        {"target": "bill"},
        auto={"algorithms": ["linear", "lightgbm"], "max_trials": 3, "folds": 3, "workers": 1},
    )
    assert "rmse" in set(made.leaderboard["metric"])
    errors = made.forecasts["answer"] - made.forecasts["truth"]
    assert errors.std() < 0.4 * made.forecasts["truth"].std()


def test_a_latency_limit_counts_the_encoding_of_the_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auto = {"algorithms": ["linear"], "max_trials": 1, "folds": 2, "workers": 1}
    made = learn(tmp_path, customers(), {"target": "stays"}, auto=auto | {"latency_limit_ms": 2000})
    assert 0 < made.leaderboard.loc[0, "latency_ms"] < 2000
    slow = training.encode_rows
    monkeypatch.setattr(training, "encode_rows", lambda *a: (time.sleep(0.03), slow(*a))[1])
    with pytest.raises(MendableError, match=r"latency_limit_ms: .* in 25 ms .*fastest took 3"):
        learn(tmp_path, customers(), {"target": "stays"}, auto=auto | {"latency_limit_ms": 25})


def test_a_search_finds_clusters(tmp_path: Path) -> None:
    centres = RANDOM.choice([0, 10, 20], 150)
    frame = pd.DataFrame(
        {"x": centres + RANDOM.normal(size=150), "y": -centres + RANDOM.normal(size=150)}
    )
    made = learn(
        tmp_path,
        frame,
        {"task": "clustering"},
        auto={"max_trials": 3, "workers": 1, "algorithms": ["kmeans"]},
    )
    assert made.leaderboard["metric"].unique().tolist() == ["silhouette"]
    assert '"clusters": 3' in made.leaderboard.loc[0, "settings"]
    assert made.forecasts["answer"].nunique() == 3


def test_a_search_reads_words(tmp_path: Path) -> None:
    good, bad = ["fine tasty warm lovely", "great fresh kind"], ["cold awful stale", "rude late"]
    frame = pd.DataFrame(
        {
            "review": [
                f"{RANDOM.choice(good if i % 2 else bad)} meal number {i} of the house"
                for i in range(120)
            ],
            "liked": ["yes" if i % 2 else "no" for i in range(120)],
        }
    )
    made = learn(
        tmp_path,
        frame,
        {"target": "liked", "task": "text", "columns": {"review": {"kind": "text"}}},
        auto={"max_trials": 2, "workers": 1, "algorithms": ["linear"], "folds": 3},
    )
    assert (made.forecasts["answer"] == made.forecasts["truth"]).mean() > 0.95


def test_an_algorithm_of_another_task_is_refused_before_anything_is_fitted(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(MendableError, match=r"model\.algorithm: 'kmeans' does not do classif"):
        learn(tmp_path, customers(), {"target": "stays"}, algorithm="kmeans")
    with pytest.raises(MendableError, match=r"model\.auto\.algorithms: 'hdbscan' does not do"):
        learn(tmp_path, customers(), {"target": "stays"}, auto={"algorithms": ["hdbscan"]})
    assert not (tmp_path / "checkpoints").exists()
    assert time.monotonic() - started < 30


def test_the_test_rows_are_not_looked_at(tmp_path: Path) -> None:
    frame = customers()
    data = {"target": "stays", "split": {"kind": "time"}, "time": "since"}
    frame["since"] = pd.date_range("2020-01-01", periods=len(frame)).strftime("%Y-%m-%d")
    model = {"algorithm": "linear"}
    plain = learn(tmp_path, frame, data, **model)
    changed = frame.copy()
    changed.loc[128:, "spends"] *= 1000
    changed.loc[128:, "stays"] = "no"
    other = learn(tmp_path, changed, data, **model)
    rows = plain.predictor.background
    np.testing.assert_array_equal(
        plain.predictor.ensemble.predict(rows), other.predictor.ensemble.predict(rows)
    )


def test_a_class_in_one_group_is_told_by_the_name_of_the_groups() -> None:
    table, model = customers(60).assign(stays="no", house=np.arange(60) // 6), ModelParams()
    columns = (
        Column(name="house", kind="number", role="group"),
        Column(name="stays", kind="category", role="target", categories=("no", "yes")),
    )
    schema = Schema(task="classification", columns=columns, rows=60)
    table.loc[table["house"] == 3, "stays"] = "yes"
    codes = (table["stays"] == "yes").to_numpy(np.int64)
    said = "data.group: .*'house'.* all of class 'no'; all rows of 'yes' are in one group"
    with pytest.raises(MendableError, match=said):
        fold_rows(table, schema, model, 0, codes)
    table.loc[table["house"] == 4, "stays"] = "yes"
    codes = (table["stays"] == "yes").to_numpy(np.int64)
    assert len(fold_rows(table, schema, ModelParams(algorithm="linear"), 0, codes)) == 1


def test_groups_and_times_are_kept_in_the_folds(tmp_path: Path) -> None:
    frame = customers()
    frame["home"] = RANDOM.integers(0, 20, len(frame)).astype(str)
    path = tmp_path / "rows.csv"
    frame.to_csv(path, index=False)
    params = DataParams(target="stays", group="home")
    cleaned = clean(path, params)
    parts = split(cleaned.rows, cleaned.schema_table, params)
    rows = select(cleaned.rows, parts, "train")
    folds = fold_rows(rows, schema_of(cleaned.schema_table), ModelParams(), 0, None)
    for index in range(len(folds)):
        learned, held_out = folds.rows(index)
        assert not set(rows["home"][learned]) & set(rows["home"][held_out])
