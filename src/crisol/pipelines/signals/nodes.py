"""Adapters from the catalog to :mod:`crisol.models.signals`."""

from pathlib import Path
from typing import Any

import pandas as pd

from crisol.core.candidate import Candidate, Report
from crisol.core.predictor import Predictor
from crisol.models import signals
from crisol.models.signals.params import DataParams, ModelParams, TrainParams


def clean(bars_raw: pd.DataFrame) -> pd.DataFrame:
    """Validated bars in canonical columns, ordered by exchange, symbol and time."""
    return signals.clean(bars_raw)


def label(bars: pd.DataFrame, data: DataParams) -> pd.DataFrame:
    """One row a window: its last bar, its label, and the part of each study it falls in."""
    return signals.label(bars, data)


def fit(
    bars: pd.DataFrame,
    samples: pd.DataFrame,
    data: DataParams,
    model: ModelParams,
    train: TrainParams,
    checkpoints: Path,
    champion: Predictor[Any, Any] | None,
) -> tuple[Predictor[Any, Any], pd.DataFrame, pd.DataFrame]:
    """The trained predictor, its training history, and its forecasts of the held-out rows."""
    fitted = signals.fit(bars, samples, data, model, train, checkpoints, champion)
    return fitted.predictor, fitted.history, fitted.forecasts


def forecast_baselines(
    bars: pd.DataFrame, samples: pd.DataFrame, data: DataParams, train: TrainParams
) -> pd.DataFrame:
    """What majority, persistence, logistic regression and boosting say of the same rows."""
    return signals.forecast_baselines(bars, samples, data, train)


def evaluate(
    predictor: Predictor[Any, Any],
    champion: Predictor[Any, Any] | None,
    bars: pd.DataFrame,
    samples: pd.DataFrame,
    forecasts: pd.DataFrame,
    baseline_forecasts: pd.DataFrame,
    history: pd.DataFrame,
    data: DataParams,
) -> tuple[Report, pd.DataFrame, dict[str, Any], dict[str, float]]:
    """The report, the scores the gate reads, the figures, and the metrics."""
    evaluation = signals.evaluate(
        predictor, champion, bars, samples, forecasts, baseline_forecasts, history, data
    )
    return evaluation.report, evaluation.scores, evaluation.figures, evaluation.metrics


def register(
    predictor: Predictor[Any, Any], scores: pd.DataFrame, report: Report, data: DataParams
) -> Candidate:
    """The predictor with the evidence for it; saving it to the catalog registers it."""
    return Candidate(predictor, scores, data.gate, report)
