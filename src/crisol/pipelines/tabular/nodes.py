"""Adapters from the catalog to :mod:`crisol.models.tabular`."""

from pathlib import Path
from typing import Any

import pandas as pd

from crisol.core.candidate import Candidate, Report
from crisol.core.predictor import Predictor
from crisol.models import tabular as family
from crisol.models.tabular.params import DataParams, ModelParams, TrainParams


def clean(source: Path, data: DataParams) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Typed rows, the schema of their columns, and pictures."""
    cleaned = family.clean(source, data)
    return cleaned.rows, cleaned.schema_table, cleaned.images


def split(rows: pd.DataFrame, schema: pd.DataFrame, data: DataParams) -> pd.DataFrame:
    """The part of every row: trained on, or held out."""
    parts: pd.DataFrame = family.split(rows, schema, data)
    return parts


def fit(
    rows: pd.DataFrame,
    images: pd.DataFrame,
    parts: pd.DataFrame,
    schema: pd.DataFrame,
    data: DataParams,
    model: ModelParams,
    train: TrainParams,
    checkpoints: Path,
) -> tuple[Predictor[Any, Any], pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The trained predictor, its history, the leaderboard, out-of-fold answers, and the workers."""
    fitted = family.fit(rows, images, parts, schema, data, model, train, checkpoints)
    return fitted.predictor, fitted.history, fitted.leaderboard, fitted.forecasts, fitted.workers


def register(
    predictor: Predictor[Any, Any],
    scores: pd.DataFrame,
    report: Report,
    data: DataParams,
    schema: pd.DataFrame,
) -> Candidate:
    """The predictor with the evidence for it; saving it to the catalog registers it."""
    return Candidate(predictor, scores, family.gate_rule(family.schema_of(schema), data), report)
