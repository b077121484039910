"""``algorithm: auto``: searches, chooses, and hands on an ensemble."""

import contextlib
import hashlib
import json
import logging
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from crisol.core.params import cores
from crisol.models.tabular.algorithm import algorithm
from crisol.models.tabular.auto.budget import Budget
from crisol.models.tabular.auto.leaderboard import leaderboard
from crisol.models.tabular.auto.metrics import Metric, metric_of
from crisol.models.tabular.auto.search.first_answer import LINEAR, first_answer
from crisol.models.tabular.auto.search.portfolio import NETWORKS, Entry, portfolio
from crisol.models.tabular.auto.search.search import Plan, Search
from crisol.models.tabular.auto.search.search_trial import SearchTrial
from crisol.models.tabular.auto.search.study import Study
from crisol.models.tabular.auto.selection.ensemble_selection import (
    EnsembleSelector,
    SelectedEnsemble,
)
from crisol.models.tabular.auto.workers.fitting import RESULT, FitOrder, FitSpec, Fitter
from crisol.models.tabular.auto.workers.shared_part import digest
from crisol.models.tabular.auto.workers.worker_pool import WorkerUse
from crisol.models.tabular.features.encoded_rows import Part
from crisol.models.tabular.features.folds import Folds
from crisol.models.tabular.params import AutoParams, ModelParams, TrainParams
from crisol.models.tabular.schema import Task

logger = logging.getLogger(__name__)

PREFIX = "fits-"
"""Prefix of the folders in which trainings keep finished fits."""


@dataclass(frozen=True)
class SearchResult:
    """The results of a search.

    Attributes:
        chosen: the ensemble.
        trials: everything that was tried.
        leaderboard: the same as a table.
        history: curves of the ensemble's fits.
        workers: the work of each worker process; see
            :class:`crisol.models.tabular.auto.workers.worker_pool.WorkerUse`.
    """

    chosen: SelectedEnsemble
    trials: list[SearchTrial]
    leaderboard: pd.DataFrame
    history: pd.DataFrame
    workers: pd.DataFrame


@dataclass(frozen=True)
class Problem:
    """The training rows, their target's task and their folds.

    Attributes:
        task: its kind.
        classes: of the target.
        part: the training rows.
        folds: their division.
        seed: of everything random.
        encoding_ms: what turning a row into features takes, where latency is limited.
    """

    task: Task
    classes: tuple[str, ...]
    part: Part
    folds: Folds
    seed: int
    encoding_ms: float = 0.0

    @property
    def fits(self) -> int:
        """Fits of one trial."""
        return 1 if self.task == "clustering" else len(self.folds)


def search(
    problem: Problem, auto: AutoParams, train: TrainParams, folder: Path, started: float
) -> SearchResult:
    """Search until the time is over.

    Args:
        problem: what is to be learned.
        auto: how to search.
        train: of networks.
        folder: see :func:`training_folder`; the caller clears it.
        started: monotonic seconds from which the time counts.

    Raises:
        MendableError: nothing could be learned in time, or nothing keeps the latency limit.
    """
    workers = auto.workers or cores()
    budget = Budget(auto.time_budget_s, workers, started)
    metric = metric_of(problem.task, auto.metric)
    spec = FitSpec(problem.task, problem.classes, metric, train)
    fitter = Fitter(spec, problem.part, problem.folds, folder / "fits")
    fitter.write(folder)
    entries = in_time(portfolio(problem.task, auto.algorithms, len(problem.part)), budget)
    first = None
    if budget.is_short and LINEAR in {name for name, _ in entries}:
        first = first_answer(fitter, budget, problem.seed)
    threading.Thread(target=_load, args=(entries,), daemon=True).start()
    plan = Plan(
        folder, problem.fits, metric, entries, auto, problem.seed, workers, len(problem.part)
    )

    def open_study() -> Study:
        return Study(
            problem.task,
            auto.algorithms,
            storage=auto.storage,
            name=auto.study,
            default_name=f"crisol-{folder.name}",
            folder=folder,
            seed=problem.seed,
        )

    if auto.storage is None:
        (folder / "study.sqlite").unlink(missing_ok=True)  # its trials are asked for again
    running = Search(plan, open_study, budget, first)
    trials = running.run()
    choice = EnsembleSelector(
        problem.task,
        metric,
        problem.part,
        problem.folds,
        budget,
        problem.seed,
        auto.stack,
        auto.latency_limit_ms,
        problem.encoding_ms,
    )
    chosen = choice.best(running.usable)
    logger.info(
        "the search took %.1f s: %d trials, %d in the ensemble",
        time.monotonic() - started,
        len(trials),
        len(chosen.weights),
    )
    return _result(chosen, trials, metric, running.uses)


def in_time(entries: list[Entry], budget: Budget) -> list[Entry]:
    """Without networks where time is short: loading their library alone takes seconds."""
    quick = [entry for entry in entries if entry[0] not in NETWORKS]
    return quick if budget.is_short and quick else entries


def _load(entries: list[Entry]) -> None:
    """Import the libraries of the chosen models while the workers fit."""
    for name in dict.fromkeys(name for name, _ in entries):
        with contextlib.suppress(Exception):  # a fit that needs it tells
            algorithm(name)


def training_folder(checkpoints: Path, name: str) -> Path:
    """Open the folder of one training, with the fits of an earlier start; remove the others."""
    folder = checkpoints / f"{PREFIX}{name}"
    for other in checkpoints.glob(f"{PREFIX}*"):
        if other != folder:
            logger.warning("%s belongs to other data or settings and is discarded", other.name)
            shutil.rmtree(other, ignore_errors=True)
    if folder.is_dir():
        done = len(list(folder.glob(f"fits/*/*/{RESULT}")))
        logger.info("%s: the training resumes; %d fits are done", folder.name, done)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def clear(checkpoints: Path) -> None:
    """Remove the folders of finished fits, once the training is saved."""
    for folder in checkpoints.glob(f"{PREFIX}*"):
        shutil.rmtree(folder)


def fit_one(
    problem: Problem, name: str, settings: Mapping[str, Any], train: TrainParams, folder: Path
) -> SearchResult:
    """Fit one algorithm on every fold, in this process: an ensemble of one."""
    spec = FitSpec(problem.task, problem.classes, metric_of(problem.task, "auto"), train)
    threads = train.cpu_threads or cores()
    fitter = Fitter(spec, problem.part, problem.folds, folder / "fits", threads)
    trial = SearchTrial(0, name, settings, problem.seed, problem.fits)
    for fold in range(trial.folds):
        label = name if trial.folds == 1 else f"{name}.fold{fold + 1}"
        order = FitOrder(trial.key, name, settings, fold, problem.seed, label=label)
        trial.fits[fold] = fitter.fit(order)
    trial.state = "complete"
    budget = Budget(float("inf"), 1)
    choice = EnsembleSelector(
        problem.task, spec.metric, problem.part, problem.folds, budget, problem.seed, False, None
    )
    return _result(choice.best([trial]), [trial], spec.metric)


def _result(
    chosen: SelectedEnsemble,
    trials: list[SearchTrial],
    metric: Metric,
    uses: Sequence[WorkerUse] = (),
) -> SearchResult:
    table = leaderboard(trials, chosen, metric)
    workers = pd.DataFrame(
        [asdict(use) for use in uses], columns=[field.name for field in fields(WorkerUse)]
    )
    return SearchResult(chosen, trials, table, curves(trials, chosen.weights), workers)


def curves(trials: list[SearchTrial], weights: dict[int, float]) -> pd.DataFrame:
    """The histories of the fits that are in the ensemble, one below the other."""
    rows = [
        row
        for trial in trials
        if trial.number in weights
        for fold in sorted(trial.fits)
        for row in trial.fits[fold].history
    ]
    if not rows:
        return pd.DataFrame(
            {"label": pd.Series(dtype=str), "epoch": pd.Series(dtype=int), "train_loss": []}
        ).astype({"train_loss": float})
    return pd.DataFrame(rows)


def fingerprint(problem: Problem, model: ModelParams, train: TrainParams) -> str:
    """The digest of everything that determines the fits, but not their number."""
    untold = {"time_budget_s", "workers", "storage", "study", "latency_limit_ms", "max_trials"}
    parts = [
        problem.task,
        problem.classes,
        problem.seed,
        digest(problem.part),
        hashlib.sha256(problem.folds.numbers.tobytes()).hexdigest(),
        problem.folds.expanding,
        model.model_dump(mode="json", exclude={"auto": untold}),
        train.model_dump(mode="json"),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
