"""Trains every study and builds the predictor of the registered one."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from crisol.core.training.checkpoints import clear
from crisol.models.signals.contract import SEQUENCE_BARS, OHLCVPoint, PredictionRequest
from crisol.models.signals.data.bar_times import clocks_of_study
from crisol.models.signals.data.own_study import resolved
from crisol.models.signals.data.prepare import split
from crisol.models.signals.networks.export import export
from crisol.models.signals.params import DataParams, ModelParams, StudyParams, TrainParams
from crisol.models.signals.predictor import SignalsPredictor
from crisol.models.signals.section_checks import check_sections
from crisol.models.signals.study_training import StudyTraining
from crisol.models.signals.transfer import check_transfer, chosen_source

GOLDEN_EXAMPLES = 4


@dataclass(frozen=True)
class Fit:
    """The results of a training.

    Attributes:
        predictor: the registered study's newest fold, with golden examples.
        history: one row per network and epoch.
        forecasts: one row per model, seed and tested sample: ``study, row, fold, seed, model,
            p_sell, p_hold, p_buy``; the ensemble has seed -1.
    """

    predictor: SignalsPredictor
    history: pd.DataFrame
    forecasts: pd.DataFrame


def fit(
    bars: pd.DataFrame,
    samples: pd.DataFrame,
    data: DataParams,
    model: ModelParams,
    train: TrainParams,
    checkpoints: Path,
    init_from: SignalsPredictor | None = None,
) -> Fit:
    """Train every study and build the predictor of the registered one.

    Args:
        bars: see :func:`crisol.models.signals.data.prepare.clean`.
        samples: see :func:`crisol.models.signals.data.prepare.label`.
        data: the studies.
        model: the networks.
        train: how they are trained.
        checkpoints: folder from which an interrupted training goes on; emptied at the end.
        init_from: the champion, when ``train.init_from`` asks for it. A fold tested on bars that
            the champion learned from starts from random weights all the same.

    Raises:
        MendableError: a section names an unknown study.
        TransferError: ``train.init_from`` is set and there is no champion, it has another shape, or
            it already knows the newest test bars.
    """
    data = resolved(data, bars)
    check_sections(data, model, train)
    source = chosen_source(train, init_from)
    if source is not None:
        check_transfer(source, samples, data.study(data.register_study), model)
    history: list[pd.DataFrame] = []
    forecasts: list[pd.DataFrame] = []
    predictor: SignalsPredictor | None = None
    for study in data.studies:
        mine = samples[samples.study == study.name].reset_index(drop=True)
        training = StudyTraining(
            study, bars, mine, model.of_study(study.name), train, checkpoints, source
        )
        folds = split(mine, study)
        study_forecasts = []
        for fold in folds:
            fitted = training.fit_fold(fold)
            study_forecasts += training.forecast(fold, fitted)
        forecasts += study_forecasts
        if study.name == data.register_study:
            if train.leakage_test:
                forecasts.append(training.leakage_test(folds[-1]))
            clocks = clocks_of_study(bars, study, data)
            predictor = training.predictor(folds[-1], fitted, pd.concat(study_forecasts), clocks)
        history += training.history
    assert predictor is not None  # DataParams: register_study is one of the studies
    if model.serve.export:
        predictor = predictor.with_runtime(model.serve.runtime, export(predictor.ensemble()))
    predictor.record_golden(golden_requests(bars, samples, data.study(data.register_study)))
    clear(checkpoints)
    return Fit(
        predictor,
        pd.concat(history, ignore_index=True),
        pd.concat(forecasts, ignore_index=True),
    )


def golden_requests(
    bars: pd.DataFrame, samples: pd.DataFrame, study: StudyParams
) -> list[PredictionRequest]:
    """Requests made of tested samples, evenly spread over the newest fold."""
    mine = samples[(samples.study == study.name) & (samples.split == "test")]
    mine = mine[mine.end - mine.start + 1 >= SEQUENCE_BARS]
    places = np.linspace(0, len(mine) - 1, GOLDEN_EXAMPLES).astype(int)
    return [request_at(bars, int(end)) for end in mine["end"].iloc[places]]


def request_at(bars: pd.DataFrame, end: int) -> PredictionRequest:
    """The request whose newest bar is ``end``."""
    window = bars.iloc[end - SEQUENCE_BARS + 1 : end + 1]
    names = ["timestamp", "open", "high", "low", "close", "volume"]
    return PredictionRequest(
        symbol=window["symbol"].iloc[-1],
        exchange=window["exchange"].iloc[-1],
        sequence=[
            OHLCVPoint(*values) for values in window[names].itertuples(index=False, name=None)
        ],
    )
