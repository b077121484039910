import json

import numpy as np
import pytest
from scipy.special import log_softmax

from crisol.models.products.data.taxonomy import Taxonomy
from crisol.models.products.member import Forecast, Targets
from crisol.models.products.methods.blend import Blend, fit_blend

TAXONOMY = Taxonomy((("a", "1"), ("a", "2"), ("b", "1")))
ROWS = 600


@pytest.fixture(scope="module")
def truth():
    random = np.random.default_rng(0)
    rating = random.random(ROWS)
    rating[::7] = np.nan
    leaf = random.integers(0, 3, ROWS)
    leaf[::5] = -1
    return Targets(leaf, random.normal(6, 1, ROWS), rating)


def _member(truth, noise, sharpness=1.0, seed=0):
    random = np.random.default_rng(seed)
    scores = 2 * np.eye(3)[np.maximum(truth.leaf, 0)] + noise * random.normal(size=(ROWS, 3))
    return Forecast(
        log_softmax(sharpness * scores, axis=1),
        truth.log_price + noise * random.normal(size=ROWS),
        np.nan_to_num(truth.rating, nan=0.5) + noise * random.normal(size=ROWS),
    )


def _loss(leaf, truth):
    known = truth.leaf >= 0
    return -leaf[known, truth.leaf[known]].mean()


def _error(values, truth):
    return np.nanmean((values - truth) ** 2)


def test_the_blend_is_at_least_as_good_as_its_best_member(truth):
    said = {"good": _member(truth, 0.8, seed=1), "other": _member(truth, 1.0, seed=2)}
    joined = fit_blend(said, truth, TAXONOMY).combine(said)
    for member in said.values():
        assert _loss(joined.leaf, truth) < _loss(member.leaf, truth)
        assert _error(joined.log_price, truth.log_price) < _error(member.log_price, truth.log_price)
        assert _error(joined.rating, truth.rating) < _error(member.rating, truth.rating)
    np.testing.assert_allclose(np.exp(joined.leaf).sum(axis=1), 1)
    assert joined.rating.min() >= 0
    assert joined.rating.max() <= 1


def test_overconfident_probabilities_are_cooled_to_what_comes_true(truth):
    said = {"sure": _member(truth, 1.5, sharpness=8.0)}
    joined = fit_blend(said, truth, TAXONOMY).combine(said)
    known = truth.leaf >= 0

    def overconfidence(leaf):
        right = leaf[known].argmax(axis=1) == truth.leaf[known]
        return np.exp(leaf[known].max(axis=1)).mean() - right.mean()

    assert overconfidence(said["sure"].leaf) > 0.1
    assert abs(overconfidence(joined.leaf)) < 0.03


def test_noise_gets_no_say_and_no_weight_is_negative(truth):
    random = np.random.default_rng(5)
    noise = Forecast(
        log_softmax(random.normal(size=(ROWS, 3)), axis=1),
        10 - truth.log_price,
        random.random(ROWS),
    )
    blend = fit_blend({"good": _member(truth, 0.3), "noise": noise}, truth, TAXONOMY)
    assert blend.log_price.weights["noise"] == 0
    assert blend.leaf["noise"] < 0.1 * blend.leaf["good"]


def test_few_products_leave_the_weights_near_equal(truth):
    said = {"one": _member(truth, 0.5, seed=1), "two": _member(truth, 0.5, seed=2)}
    rows = np.array([1])
    blend = fit_blend({n: f.take(rows) for n, f in said.items()}, truth.take(rows), TAXONOMY)
    np.testing.assert_allclose(list(blend.leaf.values()), 0.5, atol=0.25)
    np.testing.assert_allclose(list(blend.log_price.weights.values()), 0.5)


def test_each_head_is_joined_from_the_members_that_have_learned_it(truth):
    whole = _member(truth, 0.5)
    said = {"whole": whole, "prices": Forecast(log_price=_member(truth, 0.5, seed=3).log_price)}
    blend = fit_blend(said, truth, TAXONOMY)
    assert set(blend.leaf) == {"whole"}
    assert set(blend.log_price.weights) == {"whole", "prices"}
    alone = fit_blend({"prices": said["prices"]}, truth, None)
    joined = alone.combine({"prices": said["prices"]})
    assert joined.leaf is None
    assert joined.rating is None


def test_without_a_member_is_what_the_others_learn_together(truth):
    said = {name: _member(truth, 0.5, seed=seed) for seed, name in enumerate("abc")}
    blend = fit_blend(said, truth, TAXONOMY)
    rest = {name: said[name] for name in "ac"}
    assert blend.without("b").leaf == fit_blend(rest, truth, TAXONOMY).leaf
    assert blend.without("b").log_price == fit_blend(rest, truth, TAXONOMY).log_price
    with pytest.raises(KeyError):
        fit_blend({"a": said["a"]}, truth, TAXONOMY).without("a")


def test_json_round_trip(truth):
    said = {"one": _member(truth, 0.5, seed=1), "two": _member(truth, 0.7, seed=2)}
    blend = fit_blend(said, truth, TAXONOMY)
    assert Blend.from_json(json.loads(json.dumps(blend.to_json()))) == blend


def test_leaves_of_another_taxonomy_are_refused(truth):
    with pytest.raises(ValueError, match="one answers 3 leaves; the taxonomy has 2"):
        fit_blend({"one": _member(truth, 0.5)}, truth, Taxonomy(TAXONOMY.leaves[:2]))
