"""The baselines of a model: guessing, which it must beat, and a linear model."""

import logging
import time

import numpy as np

from crisol.core.arrays import Floats
from crisol.core.errors import MendableError
from crisol.models.tabular.algorithm import FitContext, OutOfTime
from crisol.models.tabular.algorithms.linear import Linear
from crisol.models.tabular.features.encoded_rows import Part
from crisol.models.tabular.params import TrainParams
from crisol.models.tabular.schema import Task
from crisol.models.tabular.settings import LinearSettings

logger = logging.getLogger(__name__)

LINEAR_SECONDS = 10.0
"""Time limit of the report's linear model."""
LINEAR_ROWS = 100_000
"""It learns from at most so many training rows."""


def guess(train: Part, classes: tuple[str, ...], rows: int) -> Floats:
    """Predict every row alike: the shares of the classes [rows, K], or the mean [rows]."""
    assert train.target is not None  # clustering is not guessed so
    if not classes:
        return np.full(rows, float(np.mean(train.target)))
    counts = np.bincount(train.target.astype(np.int64), minlength=len(classes))
    return np.tile(counts / counts.sum(), (rows, 1))


def fit_linear(train: Part, task: Task, classes: tuple[str, ...]) -> Linear | None:
    """A linear model of the training rows; ``None`` for pictures, or where it takes too long."""
    if task not in ("classification", "regression", "text"):
        return None
    if len(train) > LINEAR_ROWS:
        keep = np.random.default_rng(0).choice(len(train), LINEAR_ROWS, replace=False)
        train = train.take(np.sort(keep))
    context = FitContext(
        task,
        classes,
        seed=0,
        threads=1,
        train=TrainParams(),
        deadline=time.monotonic() + LINEAR_SECONDS,
        label="linear",
    )
    try:
        model = Linear.fit(LinearSettings(), train, None, context).model
    except (MendableError, OutOfTime) as problem:
        logger.warning("no linear model to compare with: %s", problem)
        return None
    assert isinstance(model, Linear)  # what its fit gives
    return model
