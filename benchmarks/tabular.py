"""Results of the family's default settings on public tables.

    python benchmarks/tabular.py [adult california breast_cancer wine digits diabetes]
        [--seeds 5] [--mirror FOLDER] [--workers N] [--json FILE]

Protocols: Adult: the official training and test files, accuracy and AUC. California: 64/16/20 at
random, where the 16 % on which others choose their settings are rows of the cross-validation here;
RMSE in units of 100,000 dollars on the 20 %, one split a seed. scikit-learn's small tables: a fifth
held out. Only the file and the target are given.

On the same rows it measures guessing, a linear model, and LightGBM alone with this family's
settings. ``minutes`` cover reading, splitting, searching, choosing and answering.
"""

import argparse
import json
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crisol.models.tabular.auto import metrics
from crisol.models.tabular.data import sources
from crisol.models.tabular.data.parts import split
from crisol.models.tabular.data.prepare import clean
from crisol.models.tabular.data.sources import ADULT_COLUMNS
from crisol.models.tabular.data.tables import select
from crisol.models.tabular.params import DataParams, ModelParams, TrainParams
from crisol.models.tabular.report.baselines import guess
from crisol.models.tabular.training import Fitted, fit

SMALL = ("breast_cancer", "wine", "digits", "diabetes")
DOLLARS = 1e5


@dataclass(frozen=True)
class Case:
    """One table with one split."""

    name: str
    path: Path
    data: Mapping[str, Any]
    seed: int
    unit: float = 1.0


@dataclass(frozen=True)
class Line:
    """The result of one method."""

    table: str
    seed: int
    method: str
    rows: int
    scores: dict[str, float]
    seconds: float
    trials: int = 0
    members: str = ""


def cases(name: str, folder: Path, mirror: str | None, seeds: int) -> Iterator[Case]:
    """The splits of a table."""
    if name in SMALL:
        yield from (
            Case(name, _small(name, folder), {"target": "target", "split": {"seed": seed}}, seed)
            for seed in range(seeds)
        )
        return
    sources.fetch(folder, mirror)
    if name == "adult":
        read = {"header": False, "names": list(ADULT_COLUMNS)}
        data = {"target": "income", "label_strip": ".", "read": read}
        yield Case(name, folder / "adult", data, 0)
        return
    for seed in range(seeds):
        data = {"target": "median_house_value", "split": {"seed": seed}}
        yield Case(name, folder / "california" / "california.csv", data, seed, DOLLARS)


def _small(name: str, folder: Path) -> Path:
    from sklearn import datasets

    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    if name != "diabetes":
        frame["target"] = "class " + frame["target"].astype(int).astype(str)
    path = folder / f"{name}.csv"
    frame.to_csv(path, index=False)
    return path


def measure(case: Case, workers: int | None) -> list[Line]:
    """The results of AutoML with its defaults and of the other methods."""
    lines = []
    models: dict[str, dict[str, Any]] = {
        "auto": {"auto": {"workers": workers}},
        "lightgbm": {"algorithm": "lightgbm", "folds": 5},
        "linear": {"algorithm": "linear"},
    }
    for method, model in models.items():
        started = time.perf_counter()
        data = DataParams.model_validate(dict(case.data))
        cleaned = clean(case.path, data)
        parts = split(cleaned.rows, cleaned.schema_table, data)
        with tempfile.TemporaryDirectory() as checkpoints:
            fitted = fit(
                cleaned.rows,
                cleaned.images,
                parts,
                cleaned.schema_table,
                data,
                ModelParams.model_validate(model),
                TrainParams(),
                Path(checkpoints),
            )
        test = select(cleaned.rows, parts, "test")
        part = fitted.predictor.encoder.part(test, cleaned.images)
        answers = fitted.predictor.ensemble.predict(part.features)
        assert part.target is not None
        lines.append(_line(case, method, fitted, part.target, answers, started))
        if method == "linear":
            train = fitted.predictor.encoder.part(select(cleaned.rows, parts, "train"))
            guessed = guess(train, fitted.predictor.classes, len(test))
            lines.append(_line(case, "guessing", fitted, part.target, guessed, started))
    return lines


def _line(
    case: Case,
    method: str,
    fitted: Fitted,
    target: NDArray[Any],
    answers: NDArray[np.float64],
    started: float,
) -> Line:
    names: tuple[metrics.Metric, ...] = ("rmse", "mae")
    if answers.ndim == 2:
        names = ("accuracy", "auc", "log_loss")
    scores = {
        name: metrics.shown(name, metrics.loss(name, target, answers))
        / (case.unit if name in ("rmse", "mae") else 1.0)
        for name in names
    }
    board = fitted.leaderboard
    inside = board[(board["weight"] > 0) & (board["trial"] >= 0)]
    members = " ".join(f"{row.algorithm}:{row.weight:.2f}" for row in inside.itertuples())
    seconds = time.perf_counter() - started
    trials = int((board["trial"] >= 0).sum())
    return Line(case.name, case.seed, method, len(target), scores, seconds, trials, members)


def table(lines: list[Line]) -> pd.DataFrame:
    """Means over the seeds, with their spread."""
    rows = []
    for (name, method), group in pd.DataFrame(map(asdict, lines)).groupby(
        ["table", "method"], sort=False
    ):
        scores = pd.DataFrame(list(group["scores"]))
        row = {"table": name, "method": method, "seeds": len(group)}
        for metric in scores:
            spread = f" ± {scores[metric].std():.4f}" if len(group) > 1 else ""
            row[metric] = f"{scores[metric].mean():.4f}{spread}"
        row["minutes"] = f"{group['seconds'].max() / 60:.1f}"
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", default=["adult", "california"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--mirror", default=os.environ.get("CRISOL_DATA_MIRROR"))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.tables:
            for case in cases(name, Path(folder), arguments.mirror, arguments.seeds):
                for line in measure(case, arguments.workers):
                    lines.append(line)
                    print(json.dumps(asdict(line)), flush=True)
    print(table(lines).to_string(index=False))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(line) for line in lines], indent=1))


if __name__ == "__main__":
    main()
