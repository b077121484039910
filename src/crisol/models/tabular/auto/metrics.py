"""The metrics of a search, as losses.

Every metric is turned so that less is better, and is a mean over rows where it can be.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.errors import MendableError
from crisol.models.tabular.ensemble import SMALLEST
from crisol.models.tabular.schema import Task

Metric = Literal["log_loss", "accuracy", "auc", "rmse", "mae", "silhouette"]

BY_TASK: dict[Task, tuple[Metric, ...]] = {
    "classification": ("log_loss", "accuracy", "auc"),
    "text": ("log_loss", "accuracy", "auc"),
    "image": ("log_loss", "accuracy", "auc"),
    "regression": ("rmse", "mae"),
    "clustering": ("silhouette",),
}
"""The metrics of each task; the first is ``auto``."""
HIGHER_IS_BETTER = frozenset({"accuracy", "auc", "silhouette"})


def metric_of(task: Task, asked: str) -> Metric:
    """The metric a search of this task minimises.

    Raises:
        MendableError: the metric is of another task.
    """
    known = BY_TASK[task]
    if asked == "auto":
        return known[0]
    for metric in known:
        if metric == asked:
            return metric
    raise MendableError(
        f"model.auto.metric: {asked!r} does not measure {task}; use auto or one of: "
        + ", ".join(known)
    )


def loss(metric: Metric, target: NDArray[Any], answers: Floats) -> float:
    """The loss of answers: less is better.

    Args:
        metric: of a supervised task.
        target: class codes [N] or numbers [N].
        answers: probabilities [N, K] or numbers [N].
    """
    if metric == "rmse":
        return float(np.sqrt(np.mean((answers - target) ** 2)))
    if metric == "mae":
        return float(np.mean(np.abs(answers - target)))
    codes = target.astype(np.int64)
    if metric == "accuracy":
        return float(np.mean(answers.argmax(axis=1) != codes))
    if metric == "auc":
        return 1 - _auc(codes, answers)
    chosen = answers[np.arange(len(codes)), codes]
    return float(-np.mean(np.log(np.clip(chosen, SMALLEST, 1.0))))


def shown(metric: Metric, value: float) -> float:
    """The metric's usual value, from its loss."""
    if metric == "silhouette":
        return -value
    return 1 - value if metric in HIGHER_IS_BETTER else value


def _auc(codes: NDArray[np.int64], answers: Floats) -> float:
    """Area under the ROC curve; of several classes the mean of each against the rest."""
    from scipy.stats import rankdata

    classes = [1] if answers.shape[1] == 2 else range(answers.shape[1])
    areas = []
    for code in classes:
        positive = codes == code
        wins = int(positive.sum())
        if 0 < wins < len(codes):
            ranks = rankdata(answers[:, code])
            losses = len(codes) - wins
            areas.append((ranks[positive].sum() - wins * (wins + 1) / 2) / (wins * losses))
    return float(np.mean(areas)) if areas else 0.5
