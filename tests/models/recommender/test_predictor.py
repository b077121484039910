"""The predictor: who is answered how, what a context does, save and load."""

import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from crisol.core.predictor import PredictorError
from crisol.models import load_predictor
from crisol.models.recommender.contract import (
    Context,
    Filters,
    PriceRange,
    PurchaseIntent,
    RecommendationRequest,
    SimilarItemsRequest,
    example_request,
)
from crisol.models.recommender.predictor import RecommenderPredictor

REQUESTS = (
    RecommendationRequest(user_id="user-0"),
    RecommendationRequest(user_id="user-3", history=("item-010", "item-099"), num_recs=100),
    RecommendationRequest(history=("item-001", "item-005", "item-007"), diversity=0.6),
    RecommendationRequest(history=(), num_recs=3),
    RecommendationRequest(
        history=("item-001",),
        context=Context(
            browsing_history=("item-060", "nothing"),
            purchase_intent=PurchaseIntent(brands=("Acme",), strength=1),
            price_range=PriceRange(max=30),
            excluded_categories=("Hair",),
        ),
        num_recs=7,
    ),
    RecommendationRequest(user_id="stranger", history=("item-030",), explain=False),
    example_request(),
)


def ask(predictor, **fields):
    return predictor.predict([RecommendationRequest(**fields)])[0]


def ids(response) -> list[str]:
    return [item.item_id for item in response.items]


@pytest.fixture(scope="module")
def directory(predictor, tmp_path_factory):
    predictor.record_golden(REQUESTS)
    return predictor.save(tmp_path_factory.mktemp("predictor") / "recommender")


def test_golden_examples_replay_after_loading(directory):
    loaded = load_predictor(directory)
    assert isinstance(loaded, RecommenderPredictor)
    assert len(loaded.golden) == len(REQUESTS)
    assert loaded.replay_golden(tolerance=1e-6) == []


def test_loading_keeps_everything(directory, predictor):
    loaded = load_predictor(directory)
    assert loaded.description == predictor.description
    assert loaded.users == predictor.users
    np.testing.assert_array_equal(loaded.space, predictor.space)
    np.testing.assert_array_equal(loaded.likeness, predictor.likeness)
    for name in ("ids", "titles", "categories", "brands", "tag_names"):
        assert getattr(loaded.catalogue, name) == getattr(predictor.catalogue, name)
    np.testing.assert_array_equal(loaded.catalogue.prices, predictor.catalogue.prices)
    assert abs(loaded.catalogue.tags - predictor.catalogue.tags).nnz == 0
    assert abs(loaded.interactions.matrix - predictor.interactions.matrix).nnz == 0


def test_a_directory_holds_only_json_and_safetensors(directory):
    assert {path.suffix for path in directory.iterdir()} == {".json", ".safetensors"}


def test_an_unknown_runtime_names_the_one_there_is(directory):
    with pytest.raises(PredictorError, match="there is: numpy"):
        load_predictor(directory, runtime="torch")
    assert load_predictor(directory, runtime="numpy").replay_golden() == []


def test_serving_loads_no_training_library(directory):
    code = f"""
import sys
from datetime import UTC, datetime
from crisol.models import load_predictor
from crisol.models.recommender import SCORERS, SimilarItemsRequest, example_request
predictor = load_predictor({str(directory)!r})
predictor.predict([example_request()])
predictor.similar(SimilarItemsRequest(item_id="item-001"))
assert [SCORERS[name].name for name in SCORERS] == list(SCORERS)
heavy = {{"pandas", "sklearn", "pandera", "matplotlib", "torch", "torch_geometric"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_answer_does_not_depend_on_who_else_asks(predictor):
    together = predictor.predict(REQUESTS)
    for request, response in zip(REQUESTS, together, strict=True):
        alone = predictor.predict([request])[0]
        assert ids(alone) == ids(response)
        assert (alone.basis, alone.unknown, alone.notes) == (
            response.basis, response.unknown, response.notes,
        )  # fmt: skip
        np.testing.assert_allclose(
            [i.score for i in alone.items], [i.score for i in response.items], atol=1e-5
        )
    assert predictor.predict([]) == []


def test_a_response_is_consistent(predictor):
    for request, response in zip(REQUESTS, predictor.predict(REQUESTS), strict=True):
        assert [item.rank for item in response.items] == list(range(1, len(response.items) + 1))
        assert len(set(ids(response))) == len(response.items) <= request.num_recs
        if request.diversity == 0:
            scores = [item.score for item in response.items]
            assert scores == sorted(scores, reverse=True)
        assert not set(ids(response)) & set(request.history or ())
        assert all((item.explanation is not None) == request.explain for item in response.items)
        assert 0 <= response.diversity <= 1
        assert response.novelty > 0
        index = [predictor.catalogue.index[item] for item in ids(response)]
        assert [item.category or "" for item in response.items] == [
            predictor.catalogue.categories[i] for i in index
        ]
        assert response.timestamp.utcoffset().total_seconds() == 0


def test_people_get_what_their_community_buys(predictor, catalogue):
    for user, category in ((0, "Lips"), (1, "Eyes"), (2, "Nails")):
        found = ask(predictor, user_id=f"user-{user}")
        assert found.basis == "user"
        assert sum(item.category == category for item in found.items) >= 7
    visitor = ask(predictor, history=("item-025", "item-030", "item-028"))
    assert visitor.basis == "history"
    assert sum(item.category == "Eyes" for item in visitor.items) >= 7


def test_the_newest_events_change_the_answer_of_a_known_user(predictor, shop):
    before = ask(predictor, user_id="user-0")
    eyes = tuple(f"item-{item:03d}" for item in range(24, 36))
    after = ask(predictor, user_id="user-0", history=eyes)
    assert after.basis == "user"
    assert sum(i.category == "Eyes" for i in after.items) > sum(
        i.category == "Eyes" for i in before.items
    )
    had = {shop.catalogue.ids[item] for item in shop.interactions.histories.row(0)}
    assert not (had | set(eyes)) & set(ids(after))


def test_without_times_no_event_is_known_to_be_learned(predictor, shop):
    had = shop.catalogue.ids[shop.interactions.histories.row(0)[0]]
    assert predictor.learned("user-0", [(had, datetime(2020, 1, 1, tzinfo=UTC))]) == [False]


def test_looking_counts_less_than_having(predictor):
    had, looked = ("item-001", "item-002"), ("item-025", "item-030")
    both = ask(predictor, history=had, context=Context(browsing_history=looked))
    assert not set(had + looked) & set(ids(both))
    only = ask(predictor, history=(), context=Context(browsing_history=looked))
    assert only.basis == "history"
    encoded = predictor.encode(
        RecommendationRequest(history=had, context=Context(browsing_history=looked))
    )
    assert encoded.events.looked.tolist() == [False, False, True, True]
    assert (encoded.weights[2:] < encoded.weights[:2]).all()


def test_somebody_of_whom_nothing_is_known_gets_what_is_popular(predictor, shop):
    nobody = ask(predictor, history=())
    stranger = ask(predictor, user_id="stranger")
    unknown = ask(predictor, history=("no such item",))
    assert ids(nobody) == ids(stranger) == ids(unknown)
    counts = shop.interactions.item_counts
    best = np.lexsort((np.arange(len(counts)), -counts))[:10]
    assert ids(nobody) == [shop.catalogue.ids[item] for item in best]
    assert {nobody.basis, stranger.basis, unknown.basis} == {"popularity"}
    assert stranger.unknown.user_id == "stranger"
    assert any("does not know this user" in note for note in stranger.notes)
    assert unknown.unknown.items == ("no such item",)
    assert all("popular" in " ".join(one.notes) for one in (nobody, stranger, unknown))
    assert all(item.explanation.text.startswith("Popular: ") for item in nobody.items)


def test_what_is_not_known_is_named(predictor):
    response = ask(
        predictor,
        user_id="stranger",
        history=("zz", "item-001", "zz"),
        context=Context(
            browsing_history=("yy",),
            allowed_categories=("Lips", "Shoes"),
            excluded_items=("xx",),
            purchase_intent=PurchaseIntent(categories=("Shoes", "Hats"), brands=("Nobody",)),
        ),
    )
    assert response.unknown.model_dump() == {
        "user_id": "stranger",
        "items": ("zz", "yy", "xx"),
        "categories": ("Shoes", "Hats"),
        "brands": ("Nobody",),
    }
    assert response.basis == "history"
    assert {item.category for item in response.items} == {"Lips"}
    assert ask(predictor, user_id="user-1").unknown.model_dump(exclude_defaults=True) == {}


def test_a_context_is_obeyed_by_everybody(predictor):
    context = Context(
        price_range=PriceRange(min=10, max=40),
        allowed_categories=("Lips", "Eyes"),
        excluded_items=("item-000", "item-001"),
    )
    for fields in ({"user_id": "user-2"}, {"history": ("item-050",)}, {"history": ()}):
        for diversity in (0.0, 0.7):
            response = ask(predictor, **fields, context=context, diversity=diversity)
            assert len(response.items) == 10
            for item in response.items:
                assert 10 <= item.price <= 40
                assert item.category in ("Lips", "Eyes")
                assert item.item_id not in ("item-000", "item-001")


def test_a_context_that_nothing_fits_is_answered_and_said(predictor):
    nothing = ask(predictor, user_id="user-0", context=Context(allowed_items=()))
    assert nothing.items == ()
    assert nothing.notes == ("No item fits the context.",)
    assert nothing.diversity is None
    assert nothing.novelty is None
    few = ask(predictor, history=(), context=Context(allowed_items=("item-001", "item-002")))
    assert set(ids(few)) == {"item-001", "item-002"}
    assert "Only 2 of 10 items fit the context." in few.notes


def test_a_list_is_as_long_as_was_asked_though_methods_propose_fewer(predictor):
    """The hybrid takes 60 of each method; 123 items there are."""
    intent = Context(purchase_intent=PurchaseIntent(brands=("Acme",)))
    for context in (None, intent):
        long = ask(predictor, history=(), num_recs=100, context=context)
        assert len(long.items) == 100
        assert not any("Only" in note for note in long.notes)


def test_an_intent_raises_what_it_names_and_more_when_strong(predictor):
    def acme(strength: float) -> int:
        intent = PurchaseIntent(brands=("Acme",), strength=strength)
        response = ask(predictor, user_id="user-4", context=Context(purchase_intent=intent))
        return sum(item.brand == "Acme" for item in response.items)

    found = [acme(strength) for strength in (0.0, 0.5, 1.0)]
    assert found == sorted(found)
    assert found[-1] > found[0]


def test_items_without_attributes_are_described_as_such(predictor):
    cold = ask(predictor, history=("item-001",), context=Context(allowed_items=("item-121",)))
    item = cold.items[0]
    assert (item.title, item.category, item.brand, item.price) == (None, None, None, None)
    assert cold.diversity is None


def test_a_price_is_the_one_that_was_given(predictor, catalogue):
    response = ask(predictor, history=(), num_recs=20)
    prices = [item.price for item in response.items if item.price is not None]
    assert prices == [round(price, 2) for price in prices]


def test_no_diversity_is_the_plain_ranking(predictor):
    request = RecommendationRequest(user_id="user-5", num_recs=20)
    output = predictor.infer([predictor.encode(request)])[0]
    response = predictor.predict([request])[0]
    assert ids(response) == [predictor.catalogue.ids[i] for i in output.items[:20]]


def test_more_diversity_gives_lists_that_differ_more(predictor):
    def mean(diversity: float) -> float:
        requests = [
            RecommendationRequest(user_id=f"user-{u}", diversity=diversity, explain=False)
            for u in range(60)
        ]
        return float(np.mean([one.diversity for one in predictor.predict(requests)]))

    found = [mean(diversity) for diversity in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    assert (np.diff(found) >= -0.005).all(), found
    assert found[-1] > 1.2 * found[0]


def test_similar_items_are_the_nearest_exactly(predictor):
    found = predictor.similar(SimilarItemsRequest(item_id="item-001", num_items=12))
    cosines = predictor.likeness @ predictor.likeness[1]
    cosines[1] = -np.inf
    order = np.lexsort((np.arange(len(cosines)), -cosines))[:12]
    assert ids(found) == [predictor.catalogue.ids[i] for i in order]
    assert [item.rank for item in found.items] == list(range(1, 13))
    np.testing.assert_allclose([i.similarity for i in found.items], cosines[order], atol=1e-6)
    assert sum(item.category == "Lips" for item in found.items) >= 8


def test_similar_items_obey_filters_and_name_what_is_unknown(predictor):
    filters = Filters(excluded_categories=("Lips", "Shoes"), excluded_items=("zz",))
    found = predictor.similar(SimilarItemsRequest(item_id="item-001", filters=filters))
    assert "Lips" not in {item.category for item in found.items}
    assert found.unknown.categories == ("Shoes",)
    assert found.unknown.items == ("zz",)
    lost = predictor.similar(SimilarItemsRequest(item_id="no such item"))
    assert lost.items == ()
    assert lost.unknown.items == ("no such item",)
    assert "no such item" in lost.notes[0]
    alone = SimilarItemsRequest(item_id="item-001", filters=Filters(allowed_items=("item-001",)))
    assert predictor.similar(alone).notes == ("No item fits the context.",)


def test_an_item_of_which_nothing_is_known_is_like_no_other(predictor):
    """The last three were never had and have no attributes: their place would be made up."""
    unknown = [f"item-{item:03d}" for item in (120, 121, 122)]
    for item in unknown:
        lost = predictor.similar(SimilarItemsRequest(item_id=item))
        assert lost.items == ()
        assert lost.unknown.items == ()
        assert "Nobody had this item" in lost.notes[0]
    few = SimilarItemsRequest(item_id="item-001", filters=Filters(allowed_items=(unknown[0],)))
    assert predictor.similar(few).items == ()


def test_parts_that_do_not_belong_together_are_refused(predictor, shop):
    with pytest.raises(ValueError, match="do not fit"):
        RecommenderPredictor(shop.catalogue, shop.users[:-1], shop.interactions, predictor.hybrid)


def test_a_catalogue_without_any_attributes_works(shop, tmp_path):
    from crisol.models.recommender.answers.hybrid_lesson import fit_hybrid
    from crisol.models.recommender.data.catalogue import Catalogue
    from crisol.models.recommender.method_params import FilterParams, HybridParams
    from crisol.models.recommender.methods.filters import fit_filter
    from crisol.models.recommender.methods.popularity import fit_popularity

    size = len(shop.catalogue)
    bare = Catalogue(
        ids=shop.catalogue.ids,
        titles=("",) * size,
        categories=("",) * size,
        brands=("",) * size,
        prices=np.full(size, np.nan, dtype=np.float32),
        tags=csr_matrix((size, 0), dtype=np.float32),
        tag_names=(),
    )
    known = shop.interactions
    scorers = {
        "popularity": fit_popularity(known, bare),
        "filter": fit_filter(known, bare, FilterParams(dimensions=8)),
    }
    hybrid = fit_hybrid(scorers, known.histories, shop.targets, bare, known, HybridParams())
    predictor = RecommenderPredictor(bare, shop.users, known, hybrid)
    predictor.record_golden([RecommendationRequest(user_id="user-0"), example_request()])
    loaded = load_predictor(predictor.save(tmp_path / "bare"))
    assert loaded.replay_golden(tolerance=1e-6) == []
    assert ask(loaded, user_id="user-0").items[0].explanation.attributes == ()
