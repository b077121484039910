"""Reasons: what they say, and the deletion test that shows they are true."""

import numpy as np
import pytest

from crisol.models.recommender.answers.explanation import (
    MAX_NAME_CHARACTERS,
    Events,
    Explainer,
    carried_most,
)
from crisol.models.recommender.contract import Context, PurchaseIntent, RecommendationRequest
from crisol.models.recommender.report.deletion import deletion_test


@pytest.fixture(scope="module")
def explainer(shop) -> Explainer:
    return Explainer(shop.catalogue, shop.interactions.item_counts, len(shop.users))


def events(had: list[int], looked: list[int] | None = None) -> Events:
    looked = looked or []
    flags = np.array([False] * len(had) + [True] * len(looked))
    return Events(np.array(had + looked, dtype=np.int32), flags)


def reason(explainer, item: int, events: Events, contributions: list[float], intent):
    carriers = carried_most(events.items, np.array([contributions], dtype=np.float32))[0]
    return explainer.of_history(item, events, carriers, intent)


def test_the_deletion_test(predictor):
    """Without the events that explanations name scores fall more than without as many others."""
    users = [RecommendationRequest(user_id=f"user-{u}", num_recs=5) for u in range(40)]
    found = deletion_test(predictor, users, seed=3)
    assert found["cases"] > 150
    assert found["fall_named"] > 2 * found["fall_random"] > 0
    assert found["difference_low"] > 0
    assert found["share_larger"] > 0.85


def test_the_deletion_test_fails_for_reasons_at_random(predictor, monkeypatch):
    """Explanations that name just any events do not pass: the test can tell."""
    real, rng = type(predictor.hybrid).contributions, np.random.default_rng(0)

    def shuffled(self, history, items):
        return rng.permuted(real(self, history, items), axis=1)

    monkeypatch.setattr(type(predictor.hybrid), "contributions", shuffled)
    users = [RecommendationRequest(user_id=f"user-{u}", num_recs=5) for u in range(40)]
    found = deletion_test(predictor, users, seed=3)
    assert found["share_larger"] < 0.7
    assert found["fall_named"] < 1.3 * found["fall_random"]


def test_the_deletion_test_needs_something_to_delete(predictor):
    assert deletion_test(predictor, [RecommendationRequest(history=("item-001",))]) is None


def test_served_explanations_name_what_the_deletion_test_examines(predictor):
    request = RecommendationRequest(user_id="user-7", num_recs=5)
    response = predictor.predict([request])[0]
    encoded = predictor.encode(request)
    had = {predictor.catalogue.ids[item] for item in encoded.events.items}
    for item in response.items:
        reasons = item.explanation.events
        assert 1 <= len(reasons) <= 3
        assert {reason.item_id for reason in reasons} <= had
        shares = [reason.share for reason in reasons]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) <= 1 + 1e-6
        assert all(reason.title in item.explanation.text for reason in reasons)


def test_a_sentence_names_events_and_what_they_share(explainer, catalogue):
    same = [i for i in range(24) if catalogue.brands[i] == catalogue.brands[0]]
    item, first, second = same[0], same[1], same[2]
    found = reason(explainer, item, events([first, second, 90]), [1, 3, 0.01], None)
    assert [reason.item_id for reason in found.events] == [
        catalogue.ids[second], catalogue.ids[first],
    ]  # fmt: skip
    brand = catalogue.brands[0]
    assert {"category:Lips", f"brand:{brand}"} <= set(found.attributes)
    assert found.text.startswith(f"Because you had Thing {second} and Thing {first}; in common: ")
    assert f"brand {brand}" in found.text
    assert "category Lips" in found.text
    assert found.text.endswith(".")
    assert found.events[0].share == pytest.approx(3 / 4.01, abs=1e-4)


def test_looking_is_told_from_having(explainer):
    only = reason(explainer, 30, events([], [60]), [1], None)
    assert only.text.startswith("Because you looked at Thing 60")
    both = reason(explainer, 30, events([61], [60]), [1, 1], None)
    assert both.text.startswith("Because you had Thing 61 and looked at Thing 60")
    again = reason(explainer, 30, events([60], [60]), [1, 1], None)
    assert again.text.startswith("Because you had Thing 60")
    assert len(again.events) == 1


def test_codes_are_listed_but_not_spoken(explainer, catalogue):
    assert "attribute:17" in reason(explainer, 0, events([7]), [1], None).attributes
    assert "17" not in reason(explainer, 0, events([7]), [1], None).text.split("Thing 7")[1]


def test_the_sentence_says_what_of_an_intent_is_met(explainer, catalogue, predictor):
    intent = PurchaseIntent(categories=("LIPS",), brands=("no such",), strength=1)
    met = reason(explainer, 0, events([7]), [1], intent)
    assert met.text.endswith("; it is of the category Lips you look for.")
    assert "look for" not in reason(explainer, 30, events([7]), [1], intent).text
    assert "category Lips you look for" in explainer.of_popularity(0, intent).text
    silent = PurchaseIntent(categories=("Lips",), strength=0)
    assert "look for" not in explainer.of_popularity(0, silent).text
    request = RecommendationRequest(history=("item-030",), context=Context(purchase_intent=intent))
    texts = [item.explanation.text for item in predictor.predict([request])[0].items]
    assert any("you look for" in text for text in texts)


def test_popularity_is_said_with_its_count(explainer, shop):
    count = int(shop.interactions.item_counts[0])
    found = explainer.of_popularity(0, None)
    assert found.text == f"Popular: {count} of 240 users had it."
    assert (found.events, found.attributes) == ((), ())
    cold = explainer.of_popularity(len(shop.catalogue) - 1, None)
    assert cold.text == "Nothing is known of you: 0 of 240 users had it."


def test_an_item_that_nothing_speaks_for_says_so(explainer):
    found = reason(explainer, 0, events([7, 8]), [0, -1], None)
    assert found.events == ()
    assert found.text.startswith("No item of your history speaks for it; ")


def test_events_of_one_item_count_together_and_small_ones_are_left_out():
    items = np.array([5, 6, 5, 7, 8], dtype=np.int32)
    given = np.array([[2, 1, 2, -9, 0.1], [0, 0, 0, -1, 0], [0, 9, 0, 9, 9]], dtype=np.float32)
    assert carried_most(items, given) == [
        [(5, pytest.approx(4 / 5.1)), (6, pytest.approx(1 / 5.1))],
        [],
        [(6, pytest.approx(1 / 3)), (7, pytest.approx(1 / 3)), (8, pytest.approx(1 / 3))],
    ]
    even = carried_most(np.arange(40, dtype=np.int32), np.ones((1, 40), dtype=np.float32))
    assert even == [[(0, 0.025)]]
    assert carried_most(np.zeros(0, np.int32), np.zeros((2, 0), np.float32)) == [[], []]


def test_a_long_title_is_shortened(shop):
    from dataclasses import replace

    titles = ("x" * 300, *shop.catalogue.titles[1:])
    long = Explainer(replace(shop.catalogue, titles=titles), shop.interactions.item_counts, 240)
    text = reason(long, 9, events([0]), [1], None).text
    assert "…" in text
    assert "x" * MAX_NAME_CHARACTERS not in text
