"""Adapters from the catalog to :mod:`crisol.models.recommender`."""

from pathlib import Path
from typing import Any

import pandas as pd

from crisol.core.predictor import Predictor
from crisol.models import recommender
from crisol.models.recommender.params import DataParams, ModelParams, TrainParams


def clean(
    events_raw: pd.DataFrame, items_raw: pd.DataFrame, users_raw: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Validated events in the order of the file, their items, and the described users."""
    events, items = recommender.clean(events_raw, items_raw)
    return events, items, recommender.clean_users(users_raw)


def split(events: pd.DataFrame, items: pd.DataFrame, data: DataParams) -> pd.DataFrame:
    """One row an event of each study: its user, its item, and the part it falls in."""
    parts = [recommender.split(events, items, study) for study in data.studies]
    table: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return table


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
