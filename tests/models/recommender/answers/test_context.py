"""What a context allows and raises."""

import numpy as np
import pytest

from crisol.models.recommender.answers.context import INTENT_DEVIATIONS, Shelves
from crisol.models.recommender.contract import Context, PriceRange, PurchaseIntent


@pytest.fixture(scope="module")
def shelves(catalogue) -> Shelves:
    return Shelves(catalogue)


def test_no_filter_is_no_mask(shelves):
    assert shelves.allowed(None) is None
    assert shelves.allowed(Context()) is None
    intent = PurchaseIntent(brands=("Acme",))
    assert shelves.allowed(Context(browsing_history=("item-001",), purchase_intent=intent)) is None


def test_every_filter_must_let_an_item_pass(shelves, catalogue):
    context = Context(
        price_range=PriceRange(min=10, max=40),
        allowed_categories=("LIPS", "Hair", "no such category"),
        excluded_categories=("hair",),
        excluded_items=("item-002", "no such item"),
    )
    allowed = shelves.allowed(context)
    expected = [
        catalogue.categories[i] == "Lips"
        and 10 <= catalogue.prices[i] <= 40
        and catalogue.ids[i] != "item-002"
        for i in range(len(catalogue))
    ]
    assert allowed.tolist() == expected
    assert 0 < allowed.sum() < len(catalogue)


def test_items_without_a_price_fit_no_range_and_limits_are_included(shelves, catalogue):
    everything = shelves.allowed(Context(price_range=PriceRange(min=0)))
    np.testing.assert_array_equal(everything, ~np.isnan(catalogue.prices))
    one = float(str(catalogue.prices[1]))  # as a request writes it: 12.34
    exactly = shelves.allowed(Context(price_range=PriceRange(min=one, max=one)))
    assert exactly[1]
    assert not shelves.allowed(Context(price_range=PriceRange(min=one + 0.01)))[1]
    assert not shelves.allowed(Context(price_range=PriceRange(max=one - 0.01)))[1]


def test_an_empty_list_allows_nothing(shelves):
    assert not shelves.allowed(Context(allowed_items=())).any()
    assert not shelves.allowed(Context(allowed_categories=())).any()
    assert shelves.allowed(Context(allowed_items=("item-003",))).nonzero()[0].tolist() == [3]


def test_an_intent_raises_what_matches_it(shelves, catalogue):
    boost = shelves.boost(PurchaseIntent(categories=("lips",), brands=("ACME",), strength=0.5))
    lips = np.array([name == "Lips" for name in catalogue.categories])
    acme = np.array([name == "Acme" for name in catalogue.brands])
    np.testing.assert_allclose(boost, INTENT_DEVIATIONS * 0.5 * (lips * 0.5 + acme * 0.5))
    only = shelves.boost(PurchaseIntent(categories=("Lips", "lips"), strength=0.5))
    np.testing.assert_allclose(only, INTENT_DEVIATIONS * 0.5 * lips)
    unknown = PurchaseIntent(categories=("Lips",), brands=("no such brand",), strength=0.5)
    np.testing.assert_array_equal(shelves.boost(unknown), only)


def test_an_intent_that_matches_nothing_does_nothing(shelves):
    assert shelves.boost(None) is None
    assert shelves.boost(PurchaseIntent(brands=("no such brand",))) is None
    assert shelves.boost(PurchaseIntent(brands=("Acme",), strength=0)) is None


def test_unknown_names_are_told_once_in_order(shelves):
    assert shelves.unknown(("zz", "item-001", "aa", "zz")) == ["zz", "aa"]
    assert shelves.categories.unknown(("Shoes", "LIPS", "Shoes")) == ["Shoes"]
