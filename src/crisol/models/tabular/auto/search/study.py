"""The Optuna study behind the portfolio: which settings to try next.

TPE (Bergstra et al. 2011; Optuna's multivariate version). The search asks for a few at once and
tells their results in order, so that with a seed the sequence does not depend on which worker was
quicker.
"""

import logging
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna

from crisol.core.errors import MendableError
from crisol.models.tabular.auto.search.spaces import SEARCHED, SPACES
from crisol.models.tabular.schema import Task

ALGORITHM = "algorithm"
BEST_KEPT = 3
"""Number of the best settings of a continued study that are fitted again first."""


class Study:
    """An Optuna study, in a database that other processes may share.

    Args:
        task: what is learned.
        allowed: algorithms that may be tried; empty: all.
        storage: URL of the database; ``None``: SQLite in ``folder``.
        name: of a study to go on with; ``None``: a new one called ``default_name``.
        default_name: unique to the data and settings.
        folder: for the SQLite file.
        seed: of the sampler.

    Raises:
        MendableError: the database cannot be reached.
    """

    def __init__(
        self,
        task: Task,
        allowed: Sequence[str],
        *,
        storage: str | None,
        name: str | None,
        default_name: str,
        folder: Path,
        seed: int,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        logging.getLogger("optuna").setLevel(logging.WARNING)
        self.algorithms = tuple(n for n in SEARCHED[task] if not allowed or n in allowed)
        place = storage or f"sqlite:///{folder / 'study.sqlite'}"
        # SQLAlchemy would look for another driver than the one that is installed with Crisol.
        place = re.sub(r"^postgres(ql)?://", "postgresql+psycopg2://", place)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                seed=seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=8
            )
        self._learned, self._drawn = sampler, optuna.samplers.RandomSampler(seed=seed)
        try:
            kept = optuna.storages.RDBStorage(place)
            if name is None:
                _forget(kept, default_name)
            self._study = optuna.create_study(
                study_name=name or default_name, storage=kept, sampler=sampler, load_if_exists=True
            )
        except Exception as error:
            raise MendableError(
                f"model.auto.storage: the study's database cannot be used "
                f"({type(error).__name__}: {str(error).splitlines()[0][:200]})"
            ) from error
        self._asked: dict[int, optuna.Trial] = {}

    def known(self) -> list[tuple[str, dict[str, Any]]]:
        """The best settings of the trials that the study had before, best first."""
        complete = [
            t
            for t in self._study.get_trials(
                deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)
            )
            if t.params.get(ALGORITHM) in self.algorithms
        ]
        complete.sort(key=lambda t: t.value or 0.0)
        return [
            (t.params[ALGORITHM], SPACES[t.params[ALGORITHM]](optuna.trial.FixedTrial(t.params)))
            for t in complete[:BEST_KEPT]
        ]

    def ask(
        self, number: int, leave_out: Sequence[str] = (), *, drawn: bool = False
    ) -> tuple[str, dict[str, Any]]:
        """Algorithm and settings for the trial of this number.

        Args:
            number: under which :meth:`tell` is called later.
            leave_out: algorithms for which there is no time left.
            drawn: whether the settings are drawn, and do not follow from earlier results.
        """
        self._study.sampler = self._drawn if drawn else self._learned
        names = [n for n in self.algorithms if n not in leave_out]
        if names and len(names) < len(self.algorithms):
            # Choices must be the same over all trials of a study, so the choice is given.
            self._study.enqueue_trial({ALGORITHM: names[number % len(names)]})
        trial = self._study.ask()
        self._asked[number] = trial
        name = str(trial.suggest_categorical(ALGORITHM, list(self.algorithms)))
        return name, SPACES[name](trial)

    def tell(self, number: int, value: float | None, folds: Mapping[int, float]) -> None:
        """Report a proposed trial: its loss, or ``None`` if it was pruned or failed."""
        trial = self._asked.pop(number, None)
        if trial is None:
            return
        for fold, loss in sorted(folds.items()):
            trial.report(loss, fold)
        if value is not None:
            self._study.tell(trial, value)
        elif folds:
            self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)


def _forget(storage: optuna.storages.RDBStorage, name: str) -> None:
    """Remove a study of that name, so that a restarted run gets the same proposals."""
    if any(name == known for known in optuna.get_all_study_names(storage)):
        optuna.delete_study(study_name=name, storage=storage)
