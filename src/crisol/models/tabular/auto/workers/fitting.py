"""One fit of one trial, and its results on disk.

A fit is known by its trial's key and its fold. Its folder appears in one step when it is done::

    <key>/<fold>/result.json    seconds, loss, facts, history, the model's state
    <key>/<fold>/answers.npy    of the held-out rows
    <key>/<fold>/model/         what the algorithm wrote

A search that is started again finds it there and does not repeat it.
"""

import hashlib
import json
import logging
import math
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crisol.core.arrays import Floats
from crisol.core.errors import MendableError
from crisol.core.files import remove_scratch, replacing_file, replacing_folder
from crisol.models.tabular.algorithm import Algorithm, FitContext, algorithm
from crisol.models.tabular.algorithms.paired import Paired, read_model
from crisol.models.tabular.auto import metrics
from crisol.models.tabular.auto.workers.shared_part import read_part, write_part
from crisol.models.tabular.features.encoded_rows import Features, Part
from crisol.models.tabular.features.folds import Folds
from crisol.models.tabular.features.pairs import Pairs
from crisol.models.tabular.params import TrainParams
from crisol.models.tabular.schema import Task
from crisol.models.tabular.settings import SETTINGS

logger = logging.getLogger(__name__)

RESULT = "result.json"
SPEC = "fit_spec.json"
LATENCY_CALLS = 12


@dataclass(frozen=True)
class FitSpec:
    """The specification that all fits of a search share, on disk beside the rows.

    Attributes:
        task: what is learned.
        classes: of the target.
        metric: what a fit is judged by.
        train: of networks.
    """

    task: Task
    classes: tuple[str, ...]
    metric: metrics.Metric
    train: TrainParams

    def write(self, folder: Path) -> None:
        """Write it as JSON; of ``train`` only the fields that were set."""
        state = {
            "task": self.task,
            "classes": self.classes,
            "metric": self.metric,
            "train": self.train.model_dump(mode="json", exclude_unset=True),
        }
        (folder / SPEC).write_text(json.dumps(state))

    @classmethod
    def read(cls, folder: Path) -> "FitSpec":
        """Read what :meth:`write` wrote."""
        state = json.loads((folder / SPEC).read_text())
        train = TrainParams.model_validate(state["train"])
        return cls(state["task"], tuple(state["classes"]), state["metric"], train)


@dataclass(frozen=True)
class FitOrder:
    """The order of one fit, which the search sends to a worker.

    Attributes:
        trial: the trial's key.
        algorithm: its name.
        settings: of the algorithm.
        fold: which rows are held out.
        seed: of everything random.
        seconds: what it may take once it has begun; ``None``: no limit.
        end: monotonic seconds, of this machine, when it must have ended in any case.
        sample: learn from so many of the rows at most; ``None``: from all.
        label: names the fit in curves.
    """

    trial: str
    algorithm: str
    settings: Mapping[str, Any]
    fold: int
    seed: int
    seconds: float | None = None
    end: float | None = None
    sample: int | None = None
    label: str = ""

    def deadline(self, started: float) -> float | None:
        """The deadline of a fit that began at ``started`` (both monotonic seconds)."""
        limits = [started + self.seconds] if self.seconds is not None else []
        limits += [self.end] if self.end is not None else []
        return min(limits, default=None)

    def folder(self, root: Path) -> Path:
        """The folder of its result."""
        return root / self.trial / str(self.fold)


@dataclass(frozen=True)
class FitResult:
    """The result of a fit.

    Attributes:
        folder: with the answers and the model.
        seconds: its duration.
        loss: of the held-out rows, less is better.
        latency_ms: median of answering one row.
        facts: figures that the algorithm reports.
        history: its curve, one mapping an epoch.
        state: the JSON that reading the model needs.
        algorithm: its name.
    """

    folder: Path
    seconds: float
    loss: float
    latency_ms: float
    facts: Mapping[str, float]
    history: list[dict[str, Any]]
    state: Mapping[str, Any]
    algorithm: str

    @classmethod
    def read(cls, folder: Path) -> "FitResult":
        """Read a finished fit's record."""
        return cls(folder=folder, **json.loads((folder / RESULT).read_text()))

    @property
    def answers(self) -> Floats:
        """The model's answers to the held-out rows."""
        found: Floats = np.load(self.folder / "answers.npy")
        return found

    def model(self) -> Algorithm:
        """The fitted algorithm."""
        return read_model(self.algorithm, self.folder / "model", self.state)


def trial_key(name: str, settings: Mapping[str, Any], *more: object) -> str:
    """The key of a trial: equal algorithm, settings and whatever else decides give equal keys."""
    text = json.dumps([name, dict(settings), *more], sort_keys=True, default=str)
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Fitter:
    """Fits algorithms on the folds of one set of rows.

    Attributes:
        spec: shared by all fits.
        part: the training rows.
        folds: their division.
        root: folder of the results.
        threads: processor threads of one fit.
    """

    spec: FitSpec
    part: Part
    folds: Folds
    root: Path
    threads: int = 1

    def write(self, folder: Path) -> None:
        """Write rows, folds and specification for other processes."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folds.write(folder)
        self.spec.write(folder)
        write_part(self.part, folder)

    @classmethod
    def read(cls, folder: Path, root: Path) -> "Fitter":
        """Read what :meth:`write` wrote, rows mapped into memory."""
        return cls(FitSpec.read(folder), read_part(folder), Folds.read(folder), root)

    def fit(self, order: FitOrder) -> FitResult:
        """Fit, score and write one order; a result that exists is only read.

        Raises:
            MendableError: the rows or settings do not suit the algorithm.
            OutOfTime: the time was too short for anything.
        """
        folder = order.folder(self.root)
        if not (folder / RESULT).is_file():
            self._fit(order, folder)
        return FitResult.read(folder)

    def _fit(self, order: FitOrder, folder: Path) -> None:
        chosen = algorithm(order.algorithm)
        started, worked = time.monotonic(), time.process_time()
        train, valid = self._rows(order)
        context = FitContext(
            task=self.spec.task,
            classes=self.spec.classes,
            seed=order.seed,
            threads=self.threads,
            train=self.spec.train,
            deadline=order.deadline(started),
            checkpoints=folder.with_name(f"{folder.name}-epochs"),
            label=order.label,
        )
        settings = SETTINGS[order.algorithm].model_validate(dict(order.settings))
        pairs = self._pairs(order, train, getattr(settings, "pairs", 0))
        seen = None if valid is None else _with(pairs, valid)
        fit = chosen.fit(settings, _with(pairs, train), seen, context)
        model: Algorithm = fit.model
        if pairs.chosen:
            model = Paired(model, pairs, train.features.number_names)
        judged = train if valid is None else valid
        answers = model.predict(judged.features)
        if not np.isfinite(answers).all():
            raise MendableError(f"{order.algorithm}: its answers are not finite")
        history = fit.history
        remove_scratch(folder)
        with replacing_folder(folder) as scratch:
            np.save(scratch / "answers.npy", answers)
            (scratch / "model").mkdir()
            state = model.write(scratch / "model")
            record = {
                "seconds": time.monotonic() - started,
                "loss": judge(self.spec, judged, answers),
                "latency_ms": one_row_ms(model, judged.features),
                "facts": {name: float(value) for name, value in fit.facts.items()}
                | {"cpu_seconds": time.process_time() - worked},
                "history": [] if history is None else json.loads(history.to_json(orient="records")),
                "state": state,
                "algorithm": order.algorithm,
            }
            (scratch / RESULT).write_text(json.dumps(record))
        shutil.rmtree(folder.with_name(f"{folder.name}-epochs"), ignore_errors=True)

    def _pairs(self, order: FitOrder, train: Part, count: int) -> Pairs:
        """The pairs for the rows of a fold; they are computed once and kept in a file."""
        if not count or self.spec.task not in ("classification", "regression"):
            return Pairs(())
        file = self.root / f"pairs-{order.fold}-{order.seed}-{order.sample}-{count}.json"
        if file.is_file():
            return Pairs(tuple((a, o, b) for a, o, b in json.loads(file.read_text())))
        classes = len(self.spec.classes)
        found = Pairs.find(train, self.spec.task, classes, order.seed, count)
        with replacing_file(file) as scratch:
            scratch.write_text(json.dumps(found.chosen))
        return found

    def _rows(self, order: FitOrder) -> tuple[Part, Part | None]:
        if self.spec.task == "clustering":
            return self.part.take(np.arange(len(self.part))), None
        learned, held_out = self.folds.rows(order.fold)
        if order.sample is not None and len(learned) > order.sample:
            random = np.random.default_rng((order.seed, 11))
            learned = np.sort(random.choice(learned, order.sample, replace=False))
        return self.part.take(learned), self.part.take(held_out)


def _with(pairs: Pairs, part: Part) -> Part:
    return Part(pairs.apply(part.features), part.target)


def judge(spec: FitSpec, part: Part, answers: Floats) -> float:
    """The loss of answers to rows."""
    if spec.metric == "silhouette":
        from crisol.models.tabular.auto.workers.clusters import silhouette

        return -silhouette(part.features, answers)
    assert part.target is not None  # every other task has one
    return metrics.loss(spec.metric, part.target, answers)


def one_row_ms(model: Algorithm, features: Features) -> float:
    """Median milliseconds of answering one row on one thread."""
    taken = []
    for index in range(LATENCY_CALLS):
        row = features.take(slice(index % len(features), index % len(features) + 1))
        started = time.perf_counter()
        model.predict(row)
        taken.append(time.perf_counter() - started)
    median = float(np.median(taken[2:])) * 1000
    return median if math.isfinite(median) else 0.0
