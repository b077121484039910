"""A whole number is a number, in the signature of every family as in its contract."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import validate_schema
from mlflow.types.schema import DataType
from pydantic import BaseModel, ValidationError

from crisol import models
from crisol.models.tabular.contract import contract_of
from crisol.models.tabular.schema import Column, Schema
from crisol.registry.release.pyfunc_model import _plain
from crisol.registry.release.signature import signature


def _whole(value: Any) -> Any:
    """A request whose decimals are whole numbers."""
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return max(1, round(value)) if isinstance(value, float) else value


def _decimals() -> tuple[type[BaseModel], dict[str, Any]]:
    """A model of columns of decimals, and a row of whole numbers."""
    columns = [
        Column(name="weight", kind="number", low=0.5, high=99.5),
        Column(name="height", kind="number", low=0.5, high=99.5),
        Column(name="y", kind="number", role="target", low=0.0, high=9.5),
    ]
    contract = contract_of(Schema(task="regression", columns=columns, rows=10))
    return contract.request, {"rows": [{"weight": 36, "height": 0}, {"weight": 7.5, "height": 1}]}


def _requests() -> list[Any]:
    found = []
    for name in models.family_names():
        example = models.family(name).example_request()
        request = _whole(example.model_dump(mode="json", exclude_none=True))
        found.append(pytest.param(type(example), request, id=name))
    return [*found, pytest.param(*_decimals(), id="tabular-decimals")]


@pytest.mark.parametrize(("contract", "request_"), _requests())
def test_whole_numbers_are_taken_where_decimals_are(
    contract: type[BaseModel], request_: dict[str, Any]
) -> None:
    inputs = signature(contract, contract).inputs
    for given in ([request_], pd.DataFrame([request_])):
        validate_schema(given, inputs)
    row = pd.DataFrame([request_]).to_dict(orient="records")[0]
    assert contract.model_validate(_plain(row)) == contract.model_validate(request_)


@pytest.mark.parametrize("number", [36, 36.0, np.int64(36), np.float32(36), 0, 1, -3])
def test_numbers_of_every_type_are_the_same_number(number: Any) -> None:
    contract, _ = _decimals()
    rows = {"rows": [{"weight": number}]}
    validate_schema([rows], signature(contract, contract).inputs)
    assert contract.model_validate(_plain(rows)).rows[0]["weight"] == float(number)


@pytest.mark.parametrize("cell", ["72 kg", "thirty", [36], {"value": 36}])
def test_what_is_no_number_is_refused_by_the_contract(cell: Any) -> None:
    contract, _ = _decimals()
    with pytest.raises((ValidationError, MlflowException)):
        contract.model_validate(_plain({"rows": [{"weight": cell}]}))


def test_the_other_types_stay_in_the_signature() -> None:
    example = models.family("recommender").example_request()
    inputs = signature(type(example), type(example)).inputs.input_dict()
    assert DataType.string in [spec.type for spec in inputs.values()]
