"""Trains the methods of one study and the hybrids that join them.

1. Each method learns from the part ``train`` alone.
2. The hybrid learns from the part ``valid`` which methods it keeps and the weights of their scores.
3. Each method learns again from ``train`` and ``valid``, unless the study's protocol says not to;
   the hybrid keeps its weights.
4. Every method, the hybrid, and the hybrid without each of its parts rank all items for users
   of the part ``test``, which nothing above has seen.
"""

import logging
import time
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pandas as pd

from crisol.core.training.step_progress import StepProgress
from crisol.models.recommender.answers.hybrid import Hybrid, log_share, rank_together
from crisol.models.recommender.answers.hybrid_lesson import Lesson
from crisol.models.recommender.answers.part_choice import PartChoice, PartDecision, choose_parts
from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.data.prepare import histories_before, interactions, user_ids
from crisol.models.recommender.data.tags import catalogue
from crisol.models.recommender.method_fitting import Task, fit_method
from crisol.models.recommender.method_params import HYBRID, WITHOUT
from crisol.models.recommender.methods.item_cosine import ITEM_COSINE, ItemCosine
from crisol.models.recommender.methods.ranking import Items, top_k
from crisol.models.recommender.methods.scorer import Scorer
from crisol.models.recommender.params import MethodsParams, TrainParams
from crisol.models.recommender.predictor import RecommenderPredictor
from crisol.models.recommender.study_params import StudyParams

logger = logging.getLogger(__name__)

BATCH_USERS = 1024
_SEARCHED, _TAUGHT, _FITTED = 0.4, 0.6, 0.85
"""Share of a study's work that is done after each of its first three steps."""


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
        span: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        """Prepare the training of a study.

        Args:
            study: the study.
            events: its interactions.
            items: of every source.
            methods: those that it trains.
            train: their loops.
            checkpoints: where networks keep their state.
            span: the fractions of the whole training that are done before and after this study.
        """
        self._span = span
        self.parts = pd.DataFrame()
        self.notes: list[str] = []
        self.study, self.events, self.methods = study, events, methods
        if (events["order"] == "none").all():
            self.methods = methods.without_order()
            self._tell(
                "the events have no order: no method reads one, and transitions is left out."
            )
        self.train, self.checkpoints = train, checkpoints
        self.catalogue = catalogue(items, study)
        self.networks: list[pd.DataFrame] = []
        self.scorers: dict[str, Scorer] = {}
        self.known = interactions(events, ("train", "valid"), len(self.catalogue))
        self._learned = self.known  # by the methods as they are tested; without a refit, less

    def fit(self) -> dict[str, Hybrid]:
        """The hybrid, and it without each of its parts, over the methods as they are tested."""
        before, targets = histories_before(self.events, "valid")
        seen = interactions(self.events, ("train",), len(self.catalogue))
        early = self._methods(seen, "search", 0.0, _SEARCHED)
        parts = self.methods.hybrid_methods
        lesson = Lesson(
            {part: early[part] for part in parts}, before, targets, seen, self.methods.hybrid
        )
        taught = self._taught(lesson)
        if self.study.refit:
            del early, lesson  # before the next ones need the memory
            self.scorers = self._methods(self.known, "final", _TAUGHT, _FITTED)
        else:
            self._learned, self.scorers = seen, early
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

    def _taught(self, lesson: Lesson) -> dict[str, Hybrid]:
        """The hybrid of the methods that validation keeps, and it without each of them."""
        started, asked = time.perf_counter(), len(lesson.scorers)
        with self._progress(
            "chooses parts and learns weights", 2 * asked + 1, _SEARCHED, _TAUGHT
        ) as progress:
            choice = choose_parts(
                lesson, fixed=self.methods.in_hybrid is not None, done=progress.advance
            )
            gone = tuple(part for part in lesson.scorers if part not in choice.kept)
            taught = {HYBRID: lesson.teach(without=gone, idle=choice.idle)}
            progress.advance()
            counted = [part for part in choice.kept if part not in choice.idle]
            for part in counted if len(counted) > 1 else ():
                taught[WITHOUT + part] = lesson.teach(without=(*gone, part))
                progress.advance()
        self.parts = self._part_rows(choice)
        for decision in choice.decisions:
            if not decision.kept:
                logger.warning(
                    "%s: the hybrid is without %s: %s (NDCG@%d %+.4f)",
                    *(self.study.name, decision.part, decision.reason),
                    *(self.methods.hybrid.cutoff, -decision.gain),
                )
        seconds = time.perf_counter() - started
        logger.info("%s: hybrid of %s: %.1f s", self.study.name, ", ".join(choice.kept), seconds)
        return taught

    def _part_rows(self, choice: PartChoice) -> pd.DataFrame:
        rows = [{"study": self.study.name, **asdict(decision)} for decision in choice.decisions]
        columns = ["study", *(field.name for field in fields(PartDecision))]
        table = pd.DataFrame(rows, columns=columns)
        return table.assign(cutoff=self.methods.hybrid.cutoff)

    def _tell(self, note: str) -> None:
        """Log a sentence on a setting that did not fit the data, and keep it for the report."""
        sentence = f"{self.study.name}: {note}"
        if sentence not in self.notes:  # methods are fitted twice
            logger.warning(sentence)
            self.notes.append(sentence)

    def _progress(self, work: str, steps: int, begins: float, ends: float) -> StepProgress:
        low, high = self._span
        begins, ends = (low + (high - low) * share for share in (begins, ends))
        return StepProgress(f"{self.study.name}: {work}", steps, begins, ends)

    def _methods(
        self, seen: Interactions, stage: str, begins: float, ends: float
    ) -> dict[str, Scorer]:
        with self._progress(
            f"fits methods ({stage})", len(self.methods.methods), begins, ends
        ) as p:
            return self._fitted(seen, stage, p)

    def _fitted(self, seen: Interactions, stage: str, progress: StepProgress) -> dict[str, Scorer]:
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
            for note in task.notes:
                self._tell(note)
            logger.info("%s: %.1f s", task.label, time.perf_counter() - started)
            progress.advance()
            if history is not None:
                self.networks.append(history)
        return scorers

    def rank(self, hybrids: dict[str, Hybrid]) -> pd.DataFrame:
        """Every method's lists for the tested users."""
        tested, _ = histories_before(self.events, "test")
        k = self.study.k
        alone: dict[str, Scorer | ItemCosine] = {
            **self.scorers,
            ITEM_COSINE: ItemCosine.fit(self._learned),
        }
        lists: dict[str, list[Items]] = {name: [] for name in (*alone, *hybrids)}
        started = time.perf_counter()
        with self._progress("ranks lists", len(tested), _FITTED, 1.0) as progress:
            for batch in tested.batches(BATCH_USERS):
                for method, scorer in alone.items():
                    lists[method].append(best_items(scorer, batch, k))
                for name, ranked in rank_together(hybrids, batch, k).items():
                    lists[name].append(ranked.items)
                progress.advance(len(batch))
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


def best_items(scorer: Scorer | ItemCosine, histories: Histories, k: int) -> Items:
    """[B, k] the best items of one method, without those of the history."""
    scores = scorer.score(histories)
    return top_k(scores, k, exclude=histories.matrix(scores.shape[1]))[0]
