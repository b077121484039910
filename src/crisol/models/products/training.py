"""Fits every study: the members on the inner training rows, the blend on held-out rows.

For every fold of a study:

1. Each member is fitted on the training rows, without a held-out share (``blend_share``).
2. The blend's weights are fitted on the held-out rows; the residuals of the prices there give the
   price intervals.
3. The members named in ``refit`` are fitted again on every training row; the others stay.
4. Every method predicts the fold's test rows, which no step above has used: the ensemble, each
   member alone, the ensemble without each member, and all of them with parts of the products
   removed.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from crisol.core.training.checkpoints import clear
from crisol.models.products.answers.golden import golden_requests
from crisol.models.products.data.prepare import EVERYTHING
from crisol.models.products.fold_training import StudyTraining
from crisol.models.products.params import (
    DataParams,
    ModelParams,
    TrainParams,
)
from crisol.models.products.predictor import ProductsPredictor
from crisol.models.products.report.gating import gate_head
from crisol.models.products.section_checks import check_sections
from crisol.models.products.sizing import sized

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fit:
    """The results of training.

    Attributes:
        predictor: of the registered study, with golden examples and without an index.
        history: one row per transformer and epoch.
        forecasts: the predictions of every method for every test row; see
            :mod:`crisol.models.products.report.ablations`.
        ranks: one row per study, method and test product with text and picture: the rank of its
            picture when it is searched by its words.
    """

    predictor: ProductsPredictor
    history: pd.DataFrame
    forecasts: pd.DataFrame
    ranks: pd.DataFrame


def fit(
    products: pd.DataFrame,
    images: pd.DataFrame,
    parts: pd.DataFrame,
    data: DataParams,
    model: ModelParams,
    train: TrainParams,
    checkpoints: Path,
) -> Fit:
    """Train every study and build the predictor of the registered one.

    Args:
        products: the canonical table, see :func:`crisol.models.products.data.prepare.clean`.
        images: its pictures.
        parts: the role of every product in every fold, see
            :func:`crisol.models.products.data.prepare.split`.
        data: the studies.
        model: the members.
        train: the transformer's loop.
        checkpoints: folder from which an interrupted training resumes; emptied at the end.

    Raises:
        MendableError: a section names an unknown study, or a study has nothing to learn.
    """
    check_sections(data, model, train)
    model, train, told = sized(len(products), model, train)
    if told:
        logger.info(told)
    histories, forecasts, found = [], [], []
    predictor: ProductsPredictor | None = None
    for study in data.studies:
        training = StudyTraining(study, products, images, parts, data, model, train, checkpoints)
        folds = training.folds(registered=study.name == data.register_study)
        if study.name == data.register_study:
            gate_head(data, folds[0].heads)
        for fold in folds:
            made = fold.fit()
            histories.append(made.history)
            if fold.number != EVERYTHING:
                forecasts.append(fold.forecasts(made))
            if fold.number == 0:
                found.append(fold.ranks(made))
            if study.name == data.register_study:
                predictor = made.predictor  # the last fold's: of all products where there is one
    assert predictor is not None  # DataParams: register_study is one of the studies
    predictor.record_golden(golden_requests(products, images, parts, data))
    clear(checkpoints)
    return Fit(
        predictor,
        pd.concat(histories, ignore_index=True),
        pd.concat(forecasts, ignore_index=True),
        pd.concat(found, ignore_index=True),
    )
