import json

import numpy as np
import pytest

from crisol.models.products.methods.intervals import PriceIntervals


def _skewed(random, rows):
    return random.gumbel(size=rows)


def test_new_prices_lie_inside_as_often_as_it_says():
    random = np.random.default_rng(0)
    inside, outlying, promised = [], [], []
    for _ in range(300):
        estimates = random.normal(6, 1, 80)
        intervals = PriceIntervals.fit(estimates, estimates + _skewed(random, 80))
        new = random.normal(6, 1, 50)
        prices = new + _skewed(random, 50)
        low, high = intervals.bounds(new)
        inside.append(((low <= prices) & (prices <= high)).mean())
        low, high = intervals.outer_bounds(new)
        outlying.append(((prices < low) | (prices > high)).mean())
        promised.append(intervals.coverage)
    assert np.mean(inside) == pytest.approx(np.mean(promised), abs=0.01)
    assert np.mean(promised) == pytest.approx(0.8, abs=0.02)
    assert np.mean(outlying) < 0.03


def test_too_few_products_promise_less_and_stay_finite():
    intervals = PriceIntervals.fit(np.zeros(3), np.array([-1.0, 0.0, 2.0]))
    assert (intervals.inner.low, intervals.inner.high) == (-1.0, 2.0)
    assert intervals.coverage == pytest.approx(0.5)
    assert intervals.outer == intervals.inner
    assert not intervals.tells_outliers
    assert PriceIntervals.fit(np.zeros(40), np.arange(40.0)).tells_outliers


def test_a_wider_share_has_wider_bounds_and_survives_json():
    random = np.random.default_rng(1)
    intervals = PriceIntervals.fit(np.zeros(500), random.normal(size=500))
    assert intervals.outer.low < intervals.inner.low < intervals.inner.high < intervals.outer.high
    assert PriceIntervals.from_json(json.loads(json.dumps(intervals.to_json()))) == intervals


@pytest.mark.parametrize("prices", [np.zeros(0), np.array([1.0, np.nan])])
def test_nothing_to_learn_from_is_refused(prices):
    with pytest.raises(ValueError, match="finite"):
        PriceIntervals.fit(np.zeros(len(prices)), prices)
