"""For whom the hybrid works: each attribute that enough tested users share."""

import numpy as np
import pandas as pd
import pytest

from crisol.models.recommender.data import prepare as data
from crisol.models.recommender.method_params import HYBRID, WITHOUT
from crisol.models.recommender.report import tables
from crisol.models.recommender.report.results import StudyResult, study_result
from crisol.models.recommender.study_params import StudyParams

STUDY = StudyParams(name="made", k=2)
USERS, ITEMS = 60, 8
METHODS = {HYBRID: 0.5, "popularity": 0.1, "filter": 0.3, WITHOUT + "filter": 1.0}
"""Share of the users whose held-out item each method puts first."""


def _result(users: pd.DataFrame | None) -> StudyResult:
    """User n of B is served by a method whose share is above n / B; everybody else gets nothing."""
    events = pd.DataFrame(
        {
            "user": np.repeat([f"u{n:02d}" for n in range(USERS)], 4),
            "item": [f"i{(n + step) % ITEMS}" for n in range(USERS) for step in range(4)],
        }
    )
    events, items = data.clean(events, pd.DataFrame({"item": [f"i{n}" for n in range(ITEMS)]}))
    rows = data.split(events, items, STUDY)
    histories, targets = data.histories_before(rows, "test")
    assert len(histories) == USERS
    rankings = [
        pd.DataFrame(
            {
                "study": "made",
                "method": method,
                "user": histories.users,
                "rank_1": np.where(np.arange(USERS) < share * USERS, targets.items, -1),
                "rank_2": -1,
            }
        )
        for method, share in METHODS.items()
    ]
    return study_result(STUDY, rows, items, pd.concat(rankings), 200, users)


def _users(attributes: list[str], **columns) -> pd.DataFrame:
    raw = {"user": [f"u{n:02d}" for n in range(len(attributes))], "attributes": attributes}
    return data.clean_users(pd.DataFrame(raw | columns))


@pytest.fixture(scope="module")
def told() -> StudyResult:
    """The first 30 are served and are old; 25 of the others are young; 19 are too few to tell."""
    attributes = ["old|old"] * 30 + ["young"] * 25 + [""] * 5 + ["nobody knows this one"] * 3
    return _result(_users([f"{a}|few" if n < 19 else a for n, a in enumerate(attributes)]))


def test_each_attribute_has_its_users_and_their_figures(told) -> None:
    old, young = tables.group_rows(told, 200)
    assert old == {
        "users with": "old",
        "users": 30,
        "hybrid's NDCG@2": 1.0,
        "95 % interval": "1.0000 to 1.0000",
        "popularity": 0.2,
        "best single method (filter)": 0.6,
    }
    assert young["users with"] == "young"
    assert young["users"] == 25
    assert young["hybrid's NDCG@2"] == young["popularity"] == 0.0


def test_intervals_are_of_the_group_alone() -> None:
    [row] = tables.group_rows(_result(_users([""] * 20 + ["x"] * 20)), 200)
    assert row["hybrid's NDCG@2"] == 0.5
    low, high = map(float, row["95 % interval"].split(" to "))
    assert 0.2 < low < 0.4 < 0.6 < high < 0.8


def test_groups_that_are_surely_apart_are_a_limit(told) -> None:
    [said] = tables.group_limit(told, 200)
    assert said.startswith("Works worse for users with young (NDCG@2 0.0000, 0.0000 to 0.0000)")
    assert "than for those with old (NDCG@2 1.0000" in said


def test_groups_that_may_be_the_same_are_none() -> None:
    assert not tables.group_limit(_result(_users(["even", "odd"] * 30)), 200)


def test_the_report_says_how_many_tell_something(told) -> None:
    assert "ranked for 60 users, 55 of whom tell something" in tables.describe(told, False)


def test_users_of_another_source_are_others() -> None:
    result = _result(_users(["x"] * 60, source="elsewhere"))
    assert not tables.group_rows(result, 200)
    assert "60 users, 0 of whom tell something" in tables.describe(result, False)


@pytest.mark.parametrize("users", [None, pd.DataFrame({"user": [], "attributes": []}).astype(str)])
def test_without_users_nothing_is_said_of_them(users) -> None:
    result = _result(users)
    assert result.attributes is None
    assert not tables.group_rows(result, 200)
    assert not tables.group_limit(result, 200)
    assert tables.describe(result, False).endswith("ranked for 60 users.")
