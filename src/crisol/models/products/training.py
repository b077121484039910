"""Fits every study: members on the inner training rows, the blend on rows held out from them.

For every fold of a study:

1. Each member learns from the training rows but a share held out (``blend_share``).
2. The blend learns on the held-out rows how to weigh the members; how far prices lie from the
   estimates there becomes the price interval.
3. The members named in ``refit`` learn again from every training row; the others stay.
4. Every method answers the fold's test rows, which nothing above has seen: the ensemble, each
   member alone, the ensemble without each, and all of it with parts of the products taken away.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from crisol.core.errors import MendableError
from crisol.core.training.checkpoints import clear
from crisol.models.products.answers.golden import golden_requests
from crisol.models.products.folds import FINAL, StudyTraining
from crisol.models.products.params import (
    DataParams,
    ModelParams,
    TrainParams,
)
from crisol.models.products.predictor import ProductsPredictor
from crisol.models.products.report.gating import gate_head


@dataclass(frozen=True)
class Fit:
    """What training hands on.

    Attributes:
        predictor: the registered study's, with golden examples and without an index.
        history: one row per transformer and epoch.
        forecasts: what every method answered of every test row; see
            :mod:`crisol.models.products.report.ablations`.
        ranks: one row per study, method and test product with text and picture: at which rank its
            picture is found by its words.
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
        parts: which product is what in which fold, see
            :func:`crisol.models.products.data.prepare.split`.
        data: the studies.
        model: the members.
        train: the transformer's loop.
        checkpoints: folder from which an interrupted training goes on; emptied at the end.

    Raises:
        MendableError: a section names a study that is not there, or a study learns nothing.
    """
    _check_sections(data, model, train)
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
            if fold.number != FINAL:
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


def _check_sections(data: DataParams, model: ModelParams, train: TrainParams) -> None:
    """Say before training what would be missing after it."""
    names = {study.name for study in data.studies}
    for section, by_study in (("model", model.by_study), ("train", train.by_study)):
        for name in by_study:
            if name not in names:
                raise MendableError(
                    f"products.{section}.by_study: {name!r} is not a study; there are: "
                    + ", ".join(sorted(names))
                )
    members = model.of_study(data.register_study).members
    for name in data.gate_against:
        if name not in members:
            raise MendableError(
                f"products.data.gate_against: study {data.register_study!r} does not train "
                f"{name!r}; products.model.members are: {', '.join(members)}"
            )
