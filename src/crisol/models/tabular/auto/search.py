"""The search: first the portfolio, then the study, until time, trials or gains run out.

Fits go to worker processes, one fold at a time. The portfolio is one round; after it the study is
asked for :data:`ROUND` trials at a time, whose folds are fitted first folds first, so that what
falls behind can be given up. What is decided in a round depends on earlier rounds only, and results
are told in order: with ``max_trials`` and time enough two searches are the same.
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
from crisol.models.tabular.auto.first_answer import ROWS as FIRST_ROWS
from crisol.models.tabular.auto.fitting import RESULT, FitResult, Order
from crisol.models.tabular.auto.portfolio import Entry, pace
from crisol.models.tabular.auto.search_trial import Trial, falls_behind
from crisol.models.tabular.auto.study import Study
from crisol.models.tabular.auto.worker_pool import Crew, Reply
from crisol.models.tabular.params import AutoParams

logger = logging.getLogger(__name__)

ROUND = 4
"""Trials the study is asked for at once."""
PORTFOLIO_MARGIN = 0.15
"""Share of the loss a portfolio entry may be worse than the first one: it may still help."""
STUDY_MARGIN = 0.02
NO_GAIN_TRIALS = 12
LEAST_GAIN = 2e-3
"""The search ends when so many trials in a row did not lower the best loss by this share."""


@dataclass(frozen=True)
class Plan:
    """What a search is given.

    Attributes:
        folder: with the rows, folds and brief, and the results.
        folds: fits of a trial.
        metric: what is minimised.
        entries: the portfolio.
        auto: the person's choices.
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
        first: a small model that is there already, for want of a better one.
    """

    def __init__(
        self,
        plan: Plan,
        study: Callable[[], Study],
        budget: Budget,
        first: Trial | None = None,
    ) -> None:
        self._plan, self._open_study, self._budget = plan, study, budget
        self._results = plan.folder / "fits"
        self.trials: list[Trial] = []
        self._round: list[Trial] = []
        self._best: Trial | None = None
        self._told = 0
        self._stop_gaps = [] if first is None else [first]
        self._given: dict[str, Trial] = {}

    def run(self) -> list[Trial]:
        """All trials, those that came to nothing too.

        Raises:
            MendableError: no fit ended in time, or every one failed; names the cause.
        """
        self._results.mkdir(parents=True, exist_ok=True)
        with Crew(self._plan.folder, self._results, self._plan.workers) as crew:
            self._first_answer(crew)
            self._fit_round(crew, [self._trial(*entry) for entry in self._portfolio()])
            if not self._is_over():
                self._search(crew)
        self._make_do()
        self._check()
        return self.trials

    @property
    def usable(self) -> list[Trial]:
        """Complete trials; if there is none, the one that came furthest."""
        complete = [trial for trial in self.trials if trial.state == "complete"]
        if complete:
            return complete
        begun = [trial for trial in self.trials if trial.fits and trial.state != "failed"]
        if begun:
            return [max(begun, key=lambda trial: (len(trial.fits), -trial.number))]
        return []

    def _make_do(self) -> None:
        """Where no trial is complete, take what there is, and tell it."""
        for trial in self.usable:
            if trial.state != "complete":
                trial.reason = (
                    f"{len(trial.fits)} of {trial.folds} folds ended in time: the model is of these"
                )
                logger.warning("no trial was complete; %s: %s", trial.name, trial.reason)
            return
        ready = [trial for trial in self._stop_gaps if trial.fits]
        if ready:
            chosen = min(ready, key=self._loss)
            chosen.number, chosen.state = len(self.trials), "complete"
            chosen.reason = (
                f"a quick first model of {FIRST_ROWS:,} rows or fewer: nothing else ended in time"
            )
            logger.warning("%s: %s", chosen.name, chosen.reason)
            self.trials.append(chosen)
            self._tell(chosen)

    def _portfolio(self) -> Sequence[Entry]:
        most = self._plan.auto.max_trials
        return self._plan.entries if most is None else self._plan.entries[:most]

    def _first_answer(self, crew: Crew) -> None:
        """Where time is short, a small model of few rows comes first: then there is something."""
        if not self._budget.is_short or self._plan.metric == "silhouette":
            return
        names = {name for name, _ in self._plan.entries} - {t.algorithm for t in self._stop_gaps}
        for name, settings in (
            ("lightgbm", {"max_iterations": 30, "learning_rate": 0.2, "stopping_rounds": 5}),
            ("linear", {}),
        ):
            if name in names:
                trial = Trial(-1, name, settings, self._plan.seed, 1)
                self._stop_gaps.append(trial)
                self._give(crew, trial, sample=FIRST_ROWS)
                while trial.state == "waiting" and not trial.fits and self._budget.left > 0:
                    for reply in crew.wait(self._budget.end):
                        self._hear(reply)
                return

    def _search(self, crew: Crew) -> None:
        """Rounds of the study."""
        study = self._open_study()
        if not study.algorithms:
            return
        known = [self._paced(*entry) for entry in study.known()]
        known = [entry for entry in known if not self._was_tried(*entry)]
        if known and not self._is_over():
            self._fit_round(crew, [self._trial(*entry) for entry in known])
        without_gain, best = 0, self._best_loss
        while not self._is_over() and without_gain < NO_GAIN_TRIALS:
            size = min(ROUND, self._trials_left)
            leave_out = [
                n for n in study.algorithms if not self._budget.allows(n, self._plan.folds)
            ]
            if len(leave_out) == len(study.algorithms):
                break
            asked = []
            for _ in range(size):
                trial = self._trial(*self._paced(*study.ask(len(self.trials), leave_out)))
                trial.searched = True
                asked.append(trial)
            self._fit_round(crew, asked)
            for trial in asked:
                value = self._loss(trial) if trial.state == "complete" else None
                study.tell(trial.number, value, trial.losses)
            gained = best - self._best_loss > LEAST_GAIN * abs(best)
            without_gain = 0 if gained else without_gain + size
            best = self._best_loss if gained else best
        if without_gain >= NO_GAIN_TRIALS:
            logger.info("the search ends: %d trials in a row brought no gain", without_gain)

    def _trial(self, algorithm: str, settings: object) -> Trial:
        assert isinstance(settings, dict)
        trial = Trial(len(self.trials), algorithm, settings, self._plan.seed, self._plan.folds)
        self.trials.append(trial)
        return trial

    def _paced(self, algorithm: str, settings: Mapping[str, Any]) -> Entry:
        return algorithm, {**pace(algorithm, self._plan.rows), **settings}

    def _was_tried(self, algorithm: str, settings: object) -> bool:
        return any(t.algorithm == algorithm and t.settings == settings for t in self.trials)

    @property
    def _trials_left(self) -> int:
        most = self._plan.auto.max_trials
        return ROUND if most is None else most - len(self.trials)

    def _is_over(self) -> bool:
        return self._trials_left <= 0 or self._budget.left <= 0

    def _fit_round(self, crew: Crew, trials: list[Trial]) -> None:
        """Fit every fold of the trials, as far as time goes and they do not fall behind."""
        self._round, best = trials, self._best
        while True:
            while crew.idle and (trial := self._next(trials)) is not None:
                self._give(crew, trial)
            if crew.idle == crew.size:
                break
            for reply in crew.wait(self._budget.end):
                self._hear(reply)
                self._prune(trials, best)
            self._tell_progress()
            self._settle(trials, best)
            if self._budget.left <= 0:
                break
        for trial in trials:
            if trial.state == "waiting":
                trial.state = "timeout"
                trial.reason = trial.reason or "the search's time was over"
        self._settle(trials, best)

    def _next(self, trials: list[Trial]) -> Trial | None:
        """Whose turn it is: the portfolio trial by trial, the study's first folds first."""
        waiting = [t for t in trials if t.next_fold is not None]
        if waiting and waiting[0].searched:
            waiting.sort(key=lambda t: (t.next_fold, t.number))
        for trial in waiting:
            if trial.given:
                return trial
            if self._budget.allows(trial.algorithm, trial.folds):
                trial.seconds_a_fold = self._budget.share(trial.folds, searched=trial.searched)
                return trial
            trial.state, trial.reason = "timeout", "the time left was too short to begin"
        return None

    def _give(self, crew: Crew, trial: Trial, sample: int | None = None) -> None:
        fold = trial.next_fold
        assert fold is not None
        trial.given.add(fold)
        label = f"{trial.name}.fold{fold + 1}"
        key = trial.key if sample is None else f"first-{trial.key}"
        order = Order(
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
        self._given[key] = trial
        crew.give(order)

    def _hear(self, reply: Reply) -> None:
        """Take note of what became of a fit."""
        trial = self._given[reply.order.trial]
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

    def _prune(self, trials: list[Trial], best: Trial | None) -> None:
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

    def _settle(self, trials: list[Trial], best: Trial | None) -> None:
        """Close what is done, and tell it, in order."""
        self._prune(trials, best)
        for trial in trials:
            if trial.state == "waiting" and trial.done:
                trial.state = "complete"
                if self._best is None or self._loss(trial) < self._loss(self._best):
                    self._best = trial
        while self._told < len(self.trials) and self.trials[self._told].state != "waiting":
            self._tell(self.trials[self._told])
            self._told += 1

    def _loss(self, trial: Trial) -> float:
        losses = trial.losses
        return sum(losses.values()) / len(losses)

    @property
    def _best_loss(self) -> float:
        return float("inf") if self._best is None else self._loss(self._best)

    def _tell(self, trial: Trial) -> None:
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

    def _tell_progress(self) -> None:
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
