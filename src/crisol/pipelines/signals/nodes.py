"""Adapters from the catalog to :mod:`crisol.models.signals`."""

from pathlib import Path
from typing import Any

import pandas as pd

from crisol.core.predictor import Predictor
from crisol.models import signals
from crisol.models.signals.params import DataParams, ModelParams, TrainParams


def clean(bars_raw: Path, data: DataParams) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Validated bars, ordered by exchange, symbol and time, and what was assumed of them."""
    bars: pd.DataFrame = signals.clean(bars_raw, data)
    return bars, pd.DataFrame({"note": pd.Series(bars.attrs["notes"], dtype="str")})


def label(bars: pd.DataFrame, data: DataParams) -> pd.DataFrame:
    """One row a window: its last bar, its label, and the part of each study it falls in."""
    samples: pd.DataFrame = signals.label(bars, data)
    return samples


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
    """Forecasts of majority, persistence, logistic regression and boosting for the same rows."""
    forecasts: pd.DataFrame = signals.forecast_baselines(bars, samples, data, train)
    return forecasts
