"""Fits every study: methods on the training part, the hybrid on the validation part, then again.

1. Each method learns from the part ``train`` alone.
2. The hybrid learns from the part ``valid`` how to weigh what they say.
3. Each method learns again from ``train`` and ``valid``, unless the study's protocol says not to;
   the hybrid keeps its weights.
4. Every method, the hybrid, and the hybrid without each of its parts rank all items for users
   of the part ``test``, which nothing above has seen.
"""

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from crisol.core.errors import MendableError
from crisol.core.studies import check_study_names
from crisol.core.training.checkpoints import clear
from crisol.models.recommender.answers.hybrid import Hybrid, Lesson, log_share, rank_together
from crisol.models.recommender.answers.space import COLLABORATIVE, CONTENT
from crisol.models.recommender.contract import Context, RecommendationRequest
from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.data.prepare import histories_before, interactions, user_ids
from crisol.models.recommender.data.tags import catalogue
from crisol.models.recommender.method_fitting import Task, fit_method
from crisol.models.recommender.method_params import HYBRID, WITHOUT
from crisol.models.recommender.methods.ranking import Items, top_k
from crisol.models.recommender.methods.scorer import Scorer
from crisol.models.recommender.params import DataParams, MethodsParams, ModelParams, TrainParams
from crisol.models.recommender.predictor import RecommenderPredictor
from crisol.models.recommender.study_params import StudyParams

logger = logging.getLogger(__name__)

BATCH_USERS = 1024
GOLDEN_USERS = 3


@dataclass(frozen=True)
class Fit:
    """What training hands on.

    Attributes:
        predictor: the registered study's hybrid, with golden examples.
        history: one row per network and epoch.
        rankings: one row per study, method and tested user: ``study, method, user`` and the item
            indices ``rank_1`` … ``rank_k``, -1 where a list is shorter.
    """

    predictor: RecommenderPredictor
    history: pd.DataFrame
    rankings: pd.DataFrame


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
    predictor: RecommenderPredictor | None = None
    _check_sections(data, model, train)
    for study in data.studies:
        mine = events[events["study"] == study.name]
        unit = _Study(study, mine, items, model.of_study(study.name), train, checkpoints)
        hybrids = unit.fit()
        rankings.append(unit.rank(hybrids))
        histories += unit.networks
        if study.name == data.register_study:
            predictor = unit.predictor(hybrids[HYBRID])
    assert predictor is not None  # DataParams: register_study is one of the studies
    clear(checkpoints)
    history = pd.concat(histories, ignore_index=True) if histories else _NO_HISTORY.copy()
    return Fit(predictor, history, pd.concat(rankings, ignore_index=True))


def _check_sections(data: DataParams, model: ModelParams, train: TrainParams) -> None:
    """Say before training what would be missing after it."""
    study = data.register_study
    check_study_names("recommender", data, model=model, train=train)
    methods = model.of_study(study)
    able = (*COLLABORATIVE, CONTENT)
    if not set(able) & set(methods.hybrid_methods):
        raise MendableError(
            f"recommender.model: the hybrid of study {study!r} finds no similar items, since none "
            f"of its methods places items in a space; add one of: {', '.join(able)}"
        )
    for name in data.gate_against:
        if name not in methods.methods:
            raise MendableError(
                f"recommender.data.gate_against: study {study!r} does not train {name!r}; add it "
                f"to recommender.model.methods or take some of: {', '.join(methods.methods)}"
            )


_NO_HISTORY = pd.DataFrame({"label": [], "epoch": [], "train_loss": []}).astype(
    {"label": str, "epoch": int, "train_loss": float}
)


class _Study:
    """Trains the methods of one study and what joins them."""

    def __init__(
        self,
        study: StudyParams,
        events: pd.DataFrame,
        items: pd.DataFrame,
        methods: MethodsParams,
        train: TrainParams,
        checkpoints: Path,
    ) -> None:
        self.study, self.events, self.methods = study, events, methods
        self.train, self.checkpoints = train, checkpoints
        self.catalogue = catalogue(items, study)
        self.networks: list[pd.DataFrame] = []
        self.scorers: dict[str, Scorer] = {}
        self.known = interactions(events, ("train", "valid"), len(self.catalogue))

    def fit(self) -> dict[str, Hybrid]:
        """The hybrid, and it without each of its parts, over the methods as they are tested."""
        before, targets = histories_before(self.events, "valid")
        seen = interactions(self.events, ("train",), len(self.catalogue))
        early = self._methods(seen, "search")
        parts = self.methods.hybrid_methods
        lesson = Lesson(
            {part: early[part] for part in parts}, before, targets, seen, self.methods.hybrid
        )
        taught = {HYBRID: lesson.teach()}
        if len(parts) > 1:
            taught |= {WITHOUT + part: lesson.teach(without=(part,)) for part in parts}
        if self.study.refit:
            del early, lesson  # before the next ones take their room
            self.scorers = self._methods(self.known, "final")
        else:
            self.scorers = early
        popularity = log_share(self.known)
        return {
            name: Hybrid(
                {part: self.scorers[part] for part in hybrid.scorers},
                hybrid.weights,
                popularity,
                hybrid.candidates,
            )
            for name, hybrid in taught.items()
        }

    def _methods(self, seen: Interactions, stage: str) -> dict[str, Scorer]:
        scorers: dict[str, Scorer] = {}
        for method in self.methods.methods:
            task = Task(
                seen,
                self.catalogue,
                self.methods,
                self.train.of_study(self.study.name),
                self.checkpoints,
                f"{self.study.name}.{method}.{stage}",
            )
            started = time.perf_counter()
            scorers[method], history = fit_method(method, task)
            logger.info("%s: %.1f s", task.label, time.perf_counter() - started)
            if history is not None:
                self.networks.append(history)
        return scorers

    def rank(self, hybrids: dict[str, Hybrid]) -> pd.DataFrame:
        """Every method's lists for the tested users."""
        tested, _ = histories_before(self.events, "test")
        k = self.study.k
        lists: dict[str, list[Items]] = {name: [] for name in (*self.scorers, *hybrids)}
        started = time.perf_counter()
        for start in range(0, len(tested), BATCH_USERS):
            batch = tested.take(np.arange(start, min(start + BATCH_USERS, len(tested))))
            for method, scorer in self.scorers.items():
                lists[method].append(best_items(scorer, batch, k))
            for name, ranked in rank_together(hybrids, batch, k).items():
                lists[name].append(ranked.items)
        seconds = time.perf_counter() - started
        logger.info("%s: ranked for %d users in %.1f s", self.study.name, len(tested), seconds)
        return pd.concat(
            [self._table(name, tested, np.concatenate(parts)) for name, parts in lists.items()],
            ignore_index=True,
        )

    def _table(self, method: str, tested: Histories, lists: Items) -> pd.DataFrame:
        columns = [f"rank_{place}" for place in range(1, lists.shape[1] + 1)]
        table = pd.DataFrame(lists.astype(np.int32), columns=columns)
        table.insert(0, "study", self.study.name)
        table.insert(1, "method", method)
        table.insert(2, "user", tested.users.astype(np.int32))
        return table

    def predictor(self, hybrid: Hybrid) -> RecommenderPredictor:
        """The hybrid with all it needs to answer, and its golden examples."""
        newest = self.events.loc[self.events["part"] != "test", "time"].max()
        predictor = RecommenderPredictor(
            self.catalogue,
            user_ids(self.events),
            self.known,
            hybrid,
            study=self.study.name,
            trained_until="" if pd.isna(newest) else newest.isoformat(),
        )
        predictor.record_golden(golden_requests(predictor))
        return predictor


def best_items(scorer: Scorer, histories: Histories, k: int) -> Items:
    """[B, k] the best items of one method, without those of the history."""
    scores = scorer.score(histories)
    return top_k(scores, k, exclude=histories.matrix(scores.shape[1]))[0]


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
