"""Searches of small tables, and an algorithm that misbehaves in worker processes."""

import os
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.models.tabular.algorithms.tables import part

from crisol.models.tabular.auto.automl import Problem, SearchResult, search
from crisol.models.tabular.auto.search.portfolio import Entry
from crisol.models.tabular.features.folds import divide
from crisol.models.tabular.params import AutoParams, TrainParams

QUICK: Entry = ("lightgbm", {"max_iterations": 30, "learning_rate": 0.2, "leaves": 7})
STRAIGHT: Entry = ("linear", {})
STUBBORN = """
    import os
    import time

    from crisol.models.tabular.algorithms.linear import Linear

    SLEEPS, DIES, RAISES, SLEEPS_LATER = 1.0, 2.0, 3.0, 4.0

    class Stubborn(Linear):
        @classmethod
        def fit(cls, settings, train, valid, context):
            later = settings.c == SLEEPS_LATER and not context.label.endswith("fold1")
            if settings.c == SLEEPS or later:
                time.sleep(3600)
            if settings.c == DIES:
                os.abort()
            if settings.c == RAISES:
                raise RuntimeError("as bad as it gets")
            return super().fit(settings, train, valid, context)
"""
INSTALL = """
    import crisol.models.tabular.algorithms as home
    from crisol.models.tabular.algorithm import WHERE

    home.__path__.append({folder!r})
    WHERE["linear"] = "stubborn.Stubborn"
"""


def problem(rows: int = 240, task: str = "classification", folds: int = 3) -> Problem:
    """A made-up table with a task."""
    made = part(rows, task, texts=False)
    classes = {"classification": ("no", "yes"), "three": ("a", "b", "c"), "regression": ()}[task]
    kind: Any = "regression" if task == "regression" else "classification"
    return Problem(kind, classes, made, divide(made.target, rows, folds, 0), 0)


def run(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    entries: Sequence[Entry] = (QUICK, STRAIGHT),
    what: Problem | None = None,
    **auto: Any,
) -> SearchResult:
    """Search with a portfolio of these entries."""
    monkeypatch.setattr("crisol.models.tabular.auto.automl.portfolio", lambda *_: list(entries))
    params = AutoParams.model_validate({"time_budget_s": 600, "max_trials": len(entries), **auto})
    folder.mkdir(parents=True, exist_ok=True)
    return search(what or problem(), params, TrainParams(), folder, time.monotonic())


def make_stubborn(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers started from now on have an algorithm ``linear`` that does not do as it is told."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stubborn.py").write_text(textwrap.dedent(STUBBORN))
    (folder / "sitecustomize.py").write_text(textwrap.dedent(INSTALL).format(folder=str(folder)))
    given = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{given}" if given else str(folder))


def states(found: SearchResult) -> list[str]:
    """How the trials ended."""
    return [trial.state for trial in found.trials]


def scores(found: SearchResult) -> pd.DataFrame:
    """What must not differ between two searches."""
    columns = ["trial", "algorithm", "settings", "score", "fold_spread", "weight", "state"]
    return found.leaderboard[columns]


def answers(found: SearchResult) -> np.ndarray:
    """Of the ensemble to rows of its own."""
    return found.chosen.ensemble.predict(part(40, "classification", seed=9, texts=False).features)
