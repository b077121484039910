"""The baselines of the network: four forecasts made from the same samples and folds.

``majority`` answers the training frequencies, ``persistence`` repeats the class of the newest bar,
``logistic`` and ``gradient_boosting`` read every feature of the newest bar. Offsets are fitted as
for the network.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from crisol.models.signals.contract import SIGNALS
from crisol.models.signals.data.forecasts import BASELINES, forecast_table
from crisol.models.signals.data.own_study import resolved
from crisol.models.signals.data.prepare import BUY, HOLD, SELL, Fold, split, windows
from crisol.models.signals.methods.calibration import apply_offset, balance_offset, best_hold_shift
from crisol.models.signals.network_params import NetworkParams
from crisol.models.signals.params import (
    DataParams,
    FitParams,
    FixedThreshold,
    StudyParams,
    TrainParams,
)

_CLIP = 8.0


def forecast(
    bars: pd.DataFrame, samples: pd.DataFrame, data: DataParams, train: TrainParams
) -> pd.DataFrame:
    """Every baseline's probabilities for every tested sample of every study.

    Returns:
        ``study, row, fold, seed, model, p_sell, p_hold, p_buy``, as the network's forecasts.
    """
    tables = []
    for study in resolved(data, bars).studies:
        mine = samples[samples.study == study.name].reset_index(drop=True)
        threads = train.of_study(study.name).cpu_threads
        newest = windows(bars, mine, NetworkParams(steps=2))[:, -1]
        persistent = _class_of_newest_bar(bars, mine, study)
        for fold in split(mine, study):
            for name in BASELINES:
                with threadpool_limits(threads):
                    probabilities = _forecast_fold(
                        name,
                        newest,
                        persistent,
                        mine["label"].to_numpy(),
                        fold,
                        train.of_study(study.name),
                    )
                rows = mine["row"].to_numpy()[fold.test]
                tables.append(
                    forecast_table(study.name, rows, fold.number, train.seed, name, probabilities)
                )
    return pd.concat(tables, ignore_index=True)


def _forecast_fold(
    name: str,
    newest_RF: np.ndarray,
    persistent_R: np.ndarray,
    labels_R: np.ndarray,
    fold: Fold,
    params: FitParams,
) -> np.ndarray:
    if name == "persistence":
        return np.asarray(np.eye(len(SIGNALS))[persistent_R[fold.test]])
    trained = labels_R[fold.train]
    if name == "majority":
        frequency = np.bincount(trained, minlength=len(SIGNALS)) / len(trained)
        return np.tile(frequency, (len(fold.test), 1))
    predict = _fit_classifier(name, newest_RF[fold.train], trained, params.seed)
    offset = balance_offset(trained, params.balance)
    if params.tune_hold:
        valid = apply_offset(predict(newest_RF[fold.valid]), offset)
        shift = best_hold_shift(valid, labels_R[fold.valid])
        offset = (offset[0], offset[1] - shift, offset[2])
    return apply_offset(predict(newest_RF[fold.test]), offset)


def _fit_classifier(
    name: str, x: np.ndarray, labels: np.ndarray, seed: int
) -> Callable[[np.ndarray], np.ndarray]:
    if name == "logistic":
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
    else:
        model = HistGradientBoostingClassifier(
            max_iter=80,
            learning_rate=0.05,
            max_leaf_nodes=15,
            min_samples_leaf=max(10, min(100, len(x) // 50)),
            l2_regularization=10.0,
            early_stopping=False,
            random_state=seed,
        )
    model.fit(np.clip(x, -_CLIP, _CLIP), labels)

    def predict(values: np.ndarray) -> np.ndarray:
        found = model.predict_proba(np.clip(values, -_CLIP, _CLIP))
        out = np.zeros((len(values), len(SIGNALS)))  # a class may be absent from the labels
        out[:, model.classes_] = found
        return out

    return predict


def _class_of_newest_bar(
    bars: pd.DataFrame, samples: pd.DataFrame, study: StudyParams
) -> np.ndarray:
    """The class that the move of the newest bar itself would have had."""
    close = np.log(bars["close"].to_numpy())
    end = samples["end"].to_numpy()
    move = close[end] - close[np.maximum(end - 1, samples["start"].to_numpy())]
    if study.drop_hold:
        return np.where(move > 0, BUY, SELL)
    if isinstance(study.label, FixedThreshold):
        low, high = np.log1p(study.label.sell_below), np.log1p(study.label.buy_above)
    else:
        high = study.label.sigmas * samples["scale"].to_numpy()
        low = -high
    return np.where(move > high, BUY, np.where(move < low, SELL, HOLD))
