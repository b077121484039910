"""Options as a person writes them."""

import pytest
import yaml
from pydantic import BaseModel

from crisol.core.options import option, whole_names


class ColumnParams(BaseModel):
    """Overrides of a column."""

    kind: str = ""
    merge: dict[str, str] = {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("age", "tabular.data.columns.age.kind=number"),
        ("zip.code", "tabular.data.columns.zip.code.kind=number"),
        ("Größe (cm)", "'tabular.data.columns.Größe (cm).kind=number'"),
        ("a,b", 'tabular: {data: {columns: {"a,b": {kind: number}}}}'),
        ("x=y", 'tabular: {data: {columns: {"x=y": {kind: number}}}}'),
        ("a[0]", 'tabular: {data: {columns: {"a[0]": {kind: number}}}}'),
        (" a", 'tabular: {data: {columns: {" a": {kind: number}}}}'),
    ],
)
def test_a_hint_is_a_command_line_or_yaml(name: str, text: str) -> None:
    assert option("tabular", "data", "columns", name, "kind", value="number") == text


@pytest.mark.parametrize("value", ["2019", "yes", "a: b", "true", " x", "a, b", "#1", True, 3])
def test_a_value_is_itself_as_yaml(value: object) -> None:
    text = option("a", "b", value=value)
    read = yaml.safe_load(text if text.startswith("a:") else text.strip("'").partition("=")[2])
    assert read == ({"b": value} if isinstance(read, dict) else value) or read["a"]["b"] == value


@pytest.mark.parametrize(
    ("nested", "whole"),
    [
        ({"zip": {"code": {"kind": "n"}}}, {"zip.code": {"kind": "n"}}),
        ({"a": {"b": {"c": {"kind": "n"}}}}, {"a.b.c": {"kind": "n"}}),
        ({"zip": {"kind": "n", "code": {"kind": "m"}}},
         {"zip": {"kind": "n"}, "zip.code": {"kind": "m"}}),
        ({"a": {"kind": {"kind": "n"}}}, {"a.kind": {"kind": "n"}}),
        ({"a": {"merge": {"m": "male"}}}, {"a": {"merge": {"m": "male"}}}),
        ({"zip.code": {"kind": "n"}, "zip": {"code": {"merge": {}}}},
         {"zip.code": {"kind": "n", "merge": {}}}),
        ({"a": {}}, {"a": {}}),
    ],
)  # fmt: skip
def test_names_that_were_cut_at_their_dots_are_whole_again(nested: dict, whole: dict) -> None:
    assert whole_names(nested, ColumnParams) == whole


def test_words_that_were_cut_are_whole_again() -> None:
    assert whole_names({"1": {"0": "one"}, "b": "two"}, None) == {"1.0": "one", "b": "two"}
    assert whole_names(3, None) == 3
