"""The requests of the documentation are valid, and its table lists the quality rules."""

import re
from pathlib import Path

import pytest
import yaml

from crisol.models.products import contract
from crisol.models.products.answers.rules import RULES
from crisol.models.products.params import DataParams, ModelParams, TrainParams

PAGE = (Path(__file__).parents[3] / "docs" / "products.md").read_text()
ROUTES = {
    "analyze": contract.Product,
    "classify": contract.Product,
    "quality": contract.Product,
    "price": contract.Product,
    "search": contract.SearchRequest,
    "embeddings/batch": contract.EmbeddingsRequest,
}
ASKED = re.findall(r"^ask (\S+) '(.*?)'$", PAGE, re.DOTALL | re.MULTILINE)


def test_every_rule_stands_in_the_table_with_its_weight() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| .+ \|$", PAGE, re.MULTILINE)
    assert [(name, int(weight)) for name, weight in rows] == [(r.name, r.weight) for r in RULES]


def test_every_route_is_shown() -> None:
    assert {route for route, _ in ASKED} == set(ROUTES)


@pytest.mark.parametrize(("route", "body"), ASKED)
def test_the_requests_of_the_page_are_valid(route: str, body: str) -> None:
    ROUTES[route].model_validate_json(body)


def test_the_parameters_of_the_page_are_valid() -> None:
    [block] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    settings = yaml.safe_load(block)["products"]
    DataParams.model_validate(settings["data"])
    ModelParams.model_validate(settings["model"])
    TrainParams.model_validate(settings["train"])
