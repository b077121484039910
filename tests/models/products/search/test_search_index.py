"""The search index: exact and by graph, filtered, stored."""

import json
import threading

import numpy as np
import pandas as pd
import pytest

from crisol.core.predictor import PredictorError
from crisol.models.products.contract import Filters
from crisol.models.products.search.filtering import Coded
from crisol.models.products.search.index_building import build_index
from crisol.models.products.search.search_index import ProductIndex

COUNT, DIMENSIONS = 1500, 24
MAINS = ("Home > Lamps", "Home > Curtains", "Watches", "Toys > Cars", "")
BRANDS = ("Acme", "Bloom", "")


def make(approximate_from: int = 10**6) -> ProductIndex:
    """Products in clusters, as in a real catalogue."""
    rng = np.random.default_rng(3)
    centres = rng.standard_normal((60, DIMENSIONS))
    clusters = rng.integers(0, 60, COUNT)
    vectors = centres[clusters] + 0.4 * rng.standard_normal((COUNT, DIMENSIONS))
    prices = np.round(rng.uniform(1, 100, COUNT), 2)
    prices[::10] = np.nan
    return ProductIndex.of(
        "model-1",
        vectors.astype(np.float32),
        [f"p{row}" for row in range(COUNT)],
        [f"Title {row} é" if row % 5 else "" for row in range(COUNT)],
        categories=[MAINS[cluster % 5] for cluster in clusters],
        brands=[BRANDS[row % 3] for row in range(COUNT)],
        prices=prices,
        has_image=np.arange(COUNT) % 2 == 0,
        approximate_from=approximate_from,
    )


@pytest.fixture(scope="module")
def compared() -> ProductIndex:
    return make()


@pytest.fixture(scope="module")
def graphed() -> ProductIndex:
    return make(approximate_from=COUNT)


@pytest.fixture(scope="module")
def queries() -> np.ndarray:
    return np.random.default_rng(4).standard_normal((20, DIMENSIONS))


FILTERS = [
    Filters(categories=("home",)),
    Filters(categories=("HOME >  lamps", "Watches"), brands=("acme",)),
    Filters(min_price=20, max_price=30),
    Filters(with_image=False, max_price=50.0),
    Filters(brands=("Bloom",), categories=("Toys > Cars",), min_price=90, with_image=True),
    Filters(brands=("Nobody",)),
]


def fits(index: ProductIndex, row: int, filters: Filters) -> bool:
    """The filters, implemented a second time row by row."""
    category, brand, price = index.categories[row], index.brands[row], index.prices[row]
    wanted = {" ".join(name.lower().split()) for name in filters.categories or ()}
    low = category.lower()
    return (
        (filters.categories is None or low in wanted or low.split(" > ")[0] in wanted)
        and (filters.brands is None or brand.lower() in {name.lower() for name in filters.brands})
        and (filters.min_price is None or price >= filters.min_price)
        and (filters.max_price is None or price <= filters.max_price)
        and (filters.with_image is None or index.has_image[row] == filters.with_image)
    )


def expected(index: ProductIndex, query: np.ndarray, k: int, filters: Filters | None) -> list[int]:
    cosines = index.vectors.astype(float) @ query / np.linalg.norm(query)
    rows = [row for row in range(COUNT) if filters is None or fits(index, row, filters)]
    return sorted(rows, key=lambda row: -cosines[row])[:k]


@pytest.mark.parametrize("filters", [None, *FILTERS])
def test_below_a_million_the_nearest_of_all_that_fit_are_found(compared, queries, filters):
    for query in queries[:5]:
        found = compared.search(query, 7, filters)
        assert found.rows.tolist() == expected(compared, query, 7, filters)
        assert found.exact
        count = COUNT if filters is None else sum(fits(compared, r, filters) for r in range(COUNT))
        assert found.searched == count
        cosines = compared.vectors[found.rows].astype(float) @ query / np.linalg.norm(query)
        np.testing.assert_allclose(found.similarities, cosines, atol=1e-6)


@pytest.mark.parametrize("filters", [None, *FILTERS])
def test_the_graph_finds_almost_all_of_them_and_never_fewer_products(graphed, queries, filters):
    hits = wanted = 0
    for query in queries:
        best = expected(graphed, query, 10, filters)
        found = graphed.search(query, 10, filters)
        assert len(found.rows) == len(best)
        assert (np.diff(found.similarities) <= 0).all()
        assert all(fits(graphed, row, filters) for row in found.rows if filters is not None)
        hits, wanted = hits + len(set(best) & set(found.rows.tolist())), wanted + len(best)
    assert hits >= 0.97 * wanted


def test_the_graph_is_asked_for_many_and_few_are_compared(graphed, queries):
    assert not graphed.search(queries[0], 5).exact
    assert not graphed.search(queries[0], 5, Filters(with_image=True)).exact
    few = graphed.search(queries[0], 5, Filters(min_price=20, max_price=22))
    assert few.exact
    assert 0 < few.searched < 60


def test_a_far_category_gives_as_many_hits_as_a_near_one(graphed):
    near = Filters(categories=("Watches",))
    query = next(graphed.vectors[r] for r in range(COUNT) if graphed.categories[r] == "Toys > Cars")
    assert len(graphed.search(query, 50, near).rows) == 50


@pytest.mark.parametrize("count", [0, 1, 3, 30])
def test_rows_with_one_of_several_names_fit(count):
    values = [f"Name {row % 40}" for row in range(200)]
    wanted = set(values[:count])
    column = Coded.of(values)
    fits = column.fitting(name in wanted for name in column.names)
    assert fits.tolist() == [value in wanted for value in values]


def test_more_than_there_are_gives_all(compared, graphed, queries):
    for index in (compared, graphed):
        assert sorted(index.search(queries[0], COUNT + 5).rows.tolist()) == list(range(COUNT))


def test_a_query_gets_the_same_bits_alone_and_among_others(compared, graphed, queries):
    for index in (compared, graphed):
        for query, found in zip(queries, index.search_many(queries, 9), strict=True):
            alone = index.search(query, 9)
            np.testing.assert_array_equal(found.rows, alone.rows)
            np.testing.assert_array_equal(found.similarities, alone.similarities)


def test_threads_get_what_one_gets(graphed, queries):
    alone = [graphed.search(query, 9).rows.tolist() for query in queries]
    answers: dict[int, list[list[int]]] = {}

    def ask(number: int) -> None:
        answers[number] = [graphed.search(query, 9).rows.tolist() for query in queries]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(answer == alone for answer in answers.values())


def test_equal_products_come_in_their_order(queries):
    vectors = np.repeat(queries[:2].astype(np.float32), 30, axis=0)
    index = ProductIndex.of(
        "m", vectors, [str(n) for n in range(60)], [""] * 60,
        categories=[""] * 60, brands=[""] * 60, prices=np.full(60, np.nan),
        has_image=np.zeros(60, bool),
    )  # fmt: skip
    assert index.search(queries[1], 5).rows.tolist() == [30, 31, 32, 33, 34]


@pytest.mark.parametrize("query", [np.zeros(DIMENSIONS), np.full(DIMENSIONS, np.nan)])
def test_a_query_without_direction_is_refused(compared, query):
    with pytest.raises(ValueError, match="length zero"):
        compared.search(query, 3)


def test_a_query_of_other_dimensions_is_refused(compared):
    with pytest.raises(ValueError, match="24 dimensions"):
        compared.search(np.ones(5), 3)


def test_an_index_names_each_product_once():
    parts = {"categories": [""] * 2, "brands": [""] * 2, "prices": np.ones(2)}
    with pytest.raises(ValueError, match="twice"):
        ProductIndex.of("m", np.eye(2), ["a", "a"], ["", ""], **parts, has_image=np.ones(2, bool))


@pytest.mark.parametrize("which", ["compared", "graphed"])
def test_a_stored_index_is_the_same(which, request, queries, tmp_path):
    index = request.getfixturevalue(which)
    index.save(tmp_path / "index")
    loaded = ProductIndex.load(index.save(tmp_path / "index"), "model-1")  # over the old one
    assert [path.name for path in tmp_path.iterdir()] == ["index"]
    loaded = ProductIndex.load(loaded.save(tmp_path / "copy"))  # as registering it does
    assert (list(loaded.ids), list(loaded.titles)) == (list(index.ids), list(index.titles))
    assert (loaded.titles[1], loaded.row_of["p7"], len(loaded)) == ("Title 1 é", 7, COUNT)
    assert not loaded.vectors.flags.writeable
    for filters in (None, FILTERS[0]):
        mine, theirs = (i.search_many(queries, 9, filters) for i in (index, loaded))
        for one, other in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(one.rows, other.rows)
            np.testing.assert_array_equal(one.similarities, other.similarities)
            assert (one.exact, one.searched) == (other.exact, other.searched)


def test_an_index_of_another_model_is_refused_with_both_names(compared, tmp_path):
    compared.save(tmp_path / "index")
    with pytest.raises(PredictorError, match=r"model-1.*model-2"):
        ProductIndex.load(tmp_path / "index", "model-2")


def test_a_damaged_index_is_refused(graphed, tmp_path):
    graphed.save(tmp_path / "index")
    graph = tmp_path / "index" / "neighbours.usearch"
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(PredictorError, match=r"neighbours.usearch differs"):
        ProductIndex.load(tmp_path / "index")
    graph.unlink()
    with pytest.raises(PredictorError, match=r"neighbours.usearch is missing"):
        ProductIndex.load(tmp_path / "index")


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "index.json is missing"), ("{", "damaged"), (json.dumps({"format": 9}), "format 9")],
)
def test_what_is_no_index_says_so(text, message, tmp_path):
    if text is not None:
        (tmp_path / "index.json").write_text(text)
    with pytest.raises(PredictorError, match=message):
        ProductIndex.load(tmp_path)


class Lengths:
    """Embeds a product as the lengths of its texts, in place of the network."""

    embedding_id = "lengths"

    def embed(self, records):
        return np.array([[len(r.title), len(r.brand), r.image is not None] for r in records], float)


def test_an_index_of_a_catalogue_has_a_row_for_every_product():
    rows = [("1", "north", "Lamp", "Acme", "Home", "Lamps", 5.0, "a.jpg")]
    rows += [("1", "south", "Red car", "", "Toys", "", np.nan, "gone.jpg")]
    names = ["id", "source", "title", "brand", "category", "subcategory", "price", "image"]
    table = pd.DataFrame(rows, columns=names)
    for name, value in {"description": "", "attributes": "{}", "currency": "", "part": ""}.items():
        table[name] = value
    for name in ("rating", "votes"):
        table[name] = np.nan
    pixels = np.zeros((16, 16, 3), np.uint8).tobytes()
    images = pd.DataFrame({"image": ["a.jpg"], "width": 16, "height": 16, "pixels": [pixels]})
    index = build_index(Lengths(), table, images)
    assert (list(index.ids), list(index.titles)) == (["north:1", "south:1"], ["Lamp", "Red car"])
    assert [index.categories[row] for row in (0, 1)] == ["Home > Lamps", "Toys"]
    assert index.has_image.tolist() == [True, False]
    assert index.embedding_id == "lengths"
    np.testing.assert_allclose(index.vectors[0] * np.sqrt(33), [4, 4, 1], atol=1e-5)
    assert index.search(np.array([0, 0, 1]), 1).rows.tolist() == [0]
