"""Baselines, backtest, calibration, report and the rows the gate reads."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from crisol.models.signals import evaluation
from crisol.models.signals.data import prepare as data
from crisol.models.signals.data.forecasts import BASELINES, BUY_AND_HOLD, ENSEMBLE, PROBABILITIES
from crisol.models.signals.methods import calibration
from crisol.models.signals.params import StudyParams
from crisol.models.signals.report import backtest, tables
from crisol.models.signals.report.results import study_result

STUDY = StudyParams(name="s", exchanges=("binance",), cost_bps=10.0)


def _bars(opened: list[float], close: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"open": opened, "close": close})


def _samples(ends: list[int]) -> pd.DataFrame:
    times = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(ends, unit="h")
    return pd.DataFrame({"symbol": "A", "end": ends, "target_time": times})


def test_a_position_earns_from_the_next_open_and_pays_both_ways():
    bars = _bars([100, 101, 103, 106, 110], [100.5, 102, 104, 108, 111])
    found = backtest.trade(bars, _samples([0]), np.array([1]), STUDY)
    assert found.returns[0] == pytest.approx(102 / 101 - 1 - 2 * 0.001)


def test_an_unchanged_position_is_not_paid_for_again():
    bars = _bars([100, 101, 103, 106, 110], [100.5, 102, 104, 108, 111])
    found = backtest.trade(bars, _samples([0, 1]), np.array([1, 1]), STUDY)
    assert found.returns == pytest.approx([103 / 101 - 1 - 0.001, 104 / 103 - 1 - 0.001])
    reversed_ = backtest.trade(bars, _samples([0, 1]), np.array([1, -1]), STUDY)
    assert reversed_.returns[1] == pytest.approx(-(104 / 103 - 1) - 0.003)


def test_no_price_before_the_next_open_is_used():
    bars = _bars([100, 101, 103], [100.5, 102, 104])
    before = backtest.trade(bars, _samples([0]), np.array([1]), STUDY).returns
    bars.loc[0, ["open", "close"]] = 1.0
    np.testing.assert_array_equal(
        backtest.trade(bars, _samples([0]), np.array([1]), STUDY).returns, before
    )


def test_knowing_the_future_pays_and_its_opposite_does_not(world):
    tested = world.samples[world.samples.fold >= 0]
    right = tested["label"].to_numpy() - 1
    study = world.data.study("tiny")
    assert backtest.trade(world.bars, tested, right, study).equity[-1] > 1
    assert backtest.trade(world.bars, tested, -right, study).equity[-1] < 1
    flat = backtest.trade(world.bars, tested, 0 * right, study)
    assert flat.equity[-1] == 1
    assert flat.sharpe(8760) == 0


def test_balanced_probabilities_divide_the_frequencies_out():
    labels = np.array([0] * 20 + [1] * 60 + [2] * 20)
    frequency = np.tile([0.2, 0.6, 0.2], (4, 1))
    offset = calibration.balance_offset(labels, 1.0)
    np.testing.assert_allclose(calibration.apply_offset(frequency, offset), 1 / 3)
    half = calibration.apply_offset(frequency, calibration.balance_offset(labels, 0.5))
    assert 1 / 3 < half[0, 1] < 0.6


def test_balancing_does_not_raise_an_absent_class():
    up_or_down = np.tile([0, 2], 5000)
    offset = calibration.balance_offset(up_or_down, 1.0)
    balanced = calibration.apply_offset(np.array([[0.4995, 0.001, 0.4995]]), offset)
    assert balanced[0, 1] < 0.01


def test_the_hold_shift_helps_a_forecast_that_never_holds():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 3000)
    logits = np.eye(3)[labels] * 0.5 + rng.normal(size=(3000, 3)) * 0.3 + [0.0, -0.3, 0.0]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert calibration.best_hold_shift(p, labels) > 0.15


def test_baselines_answer_the_same_rows(fitted):
    tested = set(fitted.world.samples["row"][fitted.world.samples["fold"] >= 0])
    for _, part in fitted.baselines.groupby("model"):
        assert set(part["row"]) == tested
    assert set(fitted.baselines["model"]) == set(BASELINES)
    np.testing.assert_allclose(fitted.baselines[PROBABILITIES].sum(axis=1), 1, atol=1e-9)


def test_persistence_repeats_the_class_of_the_newest_bar(fitted):
    world = fitted.world
    rows = fitted.baselines[fitted.baselines.model == "persistence"].merge(
        world.samples, on=["row", "study"]
    )
    close = np.log(world.bars["close"].to_numpy())
    move = (close[rows["end"]] - close[rows["end"] - 1]) / rows["scale"].to_numpy()
    predicted = rows[PROBABILITIES].to_numpy().argmax(1)
    np.testing.assert_array_equal(predicted == 2, move > 0.5)
    np.testing.assert_array_equal(predicted == 0, move < -0.5)


def test_the_report_is_complete_and_plain_json(fitted):
    report = fitted.evaluation.report
    json.dumps(report.model_dump(mode="json"), allow_nan=False)
    assert report.synthetic
    assert "made-up" in report.limits[0]
    assert report.headline.startswith("On made-up bars")
    assert "After costs" in report.headline
    assert "surely" in report.headline
    assert "95 % interval" in report.headline
    assert "buying and holding returned" in report.headline
    table = report.tables["tiny: held-out forecasts"]
    assert len(table) == 2 + len(BASELINES)
    for rows in report.tables.values():
        assert all(set(row) == set(rows[0]) for row in rows)
    runtimes = {row["runtime"]: row for row in report.tables["runtimes of the predictor"]}
    assert set(runtimes) == {"torch", "onnx", "int8"}
    assert runtimes["onnx"]["largest_difference"] <= 1e-5
    assert runtimes["onnx"]["served"]


def test_metrics_hold_no_wall_clock(fitted):
    assert not [name for name in fitted.evaluation.metrics if "latency" in name or "ms" in name]
    assert fitted.evaluation.metrics == fitted.evaluation.report.metrics
    assert all(np.isfinite(value) for value in fitted.evaluation.metrics.values())


@pytest.fixture(scope="module")
def result(fitted):
    world = fitted.world
    everything = pd.concat([fitted.fit.forecasts, fitted.baselines], ignore_index=True)
    return study_result(world.data.studies[0], world.bars, world.samples, everything)


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [(0.672, -0.12, 1.9, "+67.2% (95 % interval -12.0% to +190.0%, Sharpe 1.07), not surely above"),
     (0.4, 0.05, 0.8, "surely above zero"), (-0.3, -0.5, -0.1, "surely below zero"),
     (-0.1, -0.3, 0.2, "not surely above zero")],
)  # fmt: skip
def test_the_verdict_says_how_sure_its_return_is(result, value, low, high, said):
    trading = {
        "return_after_costs": value, "return_after_costs_low": low, "return_after_costs_high": high,
        "sharpe_after_costs": 1.07,
    }  # fmt: skip
    metrics = result.metrics | {ENSEMBLE: result.metrics[ENSEMBLE] | trading}
    text = tables.verdict(replace(result, metrics=metrics))
    assert said in text
    assert ("not surely" in text) is ("not surely" in said)
    held = result.metrics[BUY_AND_HOLD]
    assert f"buying and holding returned {held['return_after_costs']:+.1%}" in text


def test_buying_and_holding_is_in_table_and_metrics(fitted, result):
    rows = fitted.evaluation.report.tables["tiny: trading the next bar at 5 bp"]
    assert rows[-1]["model"] == "buy and hold"
    assert (
        rows[-1]["return after costs"]
        == f"{result.metrics[BUY_AND_HOLD]['return_after_costs']:+.1%}"
    )
    assert all(" to " in row["95 % interval"] for row in rows)
    assert "tiny.buy_and_hold.sharpe_after_costs" in fitted.evaluation.metrics
    assert "tiny.lstm_ensemble.return_after_costs_low" in fitted.evaluation.metrics


@pytest.mark.parametrize("count", [2, 10, 60])
def test_buying_and_holding_pays_twice_and_earns_the_market(count):
    opened = [100.0 * 1.01**i for i in range(count + 2)]
    found = backtest.trade(
        _bars(opened, opened), _samples(list(range(count))), np.ones(count, int), STUDY
    )
    # Bought at the first open after a signal, sold at the last close; one basis point is 1/10,000.
    assert found.equity[-1] == pytest.approx(1.01 ** (count - 1), rel=3e-3)
    assert found.turnover == pytest.approx(2 / count)


@pytest.mark.parametrize(("drift", "sign"), [(0.002, 1), (-0.002, -1), (0.0, 0)])
def test_the_interval_of_a_return(drift, sign):
    returns = np.random.default_rng(0).normal(drift, 0.005, 400)
    times = pd.date_range("2024-01-01", periods=400).to_numpy()
    found = backtest.Backtest(times, returns, 0.0).return_interval()
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(np.prod(1 + returns) - 1)
    assert (found.low > 0, found.high < 0) == (sign > 0, sign < 0)


def test_scores_hold_every_tested_row_once(fitted):
    scores, samples = fitted.evaluation.scores, fitted.world.samples
    assert set(scores["row"]) == set(samples["row"][samples["fold"] >= 0])
    assert scores["row"].is_unique
    assert list(scores.columns) == ["row", "group", "truth", "candidate", *BASELINES]


def test_figures_are_there(fitted):
    names = {"attention", "reliability", "tiny_learning_curves", "tiny_confusion",
             "tiny_models", "tiny_equity_curve"}  # fmt: skip
    assert set(fitted.evaluation.figures) == names
    assert all(isinstance(figure, Figure) for figure in fitted.evaluation.figures.values())


def test_the_champion_is_judged_by_what_it_said_beforehand(fitted):
    world, champion = fitted.world, fitted.fit.predictor
    tested = world.samples[world.samples.fold >= 0]
    recorded = evaluation.champion_classes(champion, world.bars, tested)
    ensemble = fitted.fit.forecasts[fitted.fit.forecasts.model == ENSEMBLE].set_index("row")
    expected = ensemble.loc[tested["row"], PROBABILITIES].to_numpy().argmax(1)
    np.testing.assert_array_equal(recorded, expected)


def test_the_champion_answers_rows_it_never_recorded(fitted):
    world, champion = fitted.world, fitted.fit.predictor
    never = world.samples[world.samples.fold < 0].iloc[:20]
    x = data.windows(world.bars, never, champion.description.network)
    np.testing.assert_array_equal(
        evaluation.champion_classes(champion, world.bars, never),
        champion.probabilities(x).argmax(1),
    )


def test_shuffled_labels_fall_to_chance(fitted):
    (row,) = fitted.evaluation.report.tables[
        "leakage self-test: one network trained on shuffled labels"
    ]
    assert abs(row["mcc"]) < 0.15, row
    assert row["passed"] == (row["mcc"] <= row["limit"])


def test_forecasts_of_other_rows_are_refused(fitted):
    world = fitted.world
    with pytest.raises(ValueError, match="cover other rows"):
        evaluation.evaluate(
            fitted.fit.predictor, None, world.bars, world.samples, fitted.fit.forecasts.iloc[:-50],
            fitted.baselines.iloc[1:], fitted.fit.history, world.data,
        )  # fmt: skip
