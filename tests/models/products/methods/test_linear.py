import numpy as np
import pytest
from scipy.special import log_softmax

from crisol.core.data.pictures import Image
from crisol.models.products.data.records import ProductRecord
from crisol.models.products.data.taxonomy import Taxonomy
from crisol.models.products.linear_params import LinearParams
from crisol.models.products.member import Targets
from crisol.models.products.methods.linear import Baseline, LinearMember, fit_baseline, fit_linear
from crisol.models.products.methods.linear_heads import VISIBLE_BLOCKS

KINDS = {
    ("Home", "Curtains"): ("curtain polyester eyelet", 6.0),
    ("Home", "Towels"): ("towel cotton bath", 5.0),
    ("Watches", ""): ("watch analog leather", 8.0),
}
WORDS = ("curtain", "towel", "watch")
TAXONOMY = Taxonomy(tuple(sorted(KINDS)))
PARAMS = LinearParams(
    max_features=500, max_characters=400, image_components=4, inverse_regularisation=3.0
)


def _shop(rows, seed):
    """Products whose colour words and brands move prices, and whose pictures show their kind."""
    random = np.random.default_rng(seed)
    records, leaf, prices, ratings = [], [], [], []
    for row in range(rows):
        code = row % len(KINDS)
        place = TAXONOMY.leaves[code]
        said, level = KINDS[place]
        brand = ("Acme", "Zenith")[random.integers(2)]
        colour = ("plain", "golden")[random.integers(2)]
        one = random.permutation(said.split())[: random.integers(1, 4)]
        price = level + (brand == "Zenith") + 0.5 * (colour == "golden") + random.normal(0, 0.1)
        pixels = random.integers(0, 60, (16, 16, 3)).astype(np.uint8)
        pixels[4 * code : 4 * code + 4] += 150
        records.append(
            ProductRecord(
                title=f"{brand} {colour} {' '.join(one)}",
                brand=brand if row % 2 else "",
                attributes={"Colour": colour},
                category=" > ".join(part for part in place if part) if row % 3 else "",
                price=float(np.exp(price)),
                image=Image(pixels, 16, 16) if row % 4 else None,
            )
        )
        leaf.append(code)
        prices.append(price)
        ratings.append(0.2 + 0.6 * (colour == "golden"))
    return records, Targets(np.array(leaf), np.array(prices), np.array(ratings))


@pytest.fixture(scope="module")
def shop():
    return _shop(240, seed=0), _shop(60, seed=1)


@pytest.fixture(scope="module")
def linear(shop):
    return fit_linear(*shop[0], TAXONOMY, PARAMS)


def test_it_learns_category_price_and_rating(shop, linear):
    _, (records, truth) = shop
    said = linear.forecast(records)
    assert (said.leaf.argmax(axis=1) == truth.leaf).mean() > 0.95
    assert np.corrcoef(said.log_price, truth.log_price)[0, 1] > 0.95
    assert np.corrcoef(said.rating, truth.rating)[0, 1] > 0.9
    np.testing.assert_allclose(np.exp(said.leaf).sum(axis=1), 1)


def test_neither_the_category_reaches_the_leaf_nor_the_price_the_price(shop, linear):
    records = shop[1][0]
    said = linear.forecast(records)
    other = linear.forecast([record.without("category") for record in records])
    np.testing.assert_array_equal(said.leaf, other.leaf)
    assert (said.log_price != other.log_price).any()
    other = linear.forecast([record.without("price") for record in records])
    np.testing.assert_array_equal(said.log_price, other.log_price)
    assert (said.leaf != other.leaf).any()
    assert (said.rating != other.rating).any()


def test_an_unknown_category_is_none_at_all(shop, linear):
    record = shop[1][0][1]
    assert record.category
    unknown, none = (
        linear.forecast([ProductRecord(record.title, category=said)]) for said in ("Boats", "")
    )
    np.testing.assert_array_equal(unknown.log_price, none.log_price)


def test_answers_do_not_depend_on_the_batch(shop, linear):
    records = shop[1][0][:20]
    together = linear.forecast(records)
    alone = [linear.forecast([record]) for record in records]
    for name in ("leaf", "log_price", "rating"):
        apart = np.concatenate([getattr(said, name) for said in alone])
        np.testing.assert_array_equal(getattr(together, name), apart)


def test_contributions_sum_to_the_log_odds_of_the_leaf(shop, linear):
    record = next(r for r in shop[1][0] if r.image is None).without("price")
    weights, intercepts = linear.heads["leaf"]
    columns = linear.features.matrix(linear.features.of_records([record]), VISIBLE_BLOCKS["leaf"])
    odds = (columns.toarray() @ weights + intercepts)[0]
    for leaf in range(len(KINDS)):
        words = linear.contributions(record, leaf)
        assert sum(effect for _, effect in words) + intercepts[leaf] == pytest.approx(
            odds[leaf], abs=1e-5
        )
        assert [abs(effect) for _, effect in words] == sorted(
            (abs(effect) for _, effect in words), reverse=True
        )
        assert {word for word, _ in words} <= {*record.title.lower().split(), "colour"}


def test_the_same_seed_makes_the_same_bits_and_storing_keeps_them(shop, linear, tmp_path):
    records = shop[1][0]
    said = linear.forecast(records)
    again = LinearMember.read(tmp_path, linear.write(tmp_path))
    for other in (fit_linear(*shop[0], TAXONOMY, PARAMS), again):
        for name in ("leaf", "log_price", "rating"):
            np.testing.assert_array_equal(
                getattr(said, name), getattr(other.forecast(records), name)
            )


def test_a_bare_title_is_answered(linear):
    said = linear.forecast([ProductRecord("?"), ProductRecord("golden leather watch")])
    assert all(np.isfinite(part).all() for part in (said.leaf, said.log_price, said.rating))
    assert TAXONOMY.leaves[said.leaf[1].argmax()] == ("Watches", "")


def test_the_picture_helps_where_words_do_not(shop):
    (records, targets), (others, truth) = shop
    blind = [ProductRecord("thing", image=record.image) for record in records]
    linear = fit_linear(blind, targets, TAXONOMY, PARAMS)
    said = linear.forecast([ProductRecord("thing", image=record.image) for record in others])
    seen = np.array([record.image is not None for record in others])
    assert (said.leaf.argmax(axis=1) == truth.leaf)[seen].mean() > 0.95
    without = fit_linear(
        blind, targets, TAXONOMY, PARAMS.model_copy(update={"image_components": 0})
    )
    assert (without.forecast(others).leaf.argmax(axis=1) == truth.leaf).mean() < 0.5


def test_helpers_teach_prices_above_a_level_of_their_own(shop):
    (records, targets), (others, truth) = shop
    few = np.arange(12)
    unknown = np.full(len(targets), np.nan)
    helper = (records, Targets(np.full(len(targets), -1), targets.log_price + 3, unknown))
    little = [records[row] for row in few]

    def error(helper):
        member = fit_linear(little, targets.take(few), TAXONOMY, PARAMS, helper=helper)
        return np.abs(member.forecast(others).log_price - truth.log_price).mean()

    assert error(helper) < 0.7 * error(None)


def test_only_what_is_known_is_learned(shop):
    records, targets = shop[0]
    nothing = np.full(len(targets), np.nan)
    linear = fit_linear(records, Targets(targets.leaf, nothing, nothing), None, PARAMS)
    said = linear.forecast(records[:2])
    assert (said.leaf, said.log_price, said.rating) == (None, None, None)
    alone = [record.without("category", "price", "image") for record in records]
    linear = fit_linear(alone, Targets(targets.leaf, targets.log_price, nothing), None, PARAMS)
    assert linear.forecast(records[:2]).log_price.shape == (2,)


def test_the_baseline_reads_title_and_description_alone(shop):
    (records, targets), (others, truth) = shop
    baseline = fit_baseline(records, targets, TAXONOMY)
    assert isinstance(baseline, Baseline)
    said = baseline.forecast(others)
    bare = baseline.forecast([ProductRecord(record.title) for record in others])
    np.testing.assert_array_equal(said.leaf, bare.leaf)
    np.testing.assert_array_equal(said.log_price, bare.log_price)
    assert (said.leaf.argmax(axis=1) == truth.leaf).mean() > 0.9


def test_regularisation_is_chosen_by_how_well_words_tell_the_leaves_apart():
    random = np.random.default_rng(0)
    leaf = random.integers(0, 3, 240)
    clear = [ProductRecord(f"{WORDS[code]} {random.integers(40)}") for code in leaf]
    blurred = [ProductRecord(f"{WORDS[random.integers(3)]} {random.integers(40)}") for _ in leaf]
    nothing = np.full(len(leaf), np.nan)
    free = PARAMS.model_copy(update={"inverse_regularisation": None})

    def steepness(records):
        fitted = fit_linear(records, Targets(leaf, nothing, nothing), TAXONOMY, free)
        return np.abs(fitted.heads["leaf"][0]).max()

    assert steepness(clear) > 2 * steepness(blurred)


def test_probabilities_are_those_of_scikit_learns_regressions(shop):
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    (records, targets), (others, _) = shop
    linear = fit_linear(records, targets, TAXONOMY, PARAMS)
    inside, outside = (
        linear.features.matrix(linear.features.of_records(part), VISIBLE_BLOCKS["leaf"])
        for part in (records, others)
    )
    reference = OneVsRestClassifier(
        LogisticRegression(C=PARAMS.inverse_regularisation, solver="liblinear", dual=True, tol=1e-4)
    ).fit(inside, targets.leaf)
    expected = np.log(reference.predict_proba(outside))
    np.testing.assert_allclose(linear.forecast(others).leaf, expected, atol=0.02)
    np.testing.assert_allclose(log_softmax(expected, axis=1), expected, atol=1e-9)
