"""Adapters from the catalog to :mod:`crisol.models.products`."""

from pathlib import Path
from typing import Any

import pandas as pd

from crisol.core.candidate import Candidate, Report
from crisol.core.predictor import Predictor
from crisol.models import products as family
from crisol.models.products.params import DataParams, ModelParams, TrainParams


def clean(
    source: Path, pictures: Path, pairs: Path, data: DataParams
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Validated products, their pictures, pairs to be matched, and notes about the files."""
    cleaned = family.clean_files(source, pictures, pairs, data)
    return cleaned.products, cleaned.images, cleaned.pairs, cleaned.notes


def split(products: pd.DataFrame, data: DataParams) -> pd.DataFrame:
    """The part of every product in every fold of every study: training or tested."""
    parts = [family.split(products, study) for study in data.studies]
    table: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return table


def fit(
    products: pd.DataFrame,
    images: pd.DataFrame,
    parts: pd.DataFrame,
    data: DataParams,
    model: ModelParams,
    train: TrainParams,
    checkpoints: Path,
) -> tuple[Predictor[Any, Any], pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The trained predictor, its history, all answers, and the ranks of found pictures."""
    fitted = family.fit(products, images, parts, data, model, train, checkpoints)
    return fitted.predictor, fitted.history, fitted.forecasts, fitted.ranks


def index(predictor: Predictor[Any, Any], products: pd.DataFrame, images: pd.DataFrame) -> Any:
    """Every product of the catalogue, to be searched by the predictor's embeddings."""
    return family.build_index(predictor, products, images)


def register(
    predictor: Any, scores: pd.DataFrame, report: Report, data: DataParams, index: Any
) -> Candidate:
    """The predictor and its index with the evidence; saving it to the catalog registers it."""
    rule = family.rule_of_report(report, data)
    return Candidate(predictor.with_index(index), scores, rule, report)
