"""Adapters from the catalog to :mod:`crisol.models.tabular`."""

from pathlib import Path
from typing import Any

import pandas as pd

from crisol.core.candidate import Candidate, Report
from crisol.core.predictor import Predictor
from crisol.models import tabular as family
from crisol.models.tabular.params import DataParams, ModelParams, TrainParams


def clean(source: Path, data: DataParams) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Typed rows, what their columns are, and pictures."""
    cleaned = family.clean(source, data)
    return cleaned.rows, cleaned.schema_table, cleaned.images


def split(rows: pd.DataFrame, schema: pd.DataFrame, data: DataParams) -> pd.DataFrame:
    """Which rows are trained on and which are held out."""
    return family.split(rows, schema, data)


def fit(
    rows: pd.DataFrame,
    images: pd.DataFrame,
    parts: pd.DataFrame,
    schema: pd.DataFrame,
    data: DataParams,
    model: ModelParams,
    train: TrainParams,
    checkpoints: Path,
) -> tuple[Predictor[Any, Any], pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The trained predictor, its history, what was tried, and out-of-fold answers."""
    fitted = family.fit(rows, images, parts, schema, data, model, train, checkpoints)
    return fitted.predictor, fitted.history, fitted.leaderboard, fitted.forecasts


def evaluate(
    predictor: Predictor[Any, Any],
    champion: Predictor[Any, Any] | None,
    rows: pd.DataFrame,
    images: pd.DataFrame,
    parts: pd.DataFrame,
    schema: pd.DataFrame,
    forecasts: pd.DataFrame,
    leaderboard: pd.DataFrame,
    history: pd.DataFrame,
    data: DataParams,
) -> tuple[Report, pd.DataFrame, dict[str, Any], dict[str, float]]:
    """The report, the scores the gate reads, the figures, and the metrics."""
    evaluation = family.evaluate(
        predictor, champion, rows, images, parts, schema, forecasts, leaderboard, history, data
    )
    return evaluation.report, evaluation.scores, evaluation.figures, evaluation.metrics


def register(
    predictor: Predictor[Any, Any],
    scores: pd.DataFrame,
    report: Report,
    schema: pd.DataFrame,
    data: DataParams,
) -> Candidate:
    """The predictor with the evidence for it; saving it to the catalog registers it."""
    return Candidate(predictor, scores, family.gate_rule(family.schema_of(schema), data), report)
