"""Trains the methods of one study and the hybrids that join them.

1. Each method learns from the part ``train`` alone.
2. The hybrid learns from the part ``valid`` the weights of the methods' scores.
3. Each method learns again from ``train`` and ``valid``, unless the study's protocol says not to;
   the hybrid keeps its weights.
4. Every method, the hybrid, and the hybrid without each of its parts rank all items for users
   of the part ``test``, which nothing above has seen.
"""

import logging
import time
from pathlib import Path

import numpy as np
import pandas as pd

from crisol.models.recommender.answers.hybrid import Hybrid, Lesson, log_share, rank_together
from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.data.prepare import histories_before, interactions, user_ids
from crisol.models.recommender.data.tags import catalogue
from crisol.models.recommender.method_fitting import Task, fit_method
from crisol.models.recommender.method_params import HYBRID, WITHOUT
from crisol.models.recommender.methods.ranking import Items, top_k
from crisol.models.recommender.methods.scorer import Scorer
from crisol.models.recommender.params import MethodsParams, TrainParams
from crisol.models.recommender.predictor import RecommenderPredictor
from crisol.models.recommender.study_params import StudyParams

logger = logging.getLogger(__name__)

BATCH_USERS = 1024


class StudyTraining:
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
            del early, lesson  # before the next ones need the memory
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
        """The hybrid with all it needs to answer."""
        newest = self.events.loc[self.events["part"] != "test", "time"].max()
        return RecommenderPredictor(
            self.catalogue,
            user_ids(self.events),
            self.known,
            hybrid,
            study=self.study.name,
            trained_until="" if pd.isna(newest) else newest.isoformat(),
        )


def best_items(scorer: Scorer, histories: Histories, k: int) -> Items:
    """[B, k] the best items of one method, without those of the history."""
    scores = scorer.score(histories)
    return top_k(scores, k, exclude=histories.matrix(scores.shape[1]))[0]
