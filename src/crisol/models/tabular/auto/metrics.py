"""The metrics of a search, as losses.

Every metric is turned so that less is better, and is a mean over rows where it can be.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.errors import MendableError
from crisol.models.tabular.algorithms.probabilities import log_probabilities
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
        area = auc(codes, answers)
        return 0.5 if area is None else 1 - area
    return float(-np.mean(log_probabilities(answers[np.arange(len(codes)), codes])))


def shown(metric: Metric, value: float) -> float:
    """The metric's usual value, from its loss."""
    if metric == "silhouette":
        return -value
    return 1 - value if metric in HIGHER_IS_BETTER else value


def auc(truth: NDArray[np.int64], probabilities: Floats) -> float | None:
    """Area under the ROC curve; of several classes the mean of each against the rest.

    Returns:
        ``None`` where no class has rows both in it and out of it.
    """
    from sklearn.metrics import roc_auc_score

    areas = [
        float(roc_auc_score(truth == code, probabilities[:, code]))
        for code in ([1] if probabilities.shape[1] == 2 else range(probabilities.shape[1]))
        if 0 < int((truth == code).sum()) < len(truth)
    ]
    return float(np.mean(areas)) if areas else None
