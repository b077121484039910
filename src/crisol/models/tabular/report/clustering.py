"""The evaluation of clusters, whose true groups are unknown.

Distances are those of the model's own space. Rows of no cluster (-1) count 0 in the silhouette.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.drawing import figures
from crisol.core.errors import MendableError
from crisol.core.metrics import bootstrap_interval
from crisol.models.tabular.algorithm import FitContext, algorithm
from crisol.models.tabular.features.cluster_space import ClusterSpace
from crisol.models.tabular.features.encoded_rows import Part
from crisol.models.tabular.params import DataParams, TrainParams
from crisol.models.tabular.report import plots
from crisol.models.tabular.report.predictions import why_incomparable
from crisol.models.tabular.settings import SETTINGS

if TYPE_CHECKING:
    from crisol.models.tabular.predictor import TabularPredictor

MOST_ROWS = 4000
"""Held-out rows whose distances are computed; their number grows with the square."""
STABILITY_ROWS = 5000
"""Training rows of which the two halves are clustered anew."""
NONE = -1


@dataclass(frozen=True)
class Clustered:
    """The evidence for clusters; see :class:`crisol.core.candidate.Evaluation`."""

    headline: str
    metrics: dict[str, float]
    tables: dict[str, list[dict[str, Any]]]
    data: list[str]
    limits: list[str]
    scores: pd.DataFrame
    figures: dict[str, Figure]


def judge(
    predictor: "TabularPredictor",
    champion: "TabularPredictor | None",
    train: Part,
    test: Part,
    rows: pd.DataFrame,
    names: pd.DataFrame,
    data: DataParams,
) -> Clustered:
    """Compare the clusters of held-out rows with rows dealt out at random, and the champion's.

    Args:
        predictor: the candidate.
        champion: the promoted model, if there is one.
        train: what it was fitted on, for the test of stability.
        test: the held-out rows as it sees them.
        rows: the same rows as they are.
        names: their ``row`` and ``group``.
        data: how they were read.
    """
    keep = np.arange(len(test))
    if len(keep) > MOST_ROWS:
        keep = np.sort(np.random.default_rng(0).choice(keep, MOST_ROWS, replace=False))
    test, rows, names = test.take(keep), rows.iloc[keep], names.iloc[keep].reset_index(drop=True)
    space = ClusterSpace.fit(train.features, seed=0)
    points = space.transform(test.features)
    labels = predictor.ensemble.predict(test.features).astype(np.int64)
    dealt = np.random.default_rng(0).permutation(labels)
    scores = names.assign(
        truth=0.0, candidate=silhouettes(points, labels), guessing=silhouettes(points, dealt)
    )
    incomparable = "" if champion is None else why_incomparable(champion.encoder, predictor.encoder)
    if champion is not None and not incomparable:
        predicted = champion.ensemble.predict(champion.encoder.transform(rows)).astype(np.int64)
        scores["champion"] = silhouettes(points, predicted)
    metrics = _metrics(points, labels, scores)
    metrics["stability"] = stability(predictor, train, test)
    return Clustered(
        _headline(metrics, data),
        metrics,
        {
            "Clusters of the held-out rows": cluster_rows(rows, labels, predictor),
            "Held-out rows": _comparison(scores),
        },
        _data(predictor, len(train), len(labels), data),
        _limits(metrics, incomparable, data),
        scores,
        _figures(points, labels, scores),
    )


def silhouettes(points: Floats, labels: NDArray[np.int64]) -> Floats:
    """The silhouette of each row (Rousseeuw 1987); 0 for rows of no cluster or alone in one."""
    from sklearn.metrics import silhouette_samples

    answer = np.zeros(len(labels))
    inside = labels != NONE
    if 2 <= len(np.unique(labels[inside])) < int(inside.sum()):
        answer[inside] = silhouette_samples(points[inside], labels[inside])
    return answer


def stability(predictor: "TabularPredictor", train: Part, test: Part) -> float:
    """Adjusted Rand index of the held-out rows under models fitted to two halves of the rest.

    1: the halves give the same clusters; 0: as alike as chance. NaN is never given: where a half
    has no clusters at all, it is 0.
    """
    from sklearn.metrics import adjusted_rand_score

    member = predictor.ensemble.members[0]
    settings = dict(member.settings)
    found = getattr(member.models[0], "centres", None)
    if member.algorithm == "kmeans" and found is not None:
        settings["clusters"] = len(found)
    order = np.random.default_rng(0).permutation(len(train))[:STABILITY_ROWS]
    predicted = []
    for seed, half in enumerate(np.array_split(order, 2)):
        context = FitContext("clustering", (), seed=seed, threads=1, train=TrainParams())
        checked = SETTINGS[member.algorithm].model_validate(settings)
        try:
            fit = algorithm(member.algorithm).fit(checked, train.take(np.sort(half)), None, context)
        except MendableError:
            return 0.0
        predicted.append(fit.model.predict(test.features))
    return float(adjusted_rand_score(*predicted))


def _metrics(points: Floats, labels: NDArray[np.int64], scores: pd.DataFrame) -> dict[str, float]:
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score

    inside = labels != NONE
    found = len(np.unique(labels[inside]))
    span = bootstrap_interval(scores["candidate"], scores["candidate"], scores["group"], "mean")
    metrics = {
        "silhouette": span.value,
        "silhouette_low": span.low,
        "silhouette_high": span.high,
        "guessing.silhouette": float(scores["guessing"].mean()),
        "clusters": float(found),
        "noise_share": float(1 - inside.mean()),
        "held_out_rows": float(len(labels)),
    }
    if 2 <= found < int(inside.sum()):
        metrics["davies_bouldin"] = float(davies_bouldin_score(points[inside], labels[inside]))
        metrics["calinski_harabasz"] = float(
            calinski_harabasz_score(points[inside], labels[inside])
        )
    return metrics


def cluster_rows(
    rows: pd.DataFrame, labels: NDArray[np.int64], predictor: "TabularPredictor"
) -> list[dict[str, Any]]:
    """Each cluster: its share of the rows, and what is usual in its columns."""
    table = []
    for label in np.unique(labels):
        own = rows[labels == label]
        row: dict[str, Any] = {
            "cluster": "none" if label == NONE else int(label),
            "rows": len(own),
            "share": round(len(own) / len(rows), 4),
        }
        for column in predictor.schema.features[:12]:
            cells = own[column.name].dropna()
            if column.kind == "number":
                row[column.name] = float(f"{cells.mean():.4g}") if len(cells) else None
            elif column.kind in ("category", "boolean"):
                row[column.name] = str(cells.mode().iloc[0]) if len(cells) else None
        table.append(row)
    return table


def _comparison(scores: pd.DataFrame) -> list[dict[str, Any]]:
    named = {"candidate": "this model", "champion": "champion", "guessing": "the same, dealt out"}
    return [
        {"model": name, "silhouette": round(float(scores[column].mean()), 4)}
        for column, name in named.items()
        if column in scores
    ]


def _headline(metrics: dict[str, float], data: DataParams) -> str:
    start = "On made-up rows: " if data.is_synthetic else ""
    text = (
        f"{start}{int(metrics['held_out_rows']):,} held-out rows of {data.title} fall into "
        f"{int(metrics['clusters'])} clusters with a silhouette of {metrics['silhouette']:.3f} "
        f"(95 % interval {metrics['silhouette_low']:.3f} to {metrics['silhouette_high']:.3f}; "
        f"{metrics['guessing.silhouette']:.3f} dealt out at random)"
    )
    if metrics["noise_share"] > 0:
        text += f", {metrics['noise_share']:.1%} into none"
    return f"{text}. Two halves of the training rows agree to {metrics['stability']:.2f} (of 1)."


def _data(
    predictor: "TabularPredictor", train_rows: int, test_rows: int, data: DataParams
) -> list[str]:
    made_up = " (synthetic: made up by code)" if data.is_synthetic else ""
    names = ", ".join(column.name for column in predictor.schema.features[:12])
    text = (
        f"{data.title}{made_up}: {train_rows:,} training rows, {test_rows:,} held-out rows "
        f"looked at. No target: rows that are alike are grouped by {names}."
    )
    return [text]


def _limits(metrics: dict[str, float], incomparable: str, data: DataParams) -> list[str]:
    found = ["Made-up rows: the figures say nothing of real ones."] if data.is_synthetic else []
    if metrics["silhouette"] < 0.25:
        found.append("The clusters overlap (silhouette below 0.25): their borders are arbitrary.")
    if metrics["stability"] < 0.7:
        found.append("Other rows would give other clusters (stability below 0.7).")
    if incomparable:
        found.append(f"The champion was not asked, because {incomparable}.")
    return [*found, "No one knows the true groups; a silhouette says how apart they are, not more."]


def _figures(
    points: Floats,
    labels: NDArray[np.int64],
    scores: pd.DataFrame,
) -> dict[str, Figure]:
    centred = points - points.mean(axis=0)
    _, strengths, axes = np.linalg.svd(centred, full_matrices=False)
    shares = strengths**2 / max(float((strengths**2).sum()), 1e-12)
    flat = centred @ axes[:2].T
    if flat.shape[1] < 2:
        flat, shares = np.column_stack([flat, np.zeros(len(flat))]), np.append(shares, 0.0)
    named = ["none" if label == NONE else f"cluster {label}" for label in labels]
    by = pd.Series(scores["candidate"].to_numpy()).groupby(named).mean()
    return {
        "clusters": plots.clusters(flat, named, (float(shares[0]), float(shares[1]))),
        "silhouettes": figures.bars(
            {str(name): float(value) for name, value in by.items()},
            title="How apart the clusters are",
            x="mean silhouette of the held-out rows",
        ),
    }
