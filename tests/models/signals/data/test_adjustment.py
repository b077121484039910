"""The worked example of docs/data.md: a split and a dividend are no moves of the market."""

import numpy as np
import pandas as pd
import pytest

from crisol.models.signals.data.adjustment import PRICES, adjust, follow_adjusted_close
from crisol.models.signals.data.price_jumps import jumps

DAYS = ["2024-06-03", "2024-06-04", "2024-06-05", "2024-06-06", "2024-06-07"]
TRADED = pd.DataFrame(
    {
        "timestamp": DAYS,
        "open": [198.0, 200.0, 199.0, 50.0, 51.0],
        "high": [202.0, 204.0, 201.0, 52.0, 52.0],
        "low": [196.0, 198.0, 195.0, 49.0, 50.0],
        "close": [200.0, 200.0, 200.0, 50.0, 51.0],
        "volume": [1000.0, 1200.0, 1100.0, 4400.0, 4000.0],
    }
)
"""A dividend of 4 goes ex on 5 June, and each share becomes four on 6 June."""


def test_a_split_and_a_dividend():
    found = adjust(TRADED, splits={"2024-06-06": 4}, dividends={"2024-06-05": 4})
    # Of each bar: 1/4 before the split, and 1 - 4 / 200 before the dividend.
    factor = np.array([0.98 / 4, 0.98 / 4, 1 / 4, 1.0, 1.0])
    for name in PRICES:
        np.testing.assert_allclose(found[name], TRADED[name] * factor)
    assert found["volume"].tolist() == [4000.0, 4800.0, 4400.0, 4400.0, 4000.0]
    np.testing.assert_allclose(found["close"], [49.0, 49.0, 50.0, 50.0, 51.0])


@pytest.mark.parametrize(
    ("splits", "dividends", "first_close"),
    [({"2024-06-06": 4}, {}, 50.0), ({}, {"2024-06-05": 4}, 196.0),
     ({"2024-06-06": 4}, {"2024-06-06": 1}, 49.0), ({"2024-06-04": 0.1}, {}, 2000.0),
     ({"2024-06-03": 4}, {"2024-06-03": 4}, 200.0)],
)  # fmt: skip
def test_the_factor_of_the_first_bar(splits, dividends, first_close):
    found = adjust(TRADED, splits=splits, dividends=dividends)
    assert found["close"][0] == pytest.approx(first_close)
    assert found["close"].iloc[-1] == TRADED["close"].iloc[-1]


def test_the_adjusted_close_of_a_file_leads_to_the_same_bars():
    by_events = adjust(TRADED, splits={"2024-06-06": 4}, dividends={"2024-06-05": 4})
    by_close, splits = follow_adjusted_close(TRADED, by_events["close"])
    assert splits == 1
    pd.testing.assert_frame_equal(by_close, by_events)


def test_volumes_stay_where_only_dividends_were_paid():
    """Yahoo's close and volume are adjusted for splits already."""
    adjusted = TRADED["close"] * np.array([0.97, 0.97, 0.98, 1.0, 1.0])
    found, splits = follow_adjusted_close(TRADED, adjusted)
    assert splits == 0
    assert found["volume"].tolist() == TRADED["volume"].tolist()


def test_rounding_leaves_no_close_outside_its_bar():
    flat = TRADED.assign(open=200.0, high=200.0, low=200.0, close=200.0)
    found, _ = follow_adjusted_close(flat, pd.Series([133.333333, 133.33, 150.01, 199.999, 200.0]))
    assert (found["low"] <= found["close"]).all()
    assert (found["close"] <= found["high"]).all()


def test_only_the_unadjusted_bars_jump():
    values = [*PRICES, "volume"]
    assert jumps(TRADED[values].to_numpy(float)) == [(3, 4.0)]
    found = adjust(TRADED, splits={"2024-06-06": 4}, dividends={"2024-06-05": 4})
    assert jumps(found[values].to_numpy(float)) == []
