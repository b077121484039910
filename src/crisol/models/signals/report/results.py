"""One study's tested rows with everything measured on them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from crisol.core.classification import expected_calibration_error, log_loss
from crisol.core.metrics import accuracy, information_coefficient, macro_f1, mcc
from crisol.models.signals.data.forecasts import (
    BASELINES,
    BUY_AND_HOLD,
    ENSEMBLE,
    MEMBER,
    PROBABILITIES,
    SHUFFLED,
)
from crisol.models.signals.params import StudyParams
from crisol.models.signals.report.backtest import Backtest, trade

METRICS = ("accuracy", "macro_f1", "mcc", "ic", "log_loss", "ece")


@dataclass(frozen=True)
class StudyResult:
    """One study's tested samples with everything measured on them."""

    study: StudyParams
    tested: pd.DataFrame
    """Samples of all test folds, in the order of ``row``."""
    probabilities: dict[str, np.ndarray]
    """Model to [R, 3] in the order of ``tested``; members are ``lstm#<seed>``."""
    metrics: dict[str, dict[str, float]]
    backtests: dict[str, Backtest]


def study_result(
    study: StudyParams, bars: pd.DataFrame, samples: pd.DataFrame, forecasts: pd.DataFrame
) -> StudyResult:
    """Measure every model of a study on its tested rows.

    Raises:
        ValueError: forecasts and samples do not cover the same rows.
    """
    mine = samples[(samples.study == study.name) & (samples.fold >= 0)]
    tested = mine.sort_values("row").reset_index(drop=True)
    own = forecasts[(forecasts.study == study.name) & (forecasts.model != SHUFFLED)]
    probabilities = {}
    for (model, seed), part in own.groupby(["model", "seed"]):
        part = part.sort_values("row")
        if not np.array_equal(part["row"].to_numpy(), tested["row"].to_numpy()):
            raise ValueError(
                f"study {study.name!r}: the forecasts of {model} cover other rows than the "
                "samples; run the nodes from the samples on"
            )
        name = f"{MEMBER}#{seed}" if model == MEMBER else str(model)
        probabilities[name] = part[PROBABILITIES].to_numpy()
    metrics = {name: _measure(tested, p) for name, p in probabilities.items()}
    backtests = {}
    if not study.drop_hold:  # which bars barely moved is known only afterwards: nothing to trade
        positions = {name: probabilities[name].argmax(1) - 1 for name in (ENSEMBLE, *BASELINES)}
        positions[BUY_AND_HOLD] = np.ones(len(tested), np.int64)
        for name, held in positions.items():
            backtests[name] = trade(bars, tested, held, study)
            free = trade(bars, tested, held, study, cost_bps=0.0)
            interval = backtests[name].return_interval()
            metrics.setdefault(name, {}).update(
                {
                    "sharpe_after_costs": backtests[name].sharpe(study.bars_per_year),
                    "return_after_costs": interval.value,
                    "return_after_costs_low": interval.low,
                    "return_after_costs_high": interval.high,
                    "sharpe_before_costs": free.sharpe(study.bars_per_year),
                    "turnover_per_bar": backtests[name].turnover,
                }
            )
    return StudyResult(study, tested, probabilities, metrics, backtests)


def _measure(tested: pd.DataFrame, p: np.ndarray) -> dict[str, float]:
    truth = tested["label"].to_numpy()
    values = {
        "accuracy": accuracy(truth, p.argmax(1)),
        "macro_f1": macro_f1(truth, p.argmax(1)),
        "mcc": mcc(truth, p.argmax(1)),
        "log_loss": log_loss(truth, p),
        "ece": expected_calibration_error(truth, p),
    }
    score, folds = p[:, 2] - p[:, 0], tested["fold"].to_numpy()
    returns = tested["next_return"].to_numpy()
    # Within each fold, since scores of different folds come from different networks.
    parts = [
        information_coefficient(returns[folds == fold], score[folds == fold])
        for fold in np.unique(folds)
        if np.ptp(score[folds == fold]) > 0
    ]
    if parts:
        values["ic"] = float(np.mean(parts))
    return values
