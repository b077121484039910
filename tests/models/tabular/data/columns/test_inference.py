"""Kinds, roles and tasks: what is inferred of a table, and that a person overrules it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crisol.core.errors import MendableError
from crisol.models.tabular.data.columns.inference import infer, typed
from crisol.models.tabular.data.source_table import PART, ROW, SourceFormat, SourceTable
from crisol.models.tabular.data.tables import schema_of, schema_table
from crisol.models.tabular.params import DataParams
from crisol.models.tabular.schema import Column, Schema

N = 60


def _raw(**columns) -> SourceTable:
    """A raw table of text, as a CSV gives it."""
    frame = pd.DataFrame(
        {name: pd.Series([None if v is None else str(v) for v in values], dtype="str")
         for name, values in columns.items()}
    )  # fmt: skip
    frame[ROW] = range(1, len(frame) + 1)
    frame[PART] = pd.Series([None] * len(frame), dtype="str")
    return SourceTable(frame, SourceFormat("csv"), "t.csv")


def _column(values, name: str = "x", **data) -> tuple[Column, Schema]:
    y = ["u", "v"] * (len(values) // 2) + ["u"] * (len(values) % 2)
    table = _raw(**{name: values, "other": [i * i for i in range(len(values))], "y": y})
    schema = infer(table, DataParams(target="y", **data))
    return schema.column(name), schema


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2.5", "-3e2"] * 20, "number"),
        (["1,234.5", "2,000.0", "12.0"] * 20, "number"),
        (["0.4%", "12 %", "-.5%"] * 20, "number"),
        (["1,5%", "0,25%"] * 30, "number"),
        (["inf", "-Infinity", "3.5", "4", "5"] * 12, "number"),
        (["info", "infra"] * 30, "category"),
        (["1", "2", "n.a."] * 2 + ["3"] * 54, "number"),
        (["01234", "04567", "98765"] * 20, "category"),
        (["yes", "no"] * 30, "boolean"),
        (["red", "green", "blue"] * 20, "category"),
        (["2024-01-31", "2023-12-01"] * 30, "date"),
        (["2024-01-31T10:00:00Z", "2023-12-01T11:30:00+02:00"] * 30, "date"),
        (["31/12/2023", "01/02/2024"] * 30, "date"),
        (["3 Jan 2024", "14 Feb 2024"] * 30, "date"),
        ([f"the parcel number {i} came too late again" for i in range(N)], "text"),
        (["5 apples", "6 pears"] * 30, "category"),
    ],
    ids=lambda v: v if isinstance(v, str) else str(v[0])[:12],
)
def test_kinds_come_from_the_values(values: list[str], kind: str) -> None:
    column, _ = _column(values)
    assert column.kind == kind
    assert column.reason


def test_numbers_carry_their_range() -> None:
    column, _ = _column([str(i % 7) for i in range(N)])
    assert (column.low, column.high, column.integer, column.distinct) == (0, 6, True, 7)
    commas, _ = _column([f"1.{i:03d},5" for i in range(N)])
    assert (commas.low, commas.high) == (1000.5, 1059.5)


def test_stray_words_among_numbers_are_told() -> None:
    column, schema = _column([str(i) + ".5" for i in range(N - 2)] + ["unknown", "unknown"])
    assert column.kind == "number"
    assert column.missing == pytest.approx(2 / N)
    assert any("2 cells are no numbers ('unknown' 2)" in said for said in schema.warnings)


def test_infinite_cells_are_missing_and_told() -> None:
    column, schema = _column(["inf", "-inf", "3.5", "4", "5.5"] * 12)
    assert (column.low, column.high, column.missing) == (3.5, 5.5, pytest.approx(0.4))
    assert "x: 24 cells are infinite and count as missing" in schema.warnings
    numbers = np.where(np.arange(N) % 5, np.arange(N) * 0.5, -np.inf)
    frame = pd.DataFrame({"x": numbers, "other": np.arange(N) ** 2, "y": ["u", "v"] * 30})
    frame = frame.assign(**{ROW: range(1, N + 1), PART: pd.Series([None] * N, dtype="str")})
    schema = infer(SourceTable(frame, SourceFormat("parquet"), "t.parquet"), DataParams())
    assert (schema.column("x").kind, schema.column("x").low) == ("number", 0.5)
    assert "x: 12 cells are infinite and count as missing" in schema.warnings


def test_percentages_are_numbers_with_a_unit_where_every_cell_has_the_sign() -> None:
    column, schema = _column(["0.4%", "12 %", None] * 20)
    assert (column.low, column.high, column.unit) == (0.4, 12, "%")
    assert "x: read without its percent sign; requests send 12.5 for 12.5%" in schema.warnings
    assert schema_of(schema_table(schema)) == schema
    codes = ["5%", "6%", "70%"] * 20
    code, schema = _column(codes, "code")
    assert (code.kind, code.unit, code.categories) == ("category", None, ("5%", "6%", "70%"))
    told, schema = _column(codes, "code", columns={"code": {"kind": "number"}})
    assert (told.unit, told.reason, told.high) == ("%", "overruled", 70)
    assert any("percent sign" in said for said in schema.warnings)
    mixed, schema = _column(["0.4%", "12%", "7"] * 20)
    assert (mixed.kind, mixed.unit) == ("category", None)
    assert any(said.startswith("x: its numbers have different units ('%' 40, 'no unit' 20)")
               for said in schema.warnings)  # fmt: skip
    assert _column(["5", "6.5"] * 30)[0].unit is None


def test_a_number_target_may_have_some_infinite_cells() -> None:
    values = [f"{i}.5" for i in range(N - 6)] + ["inf"] * 6
    schema = infer(_raw(x=[f"{i * 3 % 7}.5" for i in range(N)], y=values), DataParams())
    assert schema.task == "regression"
    assert "y: 6 rows have no target and are left out" in schema.warnings


def test_dates_that_may_be_read_in_two_ways_are_told() -> None:
    column, schema = _column(["01/02/2024", "03/04/2024"] * 30)
    assert column.kind == "date"
    assert any("month/day or day/month" in said for said in schema.warnings)


@pytest.mark.parametrize(
    ("name", "values", "role"),
    [
        ("customer_id", [f"C{i}" for i in range(N)], "id"),
        ("PassengerId", range(1, N + 1), "id"),
        ("n", range(N), "id"),
        ("n", reversed(range(N)), "id"),
        ("position", [(i * 7) % N + 1 for i in range(N)], "id"),
        ("counter", range(5000, 5000 + N), "id"),
        ("dose", range(0, 10 * N, 10), "feature"),
        ("year", range(1960, 1960 + N), "feature"),
        ("price", [100 + i * 37 % 1009 for i in range(N)], "feature"),
        ("population", [i * i * 11 + 3 for i in range(N)], "feature"),
        ("twice", [i // 2 for i in range(N)], "feature"),
        ("gaps", [*range(N - 1), None], "feature"),
        ("code", [f"{i * 7919 % 1000:x}z" for i in range(N)], "id"),
        ("same", ["x"] * N, "ignore"),
        ("nothing", [None] * N, "ignore"),
        ("flag", ["x"] * (N - 5) + [None] * 5, "feature"),
        ("size", [f"{i * 1.37:.2f}" for i in range(N)], "feature"),
    ],
)
def test_ids_and_constants_are_no_features(name: str, values, role: str) -> None:
    column, schema = _column(list(values), name)
    assert column.role == role
    if role != "feature":
        assert any(said.startswith(name) for said in schema.warnings)


def test_zip_codes_and_repeated_ids_are_categories_and_told() -> None:
    column, schema = _column([10_000 + i % 20 for i in range(N)], "zip_code")
    assert column.kind == "category"
    assert any("taken for codes by its name" in said for said in schema.warnings)
    shop, schema = _column([f"S{i % 25}" for i in range(N)], "shop_id")
    assert (shop.kind, shop.role) == ("category", "feature")
    assert any("data.group=shop_id" in said for said in schema.warnings)


@pytest.mark.parametrize("cells", [["1.0", "2.0", "03."], ["1", "2.0", "03"]])
def test_the_words_of_codes_have_no_points(cells: list[str]) -> None:
    column, schema = _column(cells * 20, columns={"x": {"kind": "category"}})
    assert column.categories == ("03", "1", "2")
    table = _raw(x=cells * 20, other=range(N), y=["u", "v"] * 30)
    assert typed(table, schema, DataParams(target="y"))["x"].head(3).tolist() == ["1", "2", "03"]


@pytest.mark.parametrize(
    ("target", "task"),
    [
        (["a", "b"] * 30, "classification"),
        (["0", "1"] * 30, "classification"),
        ([str(i % 12) for i in range(N)], "classification"),
        ([str(i) for i in range(N)], "regression"),
        ([f"{i % 12 + 0.5}" for i in range(N)], "regression"),
        (["yes", "no"] * 30, "classification"),
    ],
)
def test_the_task_follows_the_target(target: list[str], task: str) -> None:
    table = _raw(x=[str(i * 1.7) for i in range(N)], Target=target)
    schema = infer(table, DataParams())
    assert schema.task == task
    assert schema.target is not None
    assert schema.target.name == "Target"
    assert schema.classes == (() if task == "regression" else tuple(sorted(set(target))))


def test_texts_alone_make_the_task_text_and_no_target_makes_clustering() -> None:
    texts = [f"the parcel number {i} came too late again" for i in range(N)]
    assert infer(_raw(review=texts, label=["a", "b"] * 30), DataParams()).task == "text"
    schema = infer(_raw(x=[str(i * 0.7) for i in range(N)], y=[str(i * 0.3) for i in range(N)]),
                   DataParams(task="clustering"))  # fmt: skip
    assert schema.task == "clustering"
    assert schema.target is None
    assert len(schema.features) == 2


def test_the_last_column_is_the_target_when_nothing_is_said() -> None:
    schema = infer(_raw(a=["u", "v"] * 30, b=[f"{i}.5" for i in range(N)]), DataParams())
    assert schema.target is not None
    assert schema.target.name == "b"
    assert "last column" in schema.target.reason


def test_what_a_person_says_wins() -> None:
    table = _raw(
        id=range(N), when=["2024-01-01", "2024-01-02"] * 30, n=[i % 5 for i in range(N)],
        who=["p", "q", "r"] * 20, y=["u", "v"] * 30, z=[i % 3 for i in range(N)],
    )  # fmt: skip
    said = DataParams.model_validate(
        {
            "target": "y", "time": "when", "group": "who", "ignore": ["z"],
            "columns": {"n": {"kind": "category"}, "id": {"role": "feature"}},
        }
    )  # fmt: skip
    schema = infer(table, said)
    roles = {c.name: c.role for c in schema.columns}
    assert roles == {"id": "feature", "when": "time", "n": "feature", "who": "group",
                     "y": "target", "z": "ignore"}  # fmt: skip
    assert schema.column("n").kind == "category"
    assert schema.column("n").reason == "overruled"
    only = infer(table, DataParams(target="y", features=["n"]))
    assert [c.name for c in only.features] == ["n"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"target": "inc"}, r"data\.target: t\.csv has no column 'inc'; there are: x"),
        ({"target": "y", "ids": ["othr"]}, r"no column 'othr'; did you mean 'other'"),
        ({"target": "y", "columns": {"yy": {"kind": "text"}}}, r"data\.columns: .*'yy'"),
        ({"target": "y", "ignore": ["y"]}, "column 'y' is data.target already"),
        ({"target": "x", "task": "regression"}, "holds no numbers"),
        ({"target": "dirty", "task": "regression"}, r"10\.0% of the cells of 'dirty' .* 'low'"),
        ({"target": "y", "columns": {"x": {"kind": "number"}}}, "no cell can be read as number"),
        (
            {"target": "y", "ignore": ["x", "other", "dirty", "huge"]},
            "no column is left to learn from",
        ),
        ({"target": "other", "task": "classification"}, "60 different words in 60 rows"),
        ({"target": "same"}, "every row of 'same' is 's'"),
        ({"target": "flat", "task": "regression"}, "every row of 'flat' is 3.5"),
        ({"target": "huge"}, r"'huge' holds numbers as large as 6.05e\+301"),
        ({"task": "clustering", "target": "y"}, "clustering predicts no column"),
        ({"columns": {"x": {"role": "target"}, "y": {"role": "target"}}}, "both the target"),
    ],
)
def test_what_cannot_be_is_refused(data: dict, said: str) -> None:
    table = _raw(x=["p", "q", "r"] * 20, other=[f"{i * 0.5}" for i in range(N)],
                 same=["s"] * N, flat=["3.5"] * N,
                 huge=[f"-{i}.5e300" for i in range(1, N + 1)],
                 dirty=["low", *"123456789"] * 6, y=["u", "v"] * 30)  # fmt: skip
    with pytest.raises(MendableError, match=said):
        infer(table, DataParams.model_validate(data))


def test_rows_without_a_target_are_told() -> None:
    table = _raw(x=[f"{i}.5" for i in range(N)], y=["u", "v", None] * 20)
    assert any("20 rows have no target" in said for said in infer(table, DataParams()).warnings)


def test_labels_are_stripped() -> None:
    table = _raw(x=[f"{i}.5" for i in range(N)], y=["u", "u.", "v", "v."] * 15)
    assert infer(table, DataParams(label_strip=".")).classes == ("u", "v")


def test_a_schema_becomes_a_table_and_back(tmp_path: Path) -> None:
    values = [f"{i * 0.5}" for i in range(N)]
    _, schema = _column(values, "ä b", columns={"other": {"role": "ignore"}})
    path = tmp_path / "schema.parquet"
    schema_table(schema).to_parquet(path, index=False)
    assert schema_of(pd.read_parquet(path)) == schema


def test_typed_sources_keep_their_types() -> None:
    frame = pd.DataFrame(
        {
            "n": np.arange(N) * 0.5, "b": [True, False] * 30,
            "d": pd.date_range("2024-01-01", periods=N, tz="Europe/Rome"),
            "y": [1, 2] * 30, ROW: range(1, N + 1), PART: pd.Series([None] * N, dtype="str"),
        }
    )  # fmt: skip
    schema = infer(SourceTable(frame, SourceFormat("parquet"), "t.parquet"), DataParams())
    assert [c.kind for c in schema.columns] == ["number", "boolean", "date", "category"]
    assert schema.classes == ("1", "2")
