"""Adapters from the catalog to :mod:`crisol.models.recommender`."""

from pathlib import Path
from typing import Any

import pandas as pd

from crisol.core.predictor import Predictor
from crisol.models import recommender
from crisol.models.recommender.params import DataParams, ModelParams, TrainParams


def clean(
    events_file: Path, items_file: Path, users_file: Path, data: DataParams
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Validated events in the order of the file, their items, the described users, and notes."""
    events, items, users, notes = recommender.clean_files(events_file, items_file, users_file, data)
    return events, items, users, notes


def split(
    events: pd.DataFrame, items: pd.DataFrame, reading: pd.DataFrame, data: DataParams
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row an event of each study (its user, its item, its part), and what was assumed."""
    rows, notes = recommender.split_studies(events, items, reading, data)
    return rows, notes


def fit(
    interactions: pd.DataFrame,
    items: pd.DataFrame,
    data: DataParams,
    model: ModelParams,
    train: TrainParams,
    checkpoints: Path,
) -> tuple[Predictor[Any, Any], pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The predictor, its training history, all lists, the hybrids' parts, and adjustments."""
    fitted = recommender.fit(interactions, items, data, model, train, checkpoints)
    return fitted.predictor, fitted.history, fitted.rankings, fitted.parts, fitted.adjustments
