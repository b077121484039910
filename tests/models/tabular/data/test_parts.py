"""What is held out, and what a split or a column gives away."""

import numpy as np
import pandas as pd
import pytest

from crisol.core.errors import MendableError
from crisol.models.tabular.data.leakage import across, warnings
from crisol.models.tabular.data.parts import split
from crisol.models.tabular.data.source_table import PART, ROW
from crisol.models.tabular.data.tables import schema_table, select
from crisol.models.tabular.params import DataParams
from crisol.models.tabular.schema import Column, Role, Schema, Task

N = 300


def _rows(**extra) -> pd.DataFrame:
    random = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            ROW: range(1, N + 1), PART: pd.Series([None] * N, dtype="str"),
            "x": random.normal(size=N), "c": random.choice(["u", "v", "w"], N),
            "y": np.where(np.arange(N) % 5 == 0, "rare", "often"),
        }
    )  # fmt: skip
    return rows.assign(**extra)


def _schema(rows: pd.DataFrame, task: Task = "classification", **roles: Role) -> Schema:
    kinds = {"f": "number", "i": "number", "M": "date"}
    columns = []
    for name in rows.columns[2:]:
        role = roles.get(name, "target" if name == "y" else "feature")
        words = tuple(sorted(rows[name].dropna().astype(str).unique())) if role == "target" else ()
        kind = kinds.get(rows[name].dtype.kind, "category")
        columns.append(Column(name=name, kind=kind, role=role, categories=words))
    return Schema(task=task, columns=tuple(columns), rows=len(rows))


def _parts(rows: pd.DataFrame, schema: Schema, **params) -> pd.DataFrame:
    return split(rows, schema_table(schema), DataParams.model_validate({"split": params}))


def test_a_random_split_keeps_the_shares_of_the_classes_and_repeats_itself() -> None:
    rows = _rows()
    parts = _parts(rows, _schema(rows), test_share=0.25)
    test = select(rows, parts, "test")
    assert len(test) == 75
    assert (test["y"] == "rare").sum() == 15
    assert parts["row"].tolist() == rows[ROW].tolist()
    assert parts.equals(_parts(rows, _schema(rows), test_share=0.25))
    assert not parts.equals(_parts(rows, _schema(rows), test_share=0.25, seed=1))
    train = select(rows, parts, "train")
    assert not set(train[ROW]) & set(test[ROW])


def test_numbers_are_split_at_random() -> None:
    rows = _rows(y=np.arange(N) * 1.0)
    parts = _parts(rows, _schema(rows, "regression"))
    assert parts["part"].value_counts().to_dict() == {"train": 240, "test": 60}


def test_an_official_split_is_kept() -> None:
    rows = _rows(**{PART: ["train"] * 200 + ["test"] * 100})
    assert _parts(rows, _schema(rows))["part"].tolist() == rows[PART].tolist()
    assert _parts(rows, _schema(rows), kind="random")["part"].tolist() != rows[PART].tolist()


def test_a_split_in_time_tests_on_what_is_later() -> None:
    days = pd.to_datetime("2024-01-01", utc=True) + pd.to_timedelta(
        np.random.default_rng(1).integers(0, 40, N), unit="D"
    )
    rows = _rows(when=days.astype("datetime64[us, UTC]"))
    schema = _schema(rows, when="time")
    parts = _parts(rows, schema)
    train, test = select(rows, parts, "train"), select(rows, parts, "test")
    assert train["when"].max() < test["when"].min()
    assert 30 <= len(test) <= 80
    assert across(rows, parts, schema) == []
    shuffled = _parts(rows, schema, kind="random")
    assert any("later than the first test row" in said for said in across(rows, shuffled, schema))


def test_a_group_is_never_on_both_sides() -> None:
    rows = _rows(who=[f"g{i % 37}" for i in range(N)])
    schema = _schema(rows, who="group")
    parts = _parts(rows, schema)
    train, test = select(rows, parts, "train"), select(rows, parts, "test")
    assert not set(train["who"]) & set(test["who"])
    assert 40 <= len(test) <= 80
    assert across(rows, parts, schema) == []
    shuffled = _parts(rows, schema, kind="random")
    assert any("groups have rows on both sides" in said for said in across(rows, shuffled, schema))


def test_classes_of_one_row_are_left_out() -> None:
    rows = _rows()
    rows.loc[3, "y"] = "alone"
    parts = _parts(rows, _schema(rows))
    assert parts["part"].value_counts()["left_out"] == 1
    assert parts.loc[3, "part"] == "left_out"


def test_test_rows_of_a_class_that_was_not_learned_are_left_out() -> None:
    rows = _rows(**{PART: ["train"] * 200 + ["test"] * 100})
    rows.loc[250:260, "y"] = "new"
    parts = _parts(rows, _schema(rows))
    assert (parts["part"] == "left_out").sum() == 11


@pytest.mark.parametrize(
    ("change", "params", "said"),
    [
        ({}, {"kind": "given"}, "no train and test files"),
        ({}, {"kind": "time"}, r"needs data\.time"),
        ({}, {"kind": "group"}, r"needs data\.group"),
        ({"y": ["often"] * (N - 1) + ["x"]}, {}, r"two classes of at least two rows; found often"),
        ({PART: ["train"] * 299 + ["test"], "y": ["u"] * 299 + ["v"]}, {}, "two classes"),
    ],
)
def test_splits_that_cannot_be_made_are_refused(change: dict, params: dict, said: str) -> None:
    rows = _rows(**change)
    with pytest.raises(MendableError, match=said):
        _parts(rows, _schema(rows), **params)


def test_one_moment_and_one_group_cannot_be_split() -> None:
    day = pd.Series(pd.to_datetime(["2024-01-01"] * N, utc=True)).astype("datetime64[us, UTC]")
    rows = _rows(when=day, who="all")
    with pytest.raises(MendableError, match="fewer than two different moments"):
        _parts(rows, _schema(rows, when="time"), kind="time")
    with pytest.raises(MendableError, match="has one group"):
        _parts(rows, _schema(rows, who="group"), kind="group")


@pytest.mark.parametrize(
    ("name", "cells", "said"),
    [
        ("copy", lambda y: y, "is equal to y"),
        ("coded", lambda y: np.where(y == "rare", "A7", "B2"), "alone tells y with accuracy 1.000"),
        ("amount", lambda y: np.where(y == "rare", 5.0, 0.0) + np.arange(N) / N, "alone tells y"),
    ],
)
def test_columns_that_give_the_target_away_are_told(name: str, cells, said: str) -> None:
    rows = _rows()
    assert warnings(rows, _schema(rows)) == []
    leaky = rows.assign(**{name: cells(rows["y"])})
    found = warnings(leaky, _schema(leaky))
    assert len(found) == 1
    assert found[0].startswith(f"{name}: {said}")
    assert f"tabular.data.columns.{name}.role=ignore" in found[0]


def test_a_number_that_is_the_target_in_another_unit_is_told() -> None:
    rows = _rows(y=np.arange(N) * 1.0)
    rows["grams"] = rows["y"] * 1000 + 3
    found = warnings(rows, _schema(rows, "regression"))
    assert [said.split(":")[0] for said in found] == ["grams"]
    assert "R²" in found[0]


def test_ids_that_tell_the_target_are_told() -> None:
    rows = _rows(y=np.where(np.arange(N) < 150, "a", "b"), number=np.arange(N) * 1.0)
    assert any(
        said.startswith("number: alone tells")
        for said in warnings(rows, _schema(rows, number="id"))
    )


def test_duplicates_across_the_split_are_told_with_their_labels() -> None:
    rows = _rows()
    rows = pd.concat(
        [rows, rows.iloc[:40].assign(**{ROW: range(N + 1, N + 41)})], ignore_index=True
    )
    schema = _schema(rows)
    parts = pd.DataFrame({"row": rows[ROW], "part": ["train"] * N + ["test"] * 40})
    assert across(rows, parts, schema) == [
        "40 of 40 test rows have the features of a training row; 100% of them its y, too"
    ]


def test_what_gives_a_rare_class_away_is_told_and_what_only_guesses_is_not() -> None:
    rare = np.random.default_rng(1).random(2000) < 0.02
    rows = pd.DataFrame(
        {
            ROW: range(1, 2001), PART: pd.Series([None] * 2000, dtype="str"),
            "flag": np.where(rare, "back", "none"), "amount": rare * 5 + np.linspace(0, 1, 2000),
            "clean": np.random.default_rng(2).normal(size=2000),
            "y": np.where(rare, "fraud", "fine"),
        }
    )  # fmt: skip
    said = warnings(rows, _schema(rows))
    assert [text.split(":")[0] for text in said] == ["flag", "amount"]


def test_numbers_that_float32_cannot_hold_are_looked_at() -> None:
    rows = _rows(huge=np.random.default_rng(3).normal(size=N) * 1e300)
    assert warnings(rows, _schema(rows)) == []
    rows["huge"] = np.where(rows["y"] == "rare", 1e300, -1e300)
    assert "huge: alone tells y" in warnings(rows, _schema(rows))[0]


def test_a_target_whose_squares_no_float_holds_is_not_told_of_any_column() -> None:
    random = np.random.default_rng(4)
    rows = _rows(y=random.normal(size=N) * 1e300, noise=random.normal(size=N))
    schema = _schema(rows, "regression")
    assert warnings(rows, schema) == []
    rows["noise"] = rows["y"] / 1e295 + 1
    assert [said.split(":")[0] for said in warnings(rows, schema)] == ["noise"]
