"""Labels and splits: what is known when, and that nothing reaches over a boundary."""

import numpy as np
import pandas as pd
import pytest

from crisol.models.signals.data import prepare as data
from crisol.models.signals.data.validation import BarsError
from crisol.models.signals.params import (
    DataParams,
    FixedThreshold,
    Holdout,
    StudyParams,
    WalkForward,
)


def _daily(count: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    close = 50 * np.exp(np.cumsum(rng.normal(size=count) * 0.01))
    return data.clean(
        pd.DataFrame(
            {
                "symbol": "ABC",
                "exchange": "nyse",
                "timestamp": pd.bdate_range("2020-01-01", periods=count, tz="UTC"),
                "open": close,
                "high": close * 1.01,
                "low": close * 0.99,
                "close": close,
                "volume": 1000.0,
            }
        )
    )


HOLDOUT = Holdout(
    train_from="2020-01-01", valid_from="2020-04-01", test_from="2020-05-01",
    test_until="2020-06-01",
)  # fmt: skip


def _daily_study(**changes) -> StudyParams:
    values = {
        "name": "daily", "exchanges": ("nyse",), "label": FixedThreshold(), "split": HOLDOUT,
        "min_history_bars": 20,
    }  # fmt: skip
    return StudyParams(**values | changes)


def test_fixed_thresholds_label_the_next_return():
    bars = _daily()
    samples = data.label(bars, DataParams(studies=(_daily_study(),), register_study="daily"))
    close = bars["close"].to_numpy()
    for _, one in samples.iterrows():
        simple = close[one["end"] + 1] / close[one["end"]] - 1
        expected = 2 if simple > 0.0055 else 0 if simple < -0.005 else 1
        assert one["label"] == expected
        assert one["target_time"] == bars["timestamp"][one["end"] + 1]


def test_volatility_labels_know_only_the_past(world):
    samples, bars = world.samples, world.bars
    one = samples.iloc[50]
    changed = bars.copy()
    changed.loc[one["end"] + 1 :, ["open", "high", "low", "close"]] *= 3.0
    again = data.label(changed, world.data).iloc[50]
    assert again["scale"] == one["scale"]
    assert again["row"] == one["row"]
    assert again["label"] == 2


def test_holdout_cuts_by_the_day_that_is_predicted():
    samples = data.label(_daily(), DataParams(studies=(_daily_study(),), register_study="daily"))
    (fold,) = data.split(samples, _daily_study())
    day = samples["target_time"].dt.strftime("%Y-%m-%d")
    assert day.iloc[fold.train].max() < "2020-04-01" <= day.iloc[fold.valid].min()
    assert day.iloc[fold.valid].max() < "2020-05-01" <= day.iloc[fold.test].min()
    assert (samples.iloc[fold.test]["fold"] == 0).all()


def test_hold_is_left_out_of_up_or_down_studies():
    study = _daily_study(drop_hold=True)
    samples = data.label(_daily(), DataParams(studies=(study,), register_study="daily"))
    (fold,) = data.split(samples, study)
    labels = samples["label"].to_numpy()
    for part in (fold.train, fold.valid, fold.test):
        assert set(labels[part]) == {0, 2}


@pytest.mark.parametrize("horizon", [1, 4])
def test_walk_forward_purges_and_embargoes(world, horizon):
    study = StudyParams(
        name="walk", exchanges=("binance",), horizon_bars=horizon,
        split=WalkForward(folds=3, test_fraction=0.5, embargo_bars=7),
    )  # fmt: skip
    samples = data.label(world.bars, DataParams(studies=(study,), register_study="walk"))
    position = samples["position"].to_numpy()
    folds = data.split(samples, study)
    assert [fold.number for fold in folds] == [0, 1, 2]
    for fold in folds:
        # The last training label ends before the embargo in front of what comes next.
        assert position[fold.train].max() + horizon + 7 < position[fold.valid].min()
        assert position[fold.valid].max() + horizon + 7 < position[fold.test].min()
    tests = [set(samples["row"].iloc[fold.test]) for fold in folds]
    assert not tests[0] & tests[1]
    assert not tests[1] & tests[2]


def test_the_purge_knows_pauses_of_single_exchanges():
    days = _daily(200)
    # One exchange is closed just before the test span: its labels reach over the boundary.
    pausing = days.assign(symbol="PAUSES", exchange="lse").drop(index=range(96, 101))
    study = StudyParams(
        name="s",
        exchanges=("nyse", "lse"),
        label=FixedThreshold(),
        split=WalkForward(folds=1, test_fraction=0.5, embargo_bars=0, valid_fraction=0.3),
        min_history_bars=5,
    )
    bars = data.clean(pd.concat([days, pausing]))
    samples = data.label(bars, DataParams(studies=(study,), register_study="s"))
    [fold] = data.split(samples, study)
    for earlier, later in ((fold.train, fold.valid), (fold.valid, fold.test)):
        known = samples["target_time"].iloc[earlier].max()
        assert known < samples["timestamp"].iloc[later].min()


def test_row_ids_are_unique_and_survive_more_bars(world):
    fewer = world.bars[world.bars.timestamp < world.bars.timestamp.max() - pd.Timedelta("1D")]
    samples = data.label(fewer.reset_index(drop=True), world.data)
    assert world.samples["row"].is_unique
    assert set(samples["row"]) < set(world.samples["row"])


def test_one_symbol_on_two_exchanges_gives_rows_of_its_own(world):
    both = pd.concat([world.bars, world.bars.assign(exchange="kraken")])
    study = world.data.studies[0].model_copy(update={"exchanges": ("binance", "kraken")})
    found = data.label(data.clean(both), world.data.model_copy(update={"studies": (study,)}))
    assert len(found) == 2 * len(world.samples)
    assert found["row"].is_unique


def test_short_histories_repeat_their_first_bar():
    values = np.arange(50.0)[:, None].repeat(5, 1) + 1
    seconds = np.arange(50.0) * 86_400
    bars, times = data.gather(values, seconds, np.array([40, 49]), np.array([10, 0]))
    assert bars.shape == (2, 60, 5)
    assert (bars[0, :30, 0] == values[10, 0]).all()
    assert (np.diff(times, axis=1) > 0).all()


def test_a_study_without_bars_says_what_there_is(world):
    study = StudyParams(name="none", exchanges=("kraken",))
    with pytest.raises(BarsError, match="there are: binance"):
        data.label(world.bars, DataParams(studies=(study,), register_study="none"))


def test_too_few_bars_for_the_split_is_an_error():
    study = _daily_study(split=WalkForward(embargo_bars=200))
    with pytest.raises(BarsError, match="has no train samples"):
        data.label(_daily(), DataParams(studies=(study,), register_study="daily"))
