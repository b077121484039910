"""The work on a body is bounded: 300,000 unknown keys once took 10 s."""

import json
import time
from typing import Any

import pytest
from pydantic import TypeAdapter
from tests.models.tabular import served

from crisol.models.products.contract import EmbeddingsRequest, Product, SearchRequest
from crisol.models.recommender.contract import BatchRequest as Recommendations
from crisol.models.recommender.contract import RecommendationRequest
from crisol.models.signals.contract import BatchRequest, PredictionRequest
from crisol.models.tabular.contract import contract_of
from crisol.models.tabular.schema import Column, Schema
from crisol.platform.jobs.job import JobRequest
from crisol.serving.http.errors import MAX_DETAILS, MAX_FIELD, ApiError
from crisol.serving.http.validation import count_values, validate

MANY = "{" + ",".join(f'"k{i}":1' for i in range(300_000)) + "}"
ROWS = contract_of(served.schema()).request


def refused(contract: Any, body: str) -> ApiError:
    with pytest.raises(ApiError) as error:
        validate(TypeAdapter(contract), body.encode(), strict=True)
    return error.value


@pytest.mark.parametrize(
    ("contract", "body"),
    [
        (PredictionRequest, MANY),
        (BatchRequest, f'{{"requests":[{MANY}]}}'),
        (BatchRequest, f'{{"requests":[{"1," * 1_500_000}1]}}'),
        (Product, f'{{"title":"abc","attributes":{MANY}}}'),
        (EmbeddingsRequest, f'{{"products":[{"1," * 2_000_000}1]}}'),
        (SearchRequest, f'{{"text":"abc","filters":{MANY}}}'),
        (RecommendationRequest, MANY),
        (Recommendations, f'{{"requests":[{MANY}]}}'),
        (ROWS, f'{{"rows":[{MANY}]}}'),
        (JobRequest, f'{{"family":"x","parameters":{{"x":{{"train":{MANY}}}}}}}'),
        (JobRequest, MANY),
    ],
)
def test_a_body_of_many_keys_is_refused_soon_and_in_few_bytes(contract: Any, body: str) -> None:
    adapter = TypeAdapter(contract)
    began = time.process_time()
    with pytest.raises(ApiError) as error:
        validate(adapter, body.encode(), strict=True)
    assert time.process_time() - began < 1
    assert error.value.status == 422
    [detail] = error.value.details
    assert detail.type in {"too_many_values", "too_many_errors"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("[" * 100_000 + "]" * 100_000, 400), ('{"family":' + "9" * 100_000 + "}", 400),
        ('{"a\\ud800":1}', 400), ("{", 400), ("", 400), ("nul", 400),
        ('{"' + "k" * 1_000_000 + '":1}', 422),
    ],
)  # fmt: skip
def test_depth_digits_and_keys_are_bounded(body: str, status: int) -> None:
    error = refused(JobRequest, body)
    assert error.status == status
    assert all(len(detail.field) <= MAX_FIELD for detail in error.details)


def test_the_largest_bodies_that_keep_a_contract_pass() -> None:
    names = [f"column {i}" for i in range(500)]
    columns = tuple(Column(name=name, kind="number") for name in names)
    wide = contract_of(Schema(task="clustering", rows=1, columns=columns)).request
    rows = [dict.fromkeys(names, 1.5) for _ in range(400)]
    assert len(validate(TypeAdapter(wide), json.dumps({"rows": rows}).encode(), strict=True).rows)
    product = {"title": "a, b", "attributes": {f"k{i}": "x, y, z" for i in range(100)}}
    body = json.dumps({"products": [product] * 1000}).encode()
    assert len(validate(TypeAdapter(EmbeddingsRequest), body, strict=True).products) == 1000


def test_commas_of_texts_are_no_values() -> None:
    text = json.dumps({"title": "abc", "description": ", " * 9_000 + '"\\\\'})
    padded = text[:-1] + " " * 70_000 + "}"
    assert validate(TypeAdapter(Product), padded.encode(), strict=True).title == "abc"
    assert count_values(padded.encode()) == 3
    assert count_values(json.dumps(["\\", '",', [1, {"a": "]"}]]).encode()) == 7
    assert count_values(b'["' + b"x" * 600_000 + b'",1,1]') == 4


def test_the_first_errors_are_listed() -> None:
    error = refused(ROWS, json.dumps({"rows": [{"nobody": 1}] * 200}))
    assert len(error.details) == MAX_DETAILS
    assert error.details[0].field == "rows.0.nobody"
    assert "200 fields" in str(error)
