"""What the pages tell people to write is what the contract and the parameters take."""

import re
import sqlite3
from pathlib import Path

import pandas as pd
import pytest
import yaml

from crisol.models.recommender import contract
from crisol.models.recommender.data.validation import validate_events
from crisol.models.recommender.params import DataParams, ModelParams, TrainParams
from crisol.serving.state.events import EventStore, NewEvent

DOCS = Path(__file__).parents[3] / "docs"
ROUTES = {
    "recommendations": contract.RecommendationRequest,
    "recommendations/batch": contract.BatchRequest,
    "similar-items": contract.SimilarItemsRequest,
    "events": contract.EventsRequest,
}
ASKED = re.findall(
    r"^ask (\S+) '(.*?)'$", (DOCS / "recommender.md").read_text(), re.DOTALL | re.MULTILINE
)
DATA_PAGE = (DOCS / "data.md").read_text()


def test_every_route_is_shown():
    assert {route for route, _ in ASKED} == set(ROUTES)


@pytest.mark.parametrize(("route", "body"), ASKED)
def test_the_requests_of_the_page_are_valid(route, body):
    ROUTES[route].model_validate_json(body)


def test_the_parameters_of_the_data_page_are_valid():
    blocks = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", DATA_PAGE, re.DOTALL))
    [settings] = [block["recommender"] for block in blocks if "recommender" in block]
    DataParams.model_validate(settings["data"])
    ModelParams.model_validate(settings["model"])
    TrainParams.model_validate(settings["train"])


def test_served_events_become_raw_events_by_the_query_of_the_data_page(tmp_path):
    store = EventStore(tmp_path / "events.sqlite3")
    store.append([[NewEvent("007", "x", 1_700_000_000_000_000, "view", 1.0)]])
    store.close()
    query = re.search(r'events\.sqlite3" "(SELECT .*?)"', DATA_PAGE, re.DOTALL).group(1)
    with sqlite3.connect(tmp_path / "events.sqlite3") as connection:
        found = validate_events(pd.read_sql_query(query, connection))
    assert found["user"].tolist() == ["007"]
    assert found["time"].iloc[0] == pd.Timestamp("2023-11-14T22:13:20Z")
