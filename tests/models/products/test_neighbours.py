import numpy as np
import pytest

from crisol.models.products.linear_params import NeighboursParams
from crisol.models.products.member import Targets
from crisol.models.products.neighbours import Neighbours, fit_neighbours
from crisol.models.products.records import Image, Record
from crisol.models.products.taxonomy import Taxonomy

TAXONOMY = Taxonomy((("Home", "Curtains"), ("Home", "Towels"), ("Watches", "")))
WORDS = ("curtain eyelet", "towel bath", "watch analog")
PARAMS = NeighboursParams(max_features=500, max_characters=400, image_components=2)


def _shop(rows, seed):
    """Zenith is dear in watches and cheap in towels, which no sum over words can say."""
    random = np.random.default_rng(seed)
    records, leaf, prices = [], np.arange(rows) % 3, np.zeros(rows)
    for row, code in enumerate(leaf.tolist()):
        zenith = bool(random.integers(2))
        prices[row] = 5 + (2 * zenith, -2 * zenith, 2 * zenith)[code] + random.normal(0, 0.1)
        pixels = np.full((16, 16, 3), 80 * code, np.uint8) + random.integers(0, 40, (16, 16, 3))
        records.append(
            Record(
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


def test_it_learns_what_words_mean_beside_other_words(shop, neighbours):
    records, truth = shop[1]
    said = neighbours.forecast(records)
    assert (said.leaf.argmax(axis=1) == truth.leaf).mean() > 0.95
    assert np.abs(said.log_price - truth.log_price).mean() < 0.4
    assert np.corrcoef(said.rating, truth.rating)[0, 1] > 0.95
    np.testing.assert_allclose(np.exp(said.leaf).sum(axis=1), 1)


def test_it_is_kernel_ridge_regression(shop, neighbours):
    from sklearn.kernel_ridge import KernelRidge

    (records, targets), (others, _) = shop
    part = ("words", "characters", "names", "picture")
    inside, outside = (
        neighbours.features.matrix(neighbours.features.of_records(those), part)
        for those in (records, others)
    )
    reference = KernelRidge(alpha=PARAMS.price_ridge, kernel="rbf", gamma=PARAMS.sharpness)
    level = targets.log_price.mean()
    reference.fit(inside.toarray(), targets.log_price - level)
    bare = [record.without("category") for record in others]
    np.testing.assert_allclose(
        neighbours.forecast(bare).log_price, reference.predict(outside.toarray()) + level, atol=1e-3
    )


def test_neither_the_category_reaches_the_leaf_nor_the_price_the_price(shop, neighbours):
    records = shop[1][0]
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
    _same(said, Neighbours.read(tmp_path, neighbours.write(tmp_path)).forecast(records))


def test_of_many_products_a_drawn_part_carries_what_all_teach(shop):
    (records, targets), (others, truth) = shop
    few = PARAMS.model_copy(update={"max_rows": 60})
    member = fit_neighbours(records, targets, TAXONOMY, few)
    assert {matrix.shape[0] for matrix in member.likeness.stored.values()} == {60}
    drawn = np.sort(np.random.default_rng(0).permutation(len(records))[:60])
    alone = fit_neighbours([records[row] for row in drawn], targets.take(drawn), TAXONOMY, PARAMS)

    def error(member):
        return np.abs(member.forecast(others).log_price - truth.log_price).mean()

    assert error(member) < error(alone)
    assert (member.forecast(others).leaf.argmax(axis=1) == truth.leaf).mean() > 0.9


def test_only_what_is_known_is_learned(shop):
    records, targets = shop[0]
    nothing = np.full(len(targets), np.nan)
    member = fit_neighbours(
        records, Targets(targets.leaf, targets.log_price, nothing), None, PARAMS
    )
    said = member.forecast([Record("?"), records[0]])
    assert (said.leaf, said.rating) == (None, None)
    assert np.isfinite(said.log_price).all()
