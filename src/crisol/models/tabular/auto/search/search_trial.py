"""A trial of a search: an algorithm with settings, fitted fold by fold."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from crisol.core.arrays import Floats
from crisol.models.tabular.auto.workers.fitting import FitResult, trial_key
from crisol.models.tabular.features.folds import Folds

NOISE = 0.5
"""Share of the spread of the best's folds that a difference must exceed to mean something."""
State = Literal["waiting", "complete", "pruned", "failed", "timeout"]


@dataclass
class SearchTrial:
    """An algorithm with settings, and the fits it has so far.

    Attributes:
        number: within the search, from 0.
        algorithm: its name.
        settings: of the algorithm.
        seed: of everything random in its fits.
        folds: how many fits it takes.
        searched: whether the study proposed it.
        fits: finished ones, by fold.
        assigned: folds that a worker has or had.
        state: how it ended.
        reason: why it did not end well.
        seconds_a_fold: what one fit may take; ``None``: what is left.
        judged: how many first folds showed that it falls behind; ``None``: they did not.
    """

    number: int
    algorithm: str
    settings: Mapping[str, Any]
    seed: int
    folds: int
    searched: bool = False
    fits: dict[int, FitResult] = field(default_factory=dict)
    assigned: set[int] = field(default_factory=set)
    state: State = "waiting"
    reason: str = ""
    seconds_a_fold: float | None = None
    judged: int | None = None

    @property
    def name(self) -> str:
        """Its name in logs and ensembles."""
        return f"{self.algorithm}-{self.number}"

    @property
    def key(self) -> str:
        """The name of its folder of fits."""
        return trial_key(self.algorithm, self.settings, self.seed)

    @property
    def next_fold(self) -> int | None:
        """The first fold that no worker has."""
        if self.state != "waiting":
            return None
        return next((f for f in range(self.folds) if f not in self.assigned), None)

    @property
    def done(self) -> bool:
        """Whether every fold is fitted."""
        return len(self.fits) == self.folds

    @property
    def seconds(self) -> float:
        """The seconds of all its fits."""
        return sum(fit.seconds for fit in self.fits.values())

    @property
    def cpu_seconds(self) -> float:
        """The seconds of the processor that all its fits took."""
        return sum(fit.facts.get("cpu_seconds", 0.0) for fit in self.fits.values())

    @property
    def latency_ms(self) -> float:
        """The milliseconds of one row through all fold models."""
        return sum(fit.latency_ms for fit in self.fits.values())

    @property
    def losses(self) -> dict[int, float]:
        """The loss of each finished fold, in order; a pruned trial has those that decided it.

        The folds that ran when it was pruned depend on speed and are no result.
        """
        known = sorted(self.fits) if self.judged is None else range(self.judged)
        return {fold: self.fits[fold].loss for fold in known}

    def answers(self, folds: Folds) -> Floats:
        """Out-of-fold answers [N, K] or [N], means over the repeats; NaN where there is none."""
        total: Floats | None = None
        counts = np.zeros(folds.numbers.shape[1])
        for fold, fit in self.fits.items():
            said, rows = fit.answers, folds.rows(fold)[1]
            if total is None:
                total = np.zeros((len(counts), *said.shape[1:]))
            total[rows] += said
            counts[rows] += 1
        if total is None:
            raise ValueError(f"{self.name}: nothing was fitted")
        with np.errstate(invalid="ignore", divide="ignore"):
            return total / (counts if total.ndim == 1 else counts[:, None])


def falls_behind(trial: SearchTrial, best: Mapping[int, float], margin: float) -> int:
    """The number of first folds that show a trial to be clearly worse than the best; 0: none do.

    Looks at each beginning of the folds, so that the answer does not depend on which fold was
    finished first.

    Args:
        trial: to be judged.
        best: losses of the best so far, by fold.
        margin: share of the best's loss it may be worse by.
    """
    own, other = [], []
    spread = float(np.std(list(best.values())))
    for fold in range(trial.folds - 1):
        if fold not in trial.fits or fold not in best:
            return 0
        own.append(trial.fits[fold].loss)
        other.append(best[fold])
        behind = float(np.mean(own)) - float(np.mean(other))
        noise = NOISE * spread / math.sqrt(len(own))
        if behind > margin * abs(float(np.mean(other))) + noise:
            return len(own)
    return 0
