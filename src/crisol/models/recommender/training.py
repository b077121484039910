"""Trains every study and builds the predictor of the registered one."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from crisol.core.training.checkpoints import clear
from crisol.models.recommender.contract import Context, RecommendationRequest
from crisol.models.recommender.data.studies import notes_table
from crisol.models.recommender.method_params import HYBRID
from crisol.models.recommender.params import DataParams, ModelParams, TrainParams
from crisol.models.recommender.predictor import RecommenderPredictor
from crisol.models.recommender.section_checks import check_sections
from crisol.models.recommender.study_training import StudyTraining

GOLDEN_USERS = 3


@dataclass(frozen=True)
class Fit:
    """The results of a training.

    Attributes:
        predictor: the registered study's hybrid, with golden examples.
        history: one row per network and epoch.
        rankings: one row per study, method and tested user: ``study, method, user`` and the item
            indices ``rank_1`` … ``rank_k``, -1 where a list is shorter.
        parts: one row per study and method that the hybrid may hold: what validation says of it
            (:class:`crisol.models.recommender.answers.part_choice.PartDecision`).
        adjustments: notes on the parameters that did not fit the data and were changed; see
            :func:`crisol.models.recommender.data.studies.notes_table`.
    """

    predictor: RecommenderPredictor
    history: pd.DataFrame
    rankings: pd.DataFrame
    parts: pd.DataFrame
    adjustments: pd.DataFrame


def fit(
    events: pd.DataFrame,
    items: pd.DataFrame,
    data: DataParams,
    model: ModelParams,
    train: TrainParams,
    checkpoints: Path,
) -> Fit:
    """Train every study and build the predictor of the registered one.

    Args:
        events: of every study, each in its part; see
            :func:`crisol.models.recommender.data.prepare.split`.
        items: see :func:`crisol.models.recommender.data.prepare.clean`.
        data: the studies.
        model: the methods.
        train: their loops.
        checkpoints: folder from which an interrupted training goes on; emptied at the end.

    Raises:
        MendableError: the sections do not fit each other, such as a gate against a method that is
            not trained.
    """
    histories: list[pd.DataFrame] = []
    rankings: list[pd.DataFrame] = []
    parts: list[pd.DataFrame] = []
    notes: list[tuple[str, str]] = []
    predictor: RecommenderPredictor | None = None
    check_sections(data, model, train)
    for index, study in enumerate(data.studies):
        mine = events[events["study"] == study.name]
        span = (index / len(data.studies), (index + 1) / len(data.studies))
        methods = model.of_study(study.name)
        training = StudyTraining(study, mine, items, methods, train, checkpoints, span)
        hybrids = training.fit()
        rankings.append(training.rank(hybrids))
        histories += training.networks
        parts.append(training.parts)
        notes += [(study.name, note) for note in training.notes]
        if study.name == data.register_study:
            predictor = training.predictor(hybrids[HYBRID])
    assert predictor is not None  # DataParams: register_study is one of the studies
    predictor.record_golden(golden_requests(predictor))
    clear(checkpoints)
    history = pd.concat(histories, ignore_index=True) if histories else _NO_HISTORY.copy()
    return Fit(
        predictor,
        history,
        pd.concat(rankings, ignore_index=True),
        pd.concat(parts, ignore_index=True),
        notes_table(notes),
    )


_NO_HISTORY = pd.DataFrame({"label": [], "epoch": [], "train_loss": []}).astype(
    {"label": str, "epoch": int, "train_loss": float}
)


def golden_requests(predictor: RecommenderPredictor) -> list[RecommendationRequest]:
    """Known users, a visitor with their items, a diverse list, and somebody unknown."""
    known = predictor.interactions.histories
    users = np.flatnonzero(known.sizes > 0)[:GOLDEN_USERS]
    requests = [RecommendationRequest(user_id=predictor.users[u], num_recs=5) for u in users]
    ids = tuple(predictor.catalogue.ids[i] for i in known.row(int(users[0]))[-20:])
    requests += [
        RecommendationRequest(history=ids, num_recs=5),
        RecommendationRequest(history=ids, num_recs=5, diversity=0.5),
        RecommendationRequest(
            user_id=predictor.users[users[-1]],
            history=ids[:1],
            context=Context(excluded_items=ids[:1]),
            num_recs=3,
        ),
        RecommendationRequest(history=(), num_recs=5),
    ]
    return requests
