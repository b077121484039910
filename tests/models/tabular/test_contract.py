import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from tests.models.tabular import served

from crisol.core.contract import ModelContract
from crisol.models.tabular.contract import MAX_ROWS, contract_of, example_request
from crisol.models.tabular.data.prepare import clean
from crisol.models.tabular.data.tables import schema_of
from crisol.models.tabular.features.encoder import Encoder
from crisol.models.tabular.params import DataParams
from crisol.models.tabular.schema import Column, Schema

SAMPLE = Path(__file__).parents[3] / "data" / "01_raw" / "tabular" / "sample_customers.csv"
FITTED = Encoder.fit(served.table(), served.schema())
PICTURES = (Column(name="picture", kind="image"),)


@pytest.fixture(scope="module")
def contract() -> ModelContract:
    return contract_of(FITTED.schema)


def problems(contract: ModelContract, body: Any) -> dict[str, str]:
    """What is wrong with a body, by field."""
    text = body if isinstance(body, str) else json.dumps(body)
    try:
        contract.request.model_validate_json(text, strict=True)
    except ValidationError as error:
        return {".".join(map(str, e["loc"])): e["type"] for e in error.errors()}
    return {}


def test_columns_keep_their_names_on_the_way_in_and_out(contract: ModelContract) -> None:
    body = {"rows": [served.ROW], "explain": True}
    request = contract.request.model_validate_json(json.dumps(body), strict=True)
    assert request.model_dump(mode="json") == body
    assert json.loads(request.model_dump_json()) == body
    page = contract.request.model_json_schema()
    row = page["$defs"]["Row"]
    assert list(row["properties"]) == list(served.ROW)
    assert row["additionalProperties"] is False
    Draft202012Validator(page).validate(body)


def test_the_page_tells_what_training_saw(contract: ModelContract) -> None:
    fields = contract.request.model_json_schema()["$defs"]["Row"]["properties"]
    told = {name: field["description"] for name, field in fields.items()}
    assert "A whole number, 1 to 16 in training" in told["education-num"]
    assert " % of the training rows had no value" in told["income"]
    assert "training knew 'red', 'green', 'blue'." in told["class"]
    assert fields["education-num"]["x-training-range"] == [1, 16]
    assert fields["model_x"]["x-training-range"][0] == "2024-01-01T00:00:00"
    assert fields["class"]["x-training-words"] == ["red", "green", "blue"]
    assert "true is 'yes'" in told["2nd floor"]
    assert "2024-01-01T00:00:00 to 2024-10-" in told["model_x"]
    answer = contract.response.model_json_schema(mode="serialization")["$defs"]["ClassPrediction"]
    assert answer["properties"]["prediction"]["enum"] == ["<=middle", "high", "low"]


@pytest.mark.parametrize(
    ("cell", "field", "kind"),
    [
        ({"education-num": "7"}, "education-num", "float_type"),
        ({"education-num": True}, "education-num", "float_type"),
        ({"income": [1]}, "income", "float_type"),
        ({"class": 7.5}, "class", "string_type"),
        ({"class": ["red"]}, "class", "string_type"),
        ({"class": "x" * 1001}, "class", "string_too_long"),
        ({"2nd floor": "yes"}, "2nd floor", "bool_type"),
        ({"2nd floor": 1}, "2nd floor", "bool_type"),
        ({"model_x": "tomorrow"}, "model_x", "value_error"),
        ({"model_x": "2024-02-30"}, "model_x", "value_error"),
        ({"model_x": 1}, "model_x", "string_type"),
        ({"schema": {"a": 1}}, "schema", "string_type"),
        ({"Education-num": 7}, "Education-num", "extra_forbidden"),
        ({"label": "high"}, "label", "extra_forbidden"),
    ],
)
def test_a_wrong_cell_is_named(
    contract: ModelContract, cell: dict[str, Any], field: str, kind: str
) -> None:
    assert problems(contract, {"rows": [served.ROW, cell]}) == {f"rows.1.{field}": kind}


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"rows": []}, {"rows": "too_short"}),
        ({"rows": [{}]}, {"rows.0": "value_error"}),
        ({"rows": [None]}, {"rows.0": "dict_type"}),
        ({"rows": served.ROW}, {"rows": "list_type"}),
        ({"rows": [{"income": 1}] * (MAX_ROWS + 1)}, {"rows": "too_long"}),
        ({"rows": [served.ROW], "explain": "yes"}, {"explain": "bool_type"}),
        ({"rows": [served.ROW], "more": 1}, {"more": "extra_forbidden"}),
        ({}, {"rows": "missing"}),
        ('{"rows": [{"income": NaN}]}', {"rows.0.income": "finite_number"}),
        ('{"rows": [{"income": 1e999}]}', {"rows.0.income": "finite_number"}),
        ('{"rows": [{"income": -Infinity}]}', {"rows.0.income": "finite_number"}),
    ],
)
def test_a_wrong_body_is_named(contract: ModelContract, body: Any, wrong: dict[str, str]) -> None:
    assert problems(contract, body) == wrong


def test_what_may_be_missing_may(contract: ModelContract) -> None:
    assert not problems(contract, {"rows": [dict.fromkeys(served.ROW)]})
    assert not problems(contract, {"rows": [{"class": "violet"}]})
    assert not problems(contract, {"rows": [{"model_x": "31.12.2023"}]}), "as in the data"
    assert not problems(contract, {"rows": [{"model_x": "2023-12-31T23:59:59+02:00"}]})


def test_codes_may_be_sent_as_numbers_and_booleans() -> None:
    columns = (
        Column(name="code", kind="category", categories=("7", "10")),
        Column(name="flag", kind="category", categories=("True", "False", "unsure")),
    )
    codes = contract_of(Schema(task="clustering", columns=columns, rows=3))
    cells: list[dict[str, Any]] = [
        {"code": 7, "flag": True}, {"code": 10.0, "flag": False}, {"code": "x", "flag": None},
        {"code": -3, "flag": "unsure"},
    ]  # fmt: skip
    page = codes.request.model_json_schema()
    Draft202012Validator(page).validate({"rows": cells})
    found = codes.request.model_validate_json(json.dumps({"rows": cells}), strict=True)
    assert found.model_dump(mode="json")["rows"] == [
        {"code": "7", "flag": "True"}, {"code": "10", "flag": "False"},
        {"code": "x", "flag": None}, {"code": "-3", "flag": "unsure"},
    ]  # fmt: skip
    assert not Draft202012Validator(page).is_valid({"rows": [{"code": 7.5}]})
    told = page["$defs"]["Row"]["properties"]
    assert "A whole number may be sent as one." in told["code"]["description"]
    assert "whole number" not in told["flag"]["description"]


def test_the_unit_of_percentages_is_told_of_what_is_sent_and_answered() -> None:
    columns = (
        Column(name="share", kind="number", unit="%", low=0.5, high=20),
        Column(name="growth", kind="number", unit="%", role="target"),
    )
    made = contract_of(Schema(task="regression", columns=columns, rows=3))
    share = made.request.model_json_schema()["$defs"]["Row"]["properties"]["share"]
    assert share["description"].startswith("A number in %, 0.5 to 20 in training.")
    assert problems(made, {"rows": [{"share": "12%"}]}) == {"rows.0.share": "float_type"}
    answer = made.response.model_json_schema(mode="serialization")["$defs"]["NumberPrediction"]
    assert answer["properties"]["prediction"]["description"] == "In %."


def test_any_name_may_be_a_columns() -> None:
    names = ("", " ", "rows", "self", "a.b", "a/b", "a\nb", "λ", "__class__", "$ref", "{x}", "%s",
             "model_config", "__pydantic_config__", "type", "properties", "0")  # fmt: skip
    columns = tuple(Column(name=name, kind="number", low=0, high=1) for name in names)
    contract = contract_of(Schema(task="clustering", columns=columns, rows=2))
    body = contract.example().model_dump(mode="json")
    assert tuple(body["rows"][0]) == names
    assert not problems(contract, body)
    Draft202012Validator(contract.request.model_json_schema()).validate(body)


@pytest.mark.parametrize("task", ["classification", "regression", "clustering"])
def test_the_example_keeps_the_contract_of_each_task(task: Any) -> None:
    encoder = Encoder.fit(served.table(), served.schema(task))
    contract = contract_of(encoder.schema)
    body = contract.example().model_dump(mode="json")
    assert not problems(contract, body)
    assert list(body["rows"][0]) == list(served.ROW)
    assert ("explain" in contract.request.model_fields) is (task != "clustering")


def test_a_picture_column_takes_base64() -> None:
    contract = contract_of(Schema(task="image", columns=PICTURES, rows=1))
    body = contract.example().model_dump(mode="json")
    assert not problems(contract, body)
    from crisol.core.data.pictures import decode_base64

    assert decode_base64(body["rows"][0]["picture"], 8).pixels.min() == 255


def test_the_example_is_a_row_of_the_sample() -> None:
    data = DataParams()
    found = clean(SAMPLE, data)
    encoder = Encoder.fit(found.rows, schema_of(found.schema_table))
    request = example_request().model_dump(mode="json")
    assert request["rows"][0] in encoder.requests(found.rows.head(5))
    assert not problems(contract_of(encoder.schema), request)
