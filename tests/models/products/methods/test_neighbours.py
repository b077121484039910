import numpy as np
import pytest
from scipy.sparse import csr_matrix

from crisol.core.data.pictures import Image
from crisol.models.products.data.records import ProductRecord
from crisol.models.products.data.taxonomy import Taxonomy
from crisol.models.products.linear_params import NeighboursParams
from crisol.models.products.member import Targets
from crisol.models.products.methods.block_distances import (
    START,
    START_RIDGE,
    left_out_error,
    search_weights,
)
from crisol.models.products.methods.linear_heads import VISIBLE_BLOCKS
from crisol.models.products.methods.neighbours import NeighboursMember, fit_neighbours

TAXONOMY = Taxonomy((("Home", "Curtains"), ("Home", "Towels"), ("Watches", "")))
WORDS = ("curtain eyelet", "towel bath", "watch analog")
PARAMS = NeighboursParams(
    max_features=500, max_characters=400, image_components=2, topics=8, search_rows=60
)


def _shop(rows, seed):
    """Zenith is expensive for watches and cheap for towels, which no sum over words can model."""
    random = np.random.default_rng(seed)
    records, leaf, prices = [], np.arange(rows) % 3, np.zeros(rows)
    for row, code in enumerate(leaf.tolist()):
        zenith = bool(random.integers(2))
        prices[row] = 5 + (2 * zenith, -2 * zenith, 2 * zenith)[code] + random.normal(0, 0.1)
        pixels = np.full((16, 16, 3), 80 * code, np.uint8) + random.integers(0, 40, (16, 16, 3))
        records.append(
            ProductRecord(
                title=f"{'Zenith' if zenith else 'Acme'} {WORDS[code]} {random.integers(10)}x",
                category=TAXONOMY.names[code] if row % 2 else "",
                price=float(np.exp(prices[row])) if row % 5 else float("nan"),
                image=Image(pixels.astype(np.uint8), 16, 16) if row % 4 else None,
            )
        )
    return records, Targets(leaf, prices, np.clip(prices / 10, 0, 1))


@pytest.fixture(scope="module")
def shop():
    return _shop(150, seed=0), _shop(45, seed=1)


@pytest.fixture(scope="module")
def neighbours(shop):
    return fit_neighbours(*shop[0], TAXONOMY, PARAMS)


def _same(one, other):
    for name in ("leaf", "log_price", "rating"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_it_learns_interactions_of_words(shop, neighbours):
    records, truth = shop[1]
    said = neighbours.forecast(records)
    assert (said.leaf.argmax(axis=1) == truth.leaf).mean() > 0.95
    assert np.abs(said.log_price - truth.log_price).mean() < 0.4
    assert np.corrcoef(said.rating, truth.rating)[0, 1] > 0.95
    np.testing.assert_allclose(np.exp(said.leaf).sum(axis=1), 1)


def test_it_is_kernel_ridge_regression(shop):
    from sklearn.kernel_ridge import KernelRidge

    (records, targets), (others, _) = shop
    plain = PARAMS.model_copy(update={"search_rows": 0})
    neighbours = fit_neighbours(records, targets, TAXONOMY, plain)
    features = neighbours.features
    inside, outside = (
        np.concatenate(
            [
                np.sqrt(START[block]) * features.matrix(rows, [block]).toarray()
                for block in VISIBLE_BLOCKS["log_price_alone"]
                if block in features.sizes
            ],
            axis=1,
        )
        for rows in (features.of_records(those) for those in (records, others))
    )
    level = targets.log_price.mean()
    reference = KernelRidge(alpha=START_RIDGE, kernel="rbf", gamma=1.0)
    expected = reference.fit(inside, targets.log_price - level).predict(outside) + level
    bare = [record.without("category") for record in others]
    np.testing.assert_allclose(neighbours.forecast(bare).log_price, expected, atol=1e-3)


def test_what_is_left_out_is_answered_by_the_others():
    random = np.random.default_rng(0)
    columns = random.normal(size=(12, 3))
    apart = ((columns[:, None] - columns) ** 2).sum(axis=2).astype(np.float32)
    truth = random.normal(size=(12, 2))
    kernel = np.exp(-0.3 * apart.astype(np.float64))
    errors = []
    for row in range(12):
        rest = np.delete(np.arange(12), row)
        system = kernel[np.ix_(rest, rest)] + 0.5 * np.eye(11)
        errors.append(truth[row] - kernel[row, rest] @ np.linalg.solve(system, truth[rest]))
    found = left_out_error({"words": apart}, {"words": 0.3}, 0.5, truth)
    assert found == pytest.approx(np.mean(np.square(errors)), rel=1e-5)


def test_the_search_finds_what_counts():
    random = np.random.default_rng(0)
    telling, noise = random.normal(size=(2, 80, 2))
    columns = {"topics": csr_matrix(telling), "picture": csr_matrix(noise)}
    truth = np.sin(2 * telling[:, :1])
    weights, _ = search_weights(columns, ("topics", "picture", "price"), truth)
    assert set(weights) == set(columns)
    assert weights["picture"] < 0.1 * weights["topics"]
    assert search_weights(columns, ("topics",), truth, rounds=0) == (
        {"topics": START["topics"]},
        START_RIDGE,
    )


def test_neither_the_category_reaches_the_leaf_nor_the_price_the_price(shop):
    plain = PARAMS.model_copy(update={"search_rows": 0})
    neighbours, records = fit_neighbours(*shop[0], TAXONOMY, plain), shop[1][0]
    said = neighbours.forecast(records)
    other = neighbours.forecast([record.without("category") for record in records])
    np.testing.assert_array_equal(said.leaf, other.leaf)
    assert (said.log_price != other.log_price).any()
    other = neighbours.forecast([record.without("price") for record in records])
    np.testing.assert_array_equal(said.log_price, other.log_price)
    assert (said.rating != other.rating).any()


def test_answers_do_not_depend_on_the_batch(shop, neighbours):
    records = shop[1][0][:12]
    together = neighbours.forecast(records)
    for row, record in enumerate(records):
        _same(together.take(np.array([row])), neighbours.forecast([record]))
    assert neighbours.forecast([]).leaf.shape == (0, 3)


def test_the_same_seed_makes_the_same_bits_and_storing_keeps_them(shop, neighbours, tmp_path):
    records = shop[1][0]
    said = neighbours.forecast(records)
    _same(said, fit_neighbours(*shop[0], TAXONOMY, PARAMS).forecast(records))
    _same(said, NeighboursMember.read(tmp_path, neighbours.write(tmp_path)).forecast(records))


def test_a_random_part_of_many_products_is_used(shop):
    (records, targets), (others, truth) = shop
    few = PARAMS.model_copy(update={"max_rows": 60})
    member = fit_neighbours(records, targets, TAXONOMY, few)
    assert member.distances.size == 60
    assert (member.forecast(others).leaf.argmax(axis=1) == truth.leaf).mean() > 0.9


def test_only_what_is_known_is_learned(shop):
    records, targets = shop[0]
    nothing = np.full(len(targets), np.nan)
    member = fit_neighbours(
        records, Targets(targets.leaf, targets.log_price, nothing), None, PARAMS
    )
    said = member.forecast([ProductRecord("?"), records[0]])
    assert (said.leaf, said.rating) == (None, None)
    assert np.isfinite(said.log_price).all()
