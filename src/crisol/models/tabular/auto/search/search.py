"""The search: first the portfolio, then the study, until time, trials or settings run out.

Worker processes fit one fold at a time. The portfolio is one round; after it the study proposes
:data:`ROUND` trials at a time, whose first folds are fitted first, so that trials that fall behind
can be pruned. Decisions in a round depend on earlier rounds only, and results are reported in
order: with ``max_trials`` and enough time two searches are the same.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crisol.core import progress
from crisol.core.errors import MendableError
from crisol.models.tabular.auto import metrics
from crisol.models.tabular.auto.budget import Budget
from crisol.models.tabular.auto.search.first_answer import ROWS as FIRST_ROWS
from crisol.models.tabular.auto.search.portfolio import Entry, pace
from crisol.models.tabular.auto.search.search_trial import SearchTrial, falls_behind
from crisol.models.tabular.auto.search.study import Study
from crisol.models.tabular.auto.workers.fitting import RESULT, FitOrder, FitResult
from crisol.models.tabular.auto.workers.worker_pool import FitReply, WorkerPool, WorkerUse
from crisol.models.tabular.params import AutoParams

logger = logging.getLogger(__name__)

ROUND = 4
"""Trials of one round of the study."""
PORTFOLIO_MARGIN = 0.15
"""Share of the loss a portfolio entry may be worse than the first one: it may still help."""
STUDY_MARGIN = 0.02
REPEATED, MOST_REPEATED = 10, 100
"""After so many proposals in a row that were tried before, settings are drawn; after so many more
nothing else is left, and the search ends."""


@dataclass(frozen=True)
class Plan:
    """The inputs of a search.

    Attributes:
        folder: with the rows, folds and spec, and the results.
        folds: fits of a trial.
        metric: what is minimised.
        entries: the portfolio.
        auto: the search's parameters.
        seed: of everything random.
        workers: processes.
        rows: of the training part.
    """

    folder: Path
    folds: int
    metric: metrics.Metric
    entries: Sequence[Entry]
    auto: AutoParams
    seed: int
    workers: int
    rows: int


class Search:
    """Runs trials.

    Args:
        plan: what to search.
        study: proposes trials after the portfolio; called when the portfolio is done.
        budget: the time there is.
        first: a small model, used if no better one is fitted in time.
    """

    def __init__(
        self,
        plan: Plan,
        study: Callable[[], Study],
        budget: Budget,
        first: SearchTrial | None = None,
    ) -> None:
        self._plan, self._open_study, self._budget = plan, study, budget
        self._results = plan.folder / "fits"
        self.trials: list[SearchTrial] = []
        self._round: list[SearchTrial] = []
        self._best: SearchTrial | None = None
        self._reported = 0
        self._fallbacks = [] if first is None else [first]
        self._assigned: dict[str, SearchTrial] = {}
        self.uses: list[WorkerUse] = []
        """The work of each worker, once the search is over."""

    def run(self) -> list[SearchTrial]:
        """Run the search and return all trials, failed ones included.

        Raises:
            MendableError: no fit ended in time, or every one failed; names the cause.
        """
        self._results.mkdir(parents=True, exist_ok=True)
        with WorkerPool(self._plan.folder, self._results, self._plan.workers) as pool:
            self._first_answer(pool)
            self._fit_round(pool, [self._trial(*entry) for entry in self._portfolio()])
            if not self._is_over():
                self._search(pool)
        self.uses = pool.uses
        self._fall_back()
        self._check()
        return self.trials

    @property
    def usable(self) -> list[SearchTrial]:
        """Complete trials; if there is none, the one that came furthest."""
        complete = [trial for trial in self.trials if trial.state == "complete"]
        if complete:
            return complete
        begun = [trial for trial in self.trials if trial.fits and trial.state != "failed"]
        if begun:
            return [max(begun, key=lambda trial: (len(trial.fits), -trial.number))]
        return []

    def _fall_back(self) -> None:
        """Use a partial trial or a fallback where no trial is complete."""
        for trial in self.usable:
            if trial.state != "complete":
                trial.reason = (
                    f"{len(trial.fits)} of {trial.folds} folds ended in time: the model is of these"
                )
                logger.warning("no trial was complete; %s: %s", trial.name, trial.reason)
            return
        ready = [trial for trial in self._fallbacks if trial.fits]
        if ready:
            chosen = min(ready, key=self._loss)
            chosen.number, chosen.state = len(self.trials), "complete"
            chosen.reason = (
                f"a quick first model of {FIRST_ROWS:,} rows or fewer: nothing else ended in time"
            )
            logger.warning("%s: %s", chosen.name, chosen.reason)
            self.trials.append(chosen)
            self._report(chosen)

    def _portfolio(self) -> Sequence[Entry]:
        most = self._plan.auto.max_trials
        return self._plan.entries if most is None else self._plan.entries[:most]

    def _first_answer(self, pool: WorkerPool) -> None:
        """Fit a small model of few rows first where time is short, as a fallback."""
        if not self._budget.is_short or self._plan.metric == "silhouette":
            return
        names = {name for name, _ in self._plan.entries} - {t.algorithm for t in self._fallbacks}
        for name, settings in (
            ("lightgbm", {"max_iterations": 30, "learning_rate": 0.2, "stopping_rounds": 5}),
            ("linear", {}),
        ):
            if name in names:
                trial = SearchTrial(-1, name, settings, self._plan.seed, 1)
                self._fallbacks.append(trial)
                self._assign(pool, trial, sample=FIRST_ROWS)
                while trial.state == "waiting" and not trial.fits and self._budget.left > 0:
                    for reply in pool.wait(self._budget.end):
                        self._record(reply)
                return

    def _search(self, pool: WorkerPool) -> None:
        """Rounds of the study."""
        study = self._open_study()
        if not study.algorithms:
            return
        known = [self._paced(*entry) for entry in study.known()]
        known = [entry for entry in known if self._tried(*entry) is None]
        if known and not self._is_over():
            self._fit_round(pool, [self._trial(*entry) for entry in known])
        while not self._is_over():
            asked = self._asked(study)
            if not asked:
                logger.info("the search ends early: nothing else is left to try in the time")
                break
            self._fit_round(pool, asked)
            for trial in asked:
                value = self._loss(trial) if trial.state == "complete" else None
                study.tell(trial.number, value, trial.losses)

    def _asked(self, study: Study) -> list[SearchTrial]:
        """The trials of a round of the study, none of which was tried before."""
        leave_out = [n for n in study.algorithms if not self._budget.allows(n, self._plan.folds)]
        size = min(ROUND, self._trials_left) if len(leave_out) < len(study.algorithms) else 0
        asked: list[SearchTrial] = []
        repeated = 0
        while len(asked) < size and repeated < MOST_REPEATED:
            number = len(self.trials)
            algorithm, settings = self._paced(
                *study.ask(number, leave_out, drawn=repeated > REPEATED)
            )
            known = self._tried(algorithm, settings)
            if known is None:
                trial = self._trial(algorithm, settings)
                trial.searched = True
                asked.append(trial)
                repeated = 0
                continue
            repeated += 1
            done = known.state == "complete"
            study.tell(number, self._loss(known) if done else None, known.losses)
        return asked

    def _trial(self, algorithm: str, settings: object) -> SearchTrial:
        assert isinstance(settings, dict)
        trial = SearchTrial(
            len(self.trials), algorithm, settings, self._plan.seed, self._plan.folds
        )
        self.trials.append(trial)
        return trial

    def _paced(self, algorithm: str, settings: Mapping[str, Any]) -> Entry:
        return algorithm, {**pace(algorithm, self._plan.rows), **settings}

    def _tried(self, algorithm: str, settings: object) -> SearchTrial | None:
        """The trial of these settings, if there was one."""
        tried = (t for t in self.trials if (t.algorithm, t.settings) == (algorithm, settings))
        return next(tried, None)

    @property
    def _trials_left(self) -> int:
        most = self._plan.auto.max_trials
        return ROUND if most is None else most - len(self.trials)

    def _is_over(self) -> bool:
        return self._trials_left <= 0 or self._budget.left <= 0

    def _fit_round(self, pool: WorkerPool, trials: list[SearchTrial]) -> None:
        """Fit every fold of the trials, as far as time goes and they do not fall behind."""
        self._round, best = trials, self._best
        while True:
            while pool.idle and (trial := self._next(trials)) is not None:
                self._assign(pool, trial)
            if pool.idle == pool.size:
                break
            for reply in pool.wait(self._budget.end):
                self._record(reply)
                self._prune(trials, best)
            self._report_progress()
            self._close_finished(trials, best)
            if self._budget.left <= 0:
                break
        for trial in trials:
            if trial.state == "waiting":
                trial.state = "timeout"
                trial.reason = trial.reason or "the search's time was over"
        self._close_finished(trials, best)

    def _next(self, trials: list[SearchTrial]) -> SearchTrial | None:
        """The next trial to fit: the portfolio in order, then the study, its first folds first."""
        waiting = [t for t in trials if t.next_fold is not None]
        if waiting and waiting[0].searched:
            waiting.sort(key=lambda t: (t.next_fold, t.number))
        for trial in waiting:
            if trial.assigned:
                return trial
            if self._budget.allows(trial.algorithm, trial.folds):
                trial.seconds_a_fold = self._budget.share(trial.folds, searched=trial.searched)
                return trial
            trial.state, trial.reason = "timeout", "the time left was too short to begin"
        return None

    def _assign(self, pool: WorkerPool, trial: SearchTrial, sample: int | None = None) -> None:
        fold = trial.next_fold
        assert fold is not None
        trial.assigned.add(fold)
        label = f"{trial.name}.fold{fold + 1}"
        key = trial.key if sample is None else f"first-{trial.key}"
        order = FitOrder(
            key,
            trial.algorithm,
            dict(trial.settings),
            fold,
            trial.seed,
            seconds=trial.seconds_a_fold,
            end=self._budget.end,
            sample=sample,
            label=label,
        )
        self._assigned[key] = trial
        pool.assign(order)

    def _record(self, reply: FitReply) -> None:
        """Record the outcome of a fit."""
        trial = self._assigned[reply.order.trial]
        if reply.state == "complete":
            folder = reply.order.folder(self._results)
            assert (folder / RESULT).is_file()
            fit = FitResult.read(folder)
            trial.fits[reply.order.fold] = fit
            self._budget.learn(trial.algorithm, fit.seconds)
        elif trial.state == "waiting":
            trial.state = "timeout" if reply.state == "timeout" else "failed"
            trial.reason = reply.reason
            if trial.state == "timeout":
                self._budget.learn(trial.algorithm, reply.seconds)
            logger.warning("%s %s: %s", trial.name, trial.state, trial.reason)

    def _prune(self, trials: list[SearchTrial], best: SearchTrial | None) -> None:
        if not self._plan.auto.prune:
            return
        for trial in trials:
            if trial.state != "waiting" and not (trial.done and trial.state == "complete"):
                continue
            reference = best if best is not None else trials[0]
            if reference is trial or len(reference.fits) < reference.folds:
                continue
            margin = STUDY_MARGIN if trial.searched else PORTFOLIO_MARGIN
            judged = falls_behind(trial, reference.losses, margin)
            if judged:
                trial.judged = judged
                trial.state, trial.reason = "pruned", "its first folds were clearly worse"

    def _close_finished(self, trials: list[SearchTrial], best: SearchTrial | None) -> None:
        """Set the state of finished trials, and report them in order."""
        self._prune(trials, best)
        for trial in trials:
            if trial.state == "waiting" and trial.done:
                trial.state = "complete"
                if self._best is None or self._loss(trial) < self._loss(self._best):
                    self._best = trial
        while self._reported < len(self.trials) and self.trials[self._reported].state != "waiting":
            self._report(self.trials[self._reported])
            self._reported += 1

    def _loss(self, trial: SearchTrial) -> float:
        losses = trial.losses
        return sum(losses.values()) / len(losses)

    @property
    def _best_loss(self) -> float:
        return float("inf") if self._best is None else self._loss(self._best)

    def _report(self, trial: SearchTrial) -> None:
        assert trial.state != "waiting"
        value = self._loss(trial) if trial.fits else None
        name = self._plan.metric
        logger.info(
            "%s: %s%s, %.1f s",
            trial.name,
            trial.state,
            "" if value is None else f", {name} {metrics.shown(name, value):.5g}",
            trial.seconds,
        )
        progress.emit_trial(
            progress.TrialResult(
                number=trial.number,
                algorithm=trial.algorithm,
                settings=_flat(trial.settings),
                state=trial.state,
                value=None if value is None else metrics.shown(name, value),
                metrics={"latency_ms": trial.latency_ms} if trial.fits else {},
                seconds=trial.seconds,
                fold_values=tuple(metrics.shown(name, v) for v in trial.losses.values()),
            )
        )

    def _report_progress(self) -> None:
        done = self._budget.fraction
        most = self._plan.auto.max_trials
        if most is not None:
            fits = sum(len(trial.fits) for trial in self.trials)
            done = max(done, min(1.0, fits / (most * self._plan.folds)))
        known = {"progress.fraction": done, "progress.seconds_left": self._budget.seconds_to_end}
        if self._best is not None:
            known["auto.best"] = metrics.shown(self._plan.metric, self._best_loss)
        progress.emit(known, step=sum(len(trial.fits) for trial in self.trials))

    def _check(self) -> None:
        if self.usable:
            return
        reasons = [f"{t.name}: {t.reason}" for t in self.trials if t.state == "failed"]
        if reasons:
            raise MendableError(
                "model.algorithm: auto: no trial succeeded; " + "; ".join(reasons[:3])
            )
        raise MendableError(
            f"model.auto.time_budget_s: nothing could be learned in "
            f"{self._plan.auto.time_budget_s:g} s; give it more time, or fewer rows"
        )


def _flat(settings: object) -> dict[str, object]:
    assert isinstance(settings, dict)
    return {
        name: " ".join(map(str, value)) if isinstance(value, list | tuple) else value
        for name, value in settings.items()
    }
