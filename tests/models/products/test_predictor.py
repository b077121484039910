import base64
from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image
from tests.models.products.conftest import Shop

from crisol.core.errors import FieldError
from crisol.core.predictor import PredictorError, compare_answers
from crisol.models import products as family
from crisol.models.products.contract import Filters, Product, SearchRequest
from crisol.models.products.predictor import ProductsPredictor
from crisol.models.products.training import Fit


def picture(colour: tuple[int, int, int] = (200, 30, 30)) -> str:
    stream = BytesIO()
    Image.new("RGB", (80, 60), colour).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


@pytest.fixture(scope="module")
def predictor(fitted: Fit, shop: Shop) -> ProductsPredictor:
    index = family.build_index(fitted.predictor, shop.products, shop.images)
    return fitted.predictor.with_index(index)


def test_an_answer_does_not_depend_on_who_else_asks(predictor: ProductsPredictor) -> None:
    rich = family.example_request().model_copy(update={"image": picture()})
    poor = Product(title="Mug")
    together = predictor.predict([poor, rich, poor])
    alone = [predictor.predict([request])[0] for request in (poor, rich)]
    # Two rows of one batch agree in single precision; a batch of one agrees with itself.
    first, last = (together[row].categories.model_dump(mode="json") for row in (0, 2))
    assert not compare_answers(first, last, tolerance=1e-5)
    assert predictor.predict([poor])[0].categories == alone[0].categories
    for one, other in zip(alone, together[:2], strict=True):
        assert one.price.estimate == pytest.approx(other.price.estimate, rel=1e-5)
        assert one.embedding == pytest.approx(other.embedding, abs=1e-5)
        assert one.quality.score == pytest.approx(other.quality.score, abs=1e-5)


def test_saved_and_loaded_it_answers_the_same(predictor: ProductsPredictor, tmp_path) -> None:
    again = ProductsPredictor.load(predictor.save(tmp_path / "predictor"))
    assert again.replay_golden(1e-6) == []
    assert len(again.golden) == 4
    assert again.index is not None
    request = SearchRequest(text="red mug")
    assert again.search([request]) == predictor.search([request])


@pytest.mark.parametrize(
    ("task", "fields"),
    [
        ("classify", {"categories"}),
        ("quality", {"quality", "sentiment"}),
        ("price", {"price"}),
        ("embed", {"embedding"}),
        (None, {"categories", "quality", "sentiment", "price", "embedding"}),
    ],
)
def test_the_task_decides_what_is_answered(predictor, task, fields) -> None:
    request = family.example_request().model_copy(update={"task": task})
    answer = predictor.predict([request])[0].model_dump()
    asked = {"categories", "quality", "sentiment", "price", "embedding"}
    assert {name for name in asked if answer[name] is not None} == fields


def test_two_levels_never_contradict_each_other(predictor, shop: Shop) -> None:
    titles = shop.products["title"].iloc[:40]
    for answer in predictor.predict([Product(title=title, task="classify") for title in titles]):
        said = answer.categories
        assert (said.main, said.sub) in predictor.taxonomy.leaves
        assert said.main_probability >= said.sub_probability
        probabilities = [guess.probability for guess in said.guesses]
        assert probabilities == sorted(probabilities, reverse=True)


def test_a_blend_that_trusts_nobody_has_no_drivers(predictor: ProductsPredictor) -> None:
    nobody = replace(predictor.blend, leaf=dict.fromkeys(predictor.blend.leaf, 0.0))
    changed = ProductsPredictor(
        predictor.description, predictor.taxonomy, predictor.members, nobody, None, predictor.norms
    )
    assert changed.predict([family.example_request()])[0].categories.drivers == ()


def test_a_price_far_from_the_estimate_is_an_outlier(predictor: ProductsPredictor) -> None:
    plain = family.example_request()
    usual = predictor.predict([plain])[0].price.estimate
    prices = {"fair": usual, "dear": 1000 * usual, "cheap": usual / 1000}
    said = {
        name: predictor.predict([plain.model_copy(update={"price": price})])[0].price
        for name, price in prices.items()
    }
    assert [said[name].outlier for name in prices] == [False, True, True]
    assert len({price.estimate for price in said.values()}) == 1
    assert said["fair"].low < usual < said["fair"].high
    foreign = predictor.predict([plain.model_copy(update={"currency": "EUR"})])[0].price
    assert foreign.outlier is None
    assert "EUR" in foreign.note
    none = predictor.predict([plain.model_copy(update={"price": None})])[0].price
    assert none.outlier is None
    assert none.given is None


def test_a_broken_picture_names_its_field(predictor: ProductsPredictor) -> None:
    broken = base64.b64encode(b"no picture at all").decode()
    with pytest.raises(FieldError) as caught:
        predictor.predict([Product(title="Mug", image=broken)])
    assert caught.value.field == "image"
    with pytest.raises(FieldError) as caught:
        predictor.search([SearchRequest(product=Product(title="Mug", image=broken))])
    assert caught.value.field == "product.image"


def test_search_by_words_product_picture_and_id(predictor: ProductsPredictor) -> None:
    known = predictor.index.ids[5]
    requests = [
        SearchRequest(text="red mug", k=4),
        SearchRequest(product=family.example_request(), k=4),
        SearchRequest(image=picture(), k=4),
        SearchRequest(product_id=known, k=4),
    ]
    for request, response in zip(requests, predictor.search(requests), strict=True):
        assert len(response.hits) == 4, request
        cosines = [hit.similarity for hit in response.hits]
        assert cosines == sorted(cosines, reverse=True)
        assert response.exact
        assert known != response.hits[0].product_id or request.product_id is None
    assert known not in [hit.product_id for hit in predictor.search(requests[3:])[0].hits]
    with pytest.raises(FieldError, match="holds no product 'nobody'"):
        predictor.search([SearchRequest(product_id="nobody")])


def test_search_keeps_to_its_filters(predictor: ProductsPredictor) -> None:
    mains = {name.split(" > ")[0] for name in predictor.index.categories if name}
    main = sorted(mains)[0]
    found = predictor.search(
        [SearchRequest(text="blue", k=50, filters=Filters(categories=(main,), max_price=1500.0))]
    )[0]
    assert found.hits
    assert all(hit.category.startswith(main) and hit.price <= 1500 for hit in found.hits)
    none = predictor.search([SearchRequest(text="blue", filters=Filters(brands=("Nobody",)))])[0]
    assert none.hits == ()
    assert none.notes == ("No product fits the filters.",)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (SearchRequest(text="Rs. 899"), "text"),
        (SearchRequest(text="\u200b"), "text"),
        (SearchRequest(product=Product(title="$1,299.00")), "product.title"),
    ],
)
def test_a_search_by_nothing_but_a_price_names_its_field(predictor, request_, field) -> None:
    with pytest.raises(FieldError, match="no words beside prices") as caught:
        predictor.search([request_])
    assert caught.value.field == field


def test_a_product_of_which_nothing_is_left_has_no_embedding(predictor, shop: Shop) -> None:
    answer = predictor.predict([Product(title="Rs. 899")])[0]
    assert answer.embedding is None
    assert "no words" in answer.notes[0]
    products = shop.products.head(3).copy()
    blank = ["Rs. 899", "", "", "{}", ""]
    products.loc[1, ["title", "description", "brand", "attributes", "image"]] = blank
    index = family.build_index(predictor, products, shop.images)
    assert list(index.ids) == products["id"].iloc[[0, 2]].tolist()


def test_an_index_of_another_model_is_refused(predictor: ProductsPredictor) -> None:
    index = predictor.index
    other = replace(index, embedding_id="another")
    with pytest.raises(PredictorError, match=r"another.*build it again"):
        predictor.with_index(other)
    with pytest.raises(FieldError, match="without an index"):
        predictor.with_index(None).search([SearchRequest(text="mug")])


def test_a_title_that_is_a_price_alone_cannot_be_embedded(predictor: ProductsPredictor) -> None:
    with pytest.raises(FieldError, match="nothing to embed") as caught:
        predictor.check_embeddable(predictor.encode(Product(title="Rs. 899")))
    assert caught.value.field == "title"
    for there in (Product(title="Mug"), Product(title="Rs. 899", image=picture())):
        predictor.check_embeddable(predictor.encode(there))
