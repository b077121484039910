"""Ways to ask wrongly, each answered with the field and the fix; and the right way."""

import copy

import pytest
from pydantic import ValidationError

from crisol.models.recommender.contract import (
    BatchRequest,
    EventsRequest,
    RecommendationRequest,
    SimilarItemsRequest,
    example_request,
)

FULL = {
    "user_id": "u",
    "history": ["a", "b"],
    "context": {
        "browsing_history": ["c"],
        "purchase_intent": {"categories": ["Lips"], "brands": [], "strength": 1},
        "price_range": {"min": 1, "max": None},
        "allowed_items": None,
        "excluded_items": ["d"],
        "allowed_categories": [],
        "excluded_categories": ["Hair"],
    },
    "num_recs": 100,
    "diversity": 1,
    "explain": False,
}


def _change(path: tuple, value):
    def change(body: dict) -> None:
        target = body
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = value

    return change


def _nobody(body: dict) -> None:
    del body["user_id"], body["history"]


BAD = {
    "nobody": (_nobody, "", "user_id, history, or both"),
    "an empty id": (_change(("history",), ["a", ""]), "history.1", "at least 1"),
    "a long id": (_change(("user_id",), "x" * 129), "user_id", "at most 128"),
    "a number as id": (_change(("history",), [3]), "history.0", "string"),
    "a history of 1001": (_change(("history",), ["a"] * 1001), "history", "at most 1000"),
    "no recommendations": (_change(("num_recs",), 0), "num_recs", "greater than or equal to 1"),
    "too many": (_change(("num_recs",), 101), "num_recs", "less than or equal to 100"),
    "a text number": (_change(("num_recs",), "5"), "num_recs", "integer"),
    "half a recommendation": (_change(("num_recs",), 2.5), "num_recs", "integer"),
    "diversity above 1": (_change(("diversity",), 1.1), "diversity", "less than or equal to 1"),
    "diversity below 0": (_change(("diversity",), -0.1), "diversity", "greater than"),
    "explain as text": (_change(("explain",), "yes"), "explain", "boolean"),
    "an unknown field": (_change(("limit",), 5), "limit", "not permitted"),
    "an unknown context": (_change(("context", "mood"), "good"), "context.mood", "not permitted"),
    "an empty price range": (
        _change(("context", "price_range"), {}), "context.price_range", "min, max, or both",
    ),
    "min above max": (
        _change(("context", "price_range"), {"min": 2.0, "max": 1.0}), "context.price_range",
        "above max",
    ),
    "a negative price": (
        _change(("context", "price_range"), {"min": -1.0}), "context.price_range.min", "greater",
    ),
    "an intent without names": (
        _change(("context", "purchase_intent"), {"strength": 0.5}), "context.purchase_intent",
        "category or brand",
    ),
    "an intent too strong": (
        _change(("context", "purchase_intent", "strength"), 2.0),
        "context.purchase_intent.strength", "less than or equal to 1",
    ),
    "categories as text": (
        _change(("context", "allowed_categories"), "Lips"), "context.allowed_categories", "array",
    ),
}  # fmt: skip


def _json(body) -> str:
    import json

    return json.dumps(body)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_names_field_and_fix(name):
    change, field, message = BAD[name]
    body = copy.deepcopy(FULL)
    change(body)
    with pytest.raises(ValidationError) as caught:
        RecommendationRequest.model_validate_json(_json(body), strict=True)
    found = [(".".join(map(str, e["loc"])), e["msg"].lower()) for e in caught.value.errors()]
    assert any(loc.startswith(field) and message.lower() in text for loc, text in found), found


@pytest.mark.parametrize(
    "body",
    [
        FULL,
        {"user_id": "u"},
        {"history": []},
        {"history": ["a"], "context": {}},
        {"user_id": "ü" * 128, "history": ["a"] * 1000},
        {"history": ["a"], "context": {"allowed_items": []}},
    ],
)
def test_a_good_request_survives_the_way_to_the_service_and_back(body):
    request = RecommendationRequest.model_validate_json(_json(body), strict=True)
    again = request.model_dump_json()
    assert RecommendationRequest.model_validate_json(again, strict=True) == request
    assert RecommendationRequest.model_validate(request.model_dump(mode="json")) == request


def test_defaults_and_the_example():
    request = RecommendationRequest(user_id="u")
    assert (request.num_recs, request.diversity, request.explain) == (10, 0.0, True)
    example = example_request()
    again = RecommendationRequest.model_validate_json(example.model_dump_json(), strict=True)
    assert again == example


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        (BatchRequest, {"requests": []}, "requests"),
        (BatchRequest, {"requests": [{"user_id": "u"}] * 101}, "requests"),
        (BatchRequest, {"requests": [{"user_id": "u"}, {}]}, "requests.1"),
        (SimilarItemsRequest, {"item_id": ""}, "item_id"),
        (SimilarItemsRequest, {"item_id": "a", "num_items": 0}, "num_items"),
        (SimilarItemsRequest, {"item_id": "a", "filters": {"browsing_history": []}}, "filters"),
        (EventsRequest, {"events": []}, "events"),
        (EventsRequest, {"events": [{"user_id": "u", "item_id": "i"}] * 1001}, "events"),
        (EventsRequest, {"events": [{"user_id": "u"}]}, "events.0.item_id"),
        (EventsRequest, {"events": [{"user_id": "u", "item_id": "i", "weight": 0}]},
         "events.0.weight"),
        (EventsRequest, {"events": [{"user_id": "u", "item_id": "i",
                                     "timestamp": "2024-01-01T00:00:00"}]}, "events.0.timestamp"),
        *[(EventsRequest, {"events": [{"user_id": "u", "item_id": "i", "timestamp": time}]},
           "events.0.timestamp") for time in ("2999-01-01T00:00:00Z", "0001-01-01T00:00:00Z")],
        *[(EventsRequest, {"events": [{"user_id": name, "item_id": "i"}]}, "events.0.user_id")
          for name in (" u", "u\u00a0", "a\u0000b")],
        (EventsRequest, {"events": [{"user_id": "u", "item_id": "i", "timestamp": 17}]},
         "events.0.timestamp"),
        (EventsRequest, {"events": [{"user_id": "u", "item_id": "i", "type": ""}]},
         "events.0.type"),
    ],
)  # fmt: skip
def test_the_other_bodies_are_checked_too(kind, body, field):
    with pytest.raises(ValidationError) as caught:
        kind.model_validate_json(_json(body), strict=True)
    assert any(".".join(map(str, e["loc"])).startswith(field) for e in caught.value.errors()), (
        caught.value
    )


def test_an_event_with_an_offset_is_taken():
    body = {"user_id": "u", "item_id": "i", "timestamp": "2024-01-01T00:00:00+02:00", "weight": 2}
    event = EventsRequest.model_validate_json(_json({"events": [body]}), strict=True).events[0]
    assert event.timestamp.utcoffset().total_seconds() == 7200
