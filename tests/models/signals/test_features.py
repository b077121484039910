"""Features are stationary, causal and the same for one window and for many."""

import numpy as np
import pandas as pd
import pytest

from crisol.models.signals.data import prepare as data
from crisol.models.signals.features import BARS, NAMES, features, trend_strength, volatility
from crisol.models.signals.network_params import NetworkParams
from crisol.models.signals.percent_features import PERCENT_NAMES, percent_features
from crisol.models.signals.window_inputs import FEATURE_SETS, window_inputs


@pytest.fixture(scope="module")
def series(world) -> tuple[np.ndarray, np.ndarray]:
    bars = world.bars[world.bars.symbol == "SYN/USDT"]
    values = bars[["open", "high", "low", "close", "volume"]].to_numpy(float)
    return values, data.seconds_since_1970(bars["timestamp"])


def _window(series, end: int) -> tuple[np.ndarray, np.ndarray]:
    values, seconds = series
    part = slice(end - BARS + 1, end + 1)
    return values[None, part], seconds[None, part]


@pytest.mark.parametrize("steps", [2, 12, 41, 60])
def test_the_newest_steps_do_not_depend_on_how_many_are_asked_for(series, steps):
    bars, seconds = _window(series, 200)
    all_steps, some = features(bars, seconds), features(bars, seconds, steps)
    assert some.shape == (1, steps, len(NAMES))
    # The first step of a window knows no bar before it.
    np.testing.assert_allclose(some[:, 1:], all_steps[:, -steps + 1 :], atol=1e-4)


def test_one_window_and_many_agree(series):
    windows = [_window(series, end) for end in range(100, 110)]
    bars, seconds = (np.concatenate(part) for part in zip(*windows, strict=True))
    together = features(bars, seconds, 20)
    for index, (one, times) in enumerate(windows):
        np.testing.assert_allclose(features(one, times, 20)[0], together[index], atol=1e-5)


def test_against_plain_pandas(series):
    bars, seconds = _window(series, 300)
    x = dict(zip(NAMES, features(bars, seconds)[0].T, strict=True))
    close = pd.Series(np.log(bars[0, :, 3]))
    scale = np.sqrt((close.diff()[1:] ** 2).mean()) + 1e-5
    np.testing.assert_allclose(x["return"][1:], close.diff()[1:] / scale, atol=1e-4)
    np.testing.assert_allclose(
        x["mean_10"], (close.rolling(10, min_periods=1).mean() - close) / scale, atol=1e-4
    )
    low = pd.Series(np.log(bars[0, :, 2])).rolling(20, min_periods=1).min()
    high = pd.Series(np.log(bars[0, :, 1])).rolling(20, min_periods=1).max()
    np.testing.assert_allclose(
        x["stochastic_20"], (close - low) / (high - low + 1e-6) - 0.5, atol=1e-4
    )
    volume = pd.Series(np.log1p(bars[0, :, 4]))
    mean = volume.rolling(20, min_periods=1).mean()
    spread = volume.rolling(20, min_periods=1).std(ddof=0)
    np.testing.assert_allclose(x["volume_z20"], (volume - mean) / (spread + 0.1), atol=1e-3)
    np.testing.assert_allclose(x["return_lag_23"][23:], x["return"][:-23], atol=1e-6)


def test_price_level_and_volume_unit_do_not_matter(series):
    bars, seconds = _window(series, 300)
    scaled = bars * np.array([1e3, 1e3, 1e3, 1e3, 1.0])
    np.testing.assert_allclose(features(scaled, seconds), features(bars, seconds), atol=1e-4)
    np.testing.assert_allclose(percent_features(scaled), percent_features(bars), atol=1e-4)


@pytest.mark.parametrize("names", ["stationary", "percent"])
def test_changing_the_future_changes_nothing(world, names):
    """Truncation test: bars after a sample, and before its window, never reach its features."""
    bars, samples = world.bars, world.samples
    chosen = samples[samples.symbol == "SYN/USDT"].iloc[100:120]
    end, start = int(chosen["end"].max()), int(chosen["end"].min()) - BARS + 1
    network = NetworkParams(features=names)
    before = data.windows(bars, chosen, network)
    changed = bars.copy()
    prices = ["open", "high", "low", "close", "volume"]
    changed.loc[end + 1 :, prices] *= 7.0
    changed.loc[: start - 1, prices] *= 0.1
    np.testing.assert_array_equal(data.windows(changed, chosen, network), before)
    inside = bars.copy()
    inside.loc[end, "close"] *= 1.01
    assert np.abs(data.windows(inside, chosen, network) - before).max() > 0.01


def test_absurd_bars_stay_finite():
    seconds = np.arange(BARS)[None] * 3600.0
    constant = np.ones((1, BARS, 5))
    wild = np.exp(np.random.default_rng(0).normal(size=(1, BARS, 1)) * 300) * np.ones((1, 1, 5))
    for bars in (constant, np.clip(wild, 1e-300, 1e300)):
        assert np.isfinite(features(bars, seconds)).all()
        assert np.isfinite(percent_features(bars)).all()
        assert np.isfinite(volatility(bars[0]))
        assert 0 <= trend_strength(bars[0]) <= 1


@pytest.mark.parametrize("steps", [2, 5, 60])
def test_percent_features_against_plain_pandas(series, steps):
    bars, _ = _window(series, 300)
    x = dict(zip(PERCENT_NAMES, percent_features(bars, steps)[0].T, strict=True))
    close = pd.Series(bars[0, :, 3])
    expected = {
        "open_percent": bars[0, :, 0] / close - 1,
        "low_percent": bars[0, :, 2] / close - 1,
        "return_percent": close.pct_change().fillna(0),
        "mean_5_percent": close.rolling(5, min_periods=1).mean() / close - 1,
        "mean_30_percent": close.rolling(30, min_periods=1).mean() / close - 1,
    }
    for name, values in expected.items():
        np.testing.assert_allclose(x[name], 100 * values[-steps:], atol=1e-4, err_msg=name)


def test_a_network_reads_the_features_it_names_in_its_order(series):
    bars, seconds = _window(series, 300)
    stationary, percent = (
        window_inputs(bars, seconds, 20, FEATURE_SETS[name]) for name in ("stationary", "percent")
    )
    np.testing.assert_array_equal(stationary, features(bars, seconds, 20))
    mixed = window_inputs(bars, seconds, 20, ("high_percent", "body", "open_percent"))
    expected = (percent[..., 1], stationary[..., NAMES.index("body")], percent[..., 0])
    np.testing.assert_array_equal(mixed, np.stack(expected, axis=-1))


def test_unknown_features_are_named_beside_the_sets():
    with pytest.raises(ValueError, match=r"set stationary or percent; unknown: wick"):
        NetworkParams(features=("return", "wick"))


def test_a_straight_line_is_all_trend():
    line = np.tile(np.exp(np.linspace(0, 1, BARS))[:, None], (1, 5))
    assert trend_strength(line) == pytest.approx(1.0)
    assert volatility(line) == pytest.approx(0.0, abs=1e-12)
