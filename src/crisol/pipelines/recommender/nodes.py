"""Adapters from the catalog to :mod:`crisol.models.recommender`."""

from pathlib import Path
from typing import Any

import pandas as pd

from crisol.core.candidate import Candidate, Report
from crisol.core.predictor import Predictor
from crisol.models import recommender
from crisol.models.recommender.params import DataParams, ModelParams, TrainParams


def clean(
    events_raw: pd.DataFrame, items_raw: pd.DataFrame, users_raw: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Validated events in the order of the file, the items they are about, and who is described."""
    events, items = recommender.clean(events_raw, items_raw)
    return events, items, recommender.clean_users(users_raw)


def split(events: pd.DataFrame, items: pd.DataFrame, data: DataParams) -> pd.DataFrame:
    """One row an event of each study: its user, its item, and the part it falls in."""
    parts = [recommender.split(events, items, study) for study in data.studies]
    return pd.concat(parts, ignore_index=True)


def fit(
    interactions: pd.DataFrame,
    items: pd.DataFrame,
    data: DataParams,
    model: ModelParams,
    train: TrainParams,
    checkpoints: Path,
) -> tuple[Predictor[Any, Any], pd.DataFrame, pd.DataFrame]:
    """The trained predictor, its training history, and every method's lists."""
    fitted = recommender.fit(interactions, items, data, model, train, checkpoints)
    return fitted.predictor, fitted.history, fitted.rankings


def evaluate(
    predictor: Predictor[Any, Any],
    champion: Predictor[Any, Any] | None,
    interactions: pd.DataFrame,
    items: pd.DataFrame,
    rankings: pd.DataFrame,
    history: pd.DataFrame,
    data: DataParams,
    users: pd.DataFrame,
) -> tuple[Report, pd.DataFrame, dict[str, Any], dict[str, float]]:
    """The report, the scores the gate reads, the figures, and the metrics."""
    evaluation = recommender.evaluate(
        predictor, champion, interactions, items, rankings, history, data, users
    )
    return evaluation.report, evaluation.scores, evaluation.figures, evaluation.metrics


def register(
    predictor: Predictor[Any, Any], scores: pd.DataFrame, report: Report, data: DataParams
) -> Candidate:
    """The predictor with the evidence for it; saving it to the catalog registers it."""
    return Candidate(predictor, scores, data.rule, report)
