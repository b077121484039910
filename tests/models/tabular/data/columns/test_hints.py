"""The options that warnings name are options that work, whatever a column is called."""

import csv
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from kedro.framework.cli.project import run

from crisol.models.tabular.data.prepare import clean
from crisol.models.tabular.data.tables import schema_of
from crisol.models.tabular.params import DataParams
from crisol.models.tabular.schema import Schema

NAMES = [
    "zip.code", "a,b zip", "x=y code", "Größe (cm) zip", 'the "big" code', "it's a code",
    "2019.zip", "a..zip", "kind.code",
]  # fmt: skip
N = 80
_OPTION = re.compile(
    r"tabular: \{data: .*\}\}|'tabular\.data\.(?:[^']|'\"'\"')*'|tabular\.data\.\S+"
)


def _schema(path: Path, data: dict[str, Any]) -> Schema:
    return schema_of(clean(path, DataParams.model_validate({"target": "y", **data})).schema_table)


def _write(path: Path, columns: dict[str, list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def _applied(hint: str) -> dict[str, Any]:
    """The section ``data`` that a hint sets, by ``kedro run --params`` or by a YAML file."""
    if hint.startswith("tabular: "):
        return dict(yaml.safe_load(hint)["tabular"]["data"])
    (typed,) = shlex.split(hint)
    option = next(o for o in run.params if o.name == "params")
    with click.Context(run) as context:
        params = option.type_cast_value(context, typed)
        assert option.callback is not None
        return dict(option.callback(context, option, params)["tabular"]["data"])


def _hint(schema: Schema, words: str) -> str:
    """The option in the one warning that has some words."""
    (said,) = [warning for warning in schema.warnings if words in warning]
    found = _OPTION.search(said)
    assert found is not None
    return found[0].rstrip(",)")


@pytest.mark.parametrize("name", NAMES)
def test_the_option_of_a_warning_works_for_any_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "rows.csv"
    codes = [str(1000 + i % 9) for i in range(N)]
    kinds = ["u", "v"] * (N // 2)
    _write(path, {name: codes, "x": [f"{i * 7 % 13}.5" for i in range(N)], "y": kinds})
    schema = _schema(path, {})
    assert schema.column(name).kind == "category"
    told = _schema(path, _applied(_hint(schema, "taken for")))
    assert told.column(name).kind == "number"


@pytest.mark.parametrize("name", ["when.sent", "a,b", "x=y", "Größe (cm)", "2019", "yes", "a: b"])
def test_a_column_that_is_named_by_an_option_may_have_any_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "rows.csv"
    days = [f"{1 + i * 5 % 12:02}/{1 + i * 7 % 12:02}/2024" for i in range(N)]
    kinds = ["Paid", "paid", "open", "open"] * (N // 4)
    _write(path, {name: days, "x": kinds, "y": ["u", "v"] * (N // 2)})
    schema = _schema(path, {})
    assert schema.column(name).date_format == "%m/%d/%Y"
    assert _schema(path, _applied(_hint(schema, "holds dates"))).column(name).role == "time"
    order = _applied(_hint(schema, "month/day or day/month"))
    assert _schema(path, order).column(name).date_format == "%d/%m/%Y"
    case = _schema(path, _applied(_hint(schema, "differ in case alone")))
    assert case.column("x").distinct == 2


@pytest.mark.parametrize("name", ["leak.y", "b,c", "d=e"])
def test_a_column_that_gives_the_target_away_is_left_out_by_the_hint(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "rows.csv"
    kinds = ["u", "v"] * (N // 2)
    _write(
        path, {name: [f"is {k}" for k in kinds], "x": [str(i % 7) for i in range(N)], "y": kinds}
    )
    schema = _schema(path, {})
    told = _schema(path, _applied(_hint(schema, "alone tells y")))
    assert told.column(name).role == "ignore"
    assert _schema(path, {"ignore": name}).column(name).role == "ignore"
