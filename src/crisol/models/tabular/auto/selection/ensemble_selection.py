"""From trials to the ensemble that is kept: weights, second level, latency limit."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.errors import MendableError
from crisol.models.tabular.auto import metrics
from crisol.models.tabular.auto.budget import Budget
from crisol.models.tabular.auto.search.search_trial import SearchTrial
from crisol.models.tabular.auto.selection.greedy_selection import (
    NESTED_FOLDS,
    nested_loss,
    nested_parts,
    select,
    weighting,
)
from crisol.models.tabular.auto.selection.stacking import better_stack
from crisol.models.tabular.ensemble import Ensemble, Member
from crisol.models.tabular.features.encoded_rows import Features, Part
from crisol.models.tabular.features.folds import Folds
from crisol.models.tabular.schema import Task

logger = logging.getLogger(__name__)

CANDIDATES = 24
"""Trials that selection looks at: the best, whatever else was tried."""
MOST_NUMBERS = 50_000_000
"""Limit of the numbers in the candidates' answers (400 MB, and copies): with many rows and classes
there are fewer candidates."""
LATENCY_ROWS = 40
WARM_ROWS = 5


@dataclass(frozen=True)
class SelectedEnsemble:
    """The selected ensemble.

    Attributes:
        ensemble: ready to answer.
        weights: of each trial in it, by number.
        answers: out-of-fold answers of the ensemble [N, K] or [N]; NaN where there are none.
        loss: of these answers, found by nested cross-validation where weights were learned.
        latency_ms: 95th percentile of one row, where there is a limit.
    """

    ensemble: Ensemble
    weights: dict[int, float]
    answers: Floats
    loss: float
    latency_ms: float | None


@dataclass(frozen=True)
class EnsembleSelector:
    """Selects an ensemble among trials.

    Attributes:
        task: what is answered.
        metric: what is minimised.
        part: the rows that were learned from.
        folds: their division.
        budget: the time that is left.
        seed: of nested folds.
        stack: whether to try a second level.
        latency_limit_ms: of one row.
        encoding_ms: what a row takes before the ensemble sees it; counts towards the limit.
    """

    task: Task
    metric: metrics.Metric
    part: Part
    folds: Folds
    budget: Budget
    seed: int
    stack: bool
    latency_limit_ms: float | None
    encoding_ms: float = 0.0

    def best(self, trials: Sequence[SearchTrial]) -> SelectedEnsemble:
        """The ensemble of these trials, at least one.

        Raises:
            MendableError: none answers a row within the latency limit.
        """
        if self.metric == "silhouette":
            return self._cluster(trials)
        ranked = sorted(trials, key=lambda t: (_mean(t.losses.values()), t.number))
        outputs = int(np.prod(next(iter(ranked[0].fits.values())).answers.shape[1:], dtype=int))
        candidates = _candidates(ranked, MOST_NUMBERS // (len(self.part) * outputs))
        answers = [trial.answers(self.folds) for trial in candidates]
        judged = np.flatnonzero(
            np.all([np.isfinite(a).reshape(len(a), -1).all(axis=1) for a in answers], axis=0)
        )
        stacked = np.stack([a[judged] for a in answers])
        del answers
        if self.latency_limit_ms is None:
            return self._of(candidates, stacked, judged)
        return self._within_limit(candidates, stacked, judged, self.latency_limit_ms)

    def _of(
        self, trials: Sequence[SearchTrial], answers: Floats, judged: NDArray[np.intp]
    ) -> SelectedEnsemble:
        assert self.part.target is not None
        target = self.part.target[judged]
        started = time.monotonic()
        weights = select(self.metric, answers, target, deadline=self.budget.whole_end - 0.5)
        took = time.monotonic() - started
        kept = np.flatnonzero(weights).tolist()
        stack, parts = None, nested_parts(self.folds, judged, self.seed)
        nested_s = 1.2 * NESTED_FOLDS * took * len(kept) / len(trials)
        nested = len(kept) > 1 and 4 * nested_s < self.budget.seconds_to_end - 1
        if nested and self.stack and self.metric in ("log_loss", "rmse"):
            stack = better_stack(
                self.metric, answers, target, weights, parts, self.budget.whole_end - 0.5
            )
        members = [self._member(trials[i], float(weights[i])) for i in kept]
        ensemble = Ensemble(self.task, members, stack)
        whole = np.full((len(self.part), *answers.shape[2:]), np.nan)
        whole[judged] = ensemble.combine(answers[kept]) if len(kept) > 1 else answers[kept[0]]
        loss = metrics.loss(self.metric, target, whole[judged])
        if nested and stack is None:
            learn = weighting(self.metric, self.budget.whole_end - 0.5)
            loss = nested_loss(self.metric, answers[kept], target, learn, parts)
        named = {trials[i].number: float(weights[i]) for i in kept}
        return SelectedEnsemble(ensemble, named, whole, loss, None)

    def _within_limit(
        self,
        trials: Sequence[SearchTrial],
        answers: Floats,
        judged: NDArray[np.intp],
        limit_ms: float,
    ) -> SelectedEnsemble:
        """Leave out the member that costs most for its weight until one row is answered in time."""
        left = list(range(len(trials)))
        fastest = float("inf")
        while left:
            chosen = self._of([trials[i] for i in left], answers[left], judged)
            expected = sum(self._latency_ms(t) for t in trials if t.number in chosen.weights)
            if expected + self.encoding_ms <= 1.5 * limit_ms or len(left) == 1:
                measured = self._p95_ms(chosen.ensemble)
                fastest = min(fastest, measured)
                if measured <= limit_ms:
                    return replace(chosen, latency_ms=measured)
            costs = {
                i: self._latency_ms(trials[i]) / chosen.weights[trials[i].number]
                for i in left
                if trials[i].number in chosen.weights
            }
            left.remove(max(costs, key=lambda i: (costs[i], i)))
        return self._one_model(trials, answers, judged, limit_ms, fastest)

    def _one_model(
        self,
        trials: Sequence[SearchTrial],
        answers: Floats,
        judged: NDArray[np.intp],
        limit_ms: float,
        fastest: float,
    ) -> SelectedEnsemble:
        """Use fewer fold models of one trial, the best one that is fast enough."""
        for index, trial in enumerate(trials):
            whole = self._of([trial], answers[[index]], judged)
            member = whole.ensemble.members[0]
            for count in range(len(member.models) - 1, 0, -1):
                if (
                    self._latency_ms(trial) * count / len(member.models) > 3 * limit_ms
                    and count > 1
                ):
                    continue
                fewer = Ensemble(self.task, [replace(member, models=member.models[:count])])
                measured = self._p95_ms(fewer)
                fastest = min(fastest, measured)
                if measured <= limit_ms:
                    logger.info("latency limit: %d of the fold models of %s", count, trial.name)
                    return replace(whole, ensemble=fewer, latency_ms=measured)
        raise MendableError(
            f"model.auto.latency_limit_ms: no model answers one row in {limit_ms:g} ms (95th "
            f"percentile); the fastest took {fastest:.3g} ms. Raise the limit, or allow other "
            "algorithms (model.auto.algorithms)"
        )

    def _cluster(self, trials: Sequence[SearchTrial]) -> SelectedEnsemble:
        """Clusterings cannot be averaged: the best one, of those that are quick enough."""
        fastest = float("inf")
        for trial in sorted(trials, key=lambda t: (_mean(t.losses.values()), t.number)):
            ensemble = Ensemble(self.task, [self._member(trial, 1.0)])
            measured = None
            if self.latency_limit_ms is not None:
                measured = self._p95_ms(ensemble)
                fastest = min(fastest, measured)
                if measured > self.latency_limit_ms:
                    continue
            fit = trial.fits[0]
            return SelectedEnsemble(ensemble, {trial.number: 1.0}, fit.answers, fit.loss, measured)
        raise MendableError(
            f"model.auto.latency_limit_ms: no clustering answers one row in "
            f"{self.latency_limit_ms:g} ms (95th percentile); the fastest took {fastest:.3g} ms"
        )

    def _member(self, trial: SearchTrial, weight: float) -> Member:
        models = tuple(trial.fits[fold].model() for fold in self.folds.answering(trial.fits))
        return Member(trial.name, trial.algorithm, dict(trial.settings), models, weight)

    def _p95_ms(self, ensemble: Ensemble) -> float:
        return self.encoding_ms + one_row_p95_ms(ensemble, self.part.features)

    def _latency_ms(self, trial: SearchTrial) -> float:
        """The milliseconds of one row through the models that answer."""
        return sum(trial.fits[fold].latency_ms for fold in self.folds.answering(trial.fits))


def one_row_p95_ms(ensemble: Ensemble, features: Features) -> float:
    """95th percentile of the milliseconds that answering one row takes, on one thread."""
    from threadpoolctl import threadpool_limits

    taken = []
    with threadpool_limits(1):
        for index in range(LATENCY_ROWS + WARM_ROWS):
            at = index * 7919 % len(features)
            row = features.take(slice(at, at + 1))
            started = time.perf_counter()
            ensemble.predict(row)
            taken.append(1000 * (time.perf_counter() - started))
    return float(np.percentile(taken[WARM_ROWS:], 95))


def _candidates(ranked: Sequence[SearchTrial], most: int) -> list[SearchTrial]:
    """The best trials, and of each algorithm its best; where memory is short at most so many."""
    first: dict[str, SearchTrial] = {}
    for trial in ranked:
        first.setdefault(trial.algorithm, trial)
    best = list(first.values())
    if most < CANDIDATES:
        others = [trial for trial in ranked if trial not in best]
        chosen = [*best, *others][: max(1, most)]
        return [trial for trial in ranked if trial in chosen]
    return [*ranked[:CANDIDATES], *(trial for trial in best if trial not in ranked[:CANDIDATES])]


def _mean(values: object) -> float:
    return float(np.mean(list(values)))  # type: ignore[call-overload]
