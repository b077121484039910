"""The family's figures, drawn in the house style of :mod:`crisol.core.drawing.figures`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from crisol.core.drawing import figures
from crisol.core.metrics import Interval
from crisol.models.recommender.method_params import HYBRID, WITHOUT
from crisol.models.recommender.predictor import RecommenderPredictor
from crisol.models.recommender.report.results import StudyResult

MAP_ITEMS = 2000
"""So many items are drawn on a map, spread evenly over the popular and the rare."""
MAP_PERPLEXITY = 30.0
TAIL_METHODS = 6
"""So many methods share the long-tail figure, the best first; more cannot be told apart."""


def draw(
    results: list[StudyResult],
    registered: StudyResult,
    predictor: RecommenderPredictor,
    curve: list[dict[str, Any]],
    history: pd.DataFrame,
) -> dict[str, Figure]:
    """Every figure of an evaluation, by file name.

    Args:
        results: all studies.
        registered: the one the predictor comes from.
        predictor: for its map of the items.
        curve: diversity against accuracy, as in the report.
        history: learning curves of all networks.
    """
    drawn = {"diversity_accuracy": diversity_accuracy(curve, registered.study.k)}
    drawn |= item_maps(predictor)
    for result in results:
        name, k = result.study.name, result.study.k
        found = {method: s.metrics[result.metric] for method, s in result.summaries.items()}
        single = {m: found[m] for m in found if not m.startswith(WITHOUT)}
        drawn[f"{name}_models"] = comparison(
            single, title=f"{name}: held-out NDCG@{k}, 95 % intervals", x=f"NDCG@{k}"
        )
        if len(single) < len(found):
            parts = {m: found[m] for m in found if m == HYBRID or m.startswith(WITHOUT)}
            drawn[f"{name}_parts"] = comparison(
                parts, title=f"{name}: the hybrid without each of its parts", x=f"NDCG@{k}"
            )
        best = sorted(single, key=lambda method: -single[method].value)[:TAIL_METHODS]
        drawn[f"{name}_long_tail"] = long_tail(
            result.known.item_counts,
            {method: _times(result.measured[method].lists, result) for method in best},
            title=f"{name}: how much the popular items take",
        )
        drawn |= _learning_curves(name, history)
    return drawn


def comparison(found: Mapping[str, Interval], *, title: str, x: str) -> Figure:
    """A bar for each method, the best first, with its interval; the hybrid is drawn strongest."""
    order = sorted(found, key=lambda name: -found[name].value)
    return figures.bars(
        {name: found[name].value for name in order},
        title=title,
        x=x,
        intervals={name: (found[name].low, found[name].high) for name in order},
        highlight=[HYBRID] if HYBRID in found else (),
    )


def long_tail(
    item_counts: NDArray[np.int64],
    recommended: Mapping[str, NDArray[np.int64]],
    *,
    title: str = "How much the popular items take",
) -> Figure:
    """Which share of all events, and of each method's recommendations, the popular items take.

    A curve above that of the events says that a method recommends the popular more than people
    had them; one below, that it reaches further into the tail.

    Args:
        item_counts: [I] users that had each item.
        recommended: method to [I] how often it recommended each item.
        title: of the figure.
    """
    order = np.argsort(-item_counts, kind="stable")
    rank = np.arange(1, len(order) + 1)
    curves = {"events": (rank, _cumulative(item_counts[order]))}
    for name, times in recommended.items():
        curves[name] = (rank, _cumulative(times[order]))
    return figures.lines(
        curves,
        title=title,
        x="the n most popular items",
        y="their share",
        subtitle=f"of what people had, and of what each method recommended; {len(order):,} items",
        logarithmic="x",
        percent="y",
    )


def diversity_accuracy(curve: Sequence[Mapping[str, Any]], k: int) -> Figure:
    """Accuracy against variety: each point is the lists at one value of ``diversity``.

    Args:
        curve: rows with ``diversity``, ``NDCG@k`` and ``intra-list diversity``.
        k: length of the lists.
    """
    varieties = [row["intra-list diversity"] for row in curve]
    # Points that nearly meet would be written over one another; of those the first is named.
    apart, named = 0.03 * (max(varieties) - min(varieties)), [varieties[0]]
    labels = [f"{curve[0]['diversity']:g}"]
    for row, variety in zip(curve[1:], varieties[1:], strict=True):
        clear = abs(variety - named[-1]) > apart
        labels.append(f"{row['diversity']:g}" if clear else "")
        named += [variety] if clear else []
    return figures.lines(
        {
            "lists": (
                varieties,
                [row[f"NDCG@{k}"] for row in curve],
            )
        },
        title="What variety costs",
        x="intra-list diversity (1 - mean cosine of two items of a list)",
        y=f"NDCG@{k}",
        subtitle="the number at a point is the request's diversity",
        point_names={"lists": labels},
    )


def item_maps(predictor: RecommenderPredictor) -> dict[str, Figure]:
    """The predictor's items in two dimensions, where near ones are alike to it.

    Returns:
        ``item_map_popularity`` and, where the catalogue has categories, ``item_map_category``.
    """
    counts, categories = predictor.interactions.item_counts, predictor.catalogue.categories
    shown = map_items(counts, np.abs(predictor.likeness).sum(axis=1) > 0)
    places = project(predictor.likeness[shown])
    subtitle = f"t-SNE of the vectors behind similar items; {len(shown):,} of {len(counts):,} items"
    drawn = {
        "item_map_popularity": figures.scatter(
            places,
            title="Items by popularity",
            values=np.log10(counts[shown] + 1.0),
            value_name="users that had it, log10(n + 1)",
            subtitle=subtitle,
        )
    }
    if any(categories):
        groups = [categories[item] or "none given" for item in shown]
        drawn["item_map_category"] = figures.scatter(
            places, title="Items by category", groups=groups, subtitle=subtitle
        )
    return drawn


def map_items(counts: NDArray[np.int64], placed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """At most :data:`MAP_ITEMS` items that have a vector, evenly from popular to rare, by index."""
    order = np.argsort(-counts, kind="stable")
    order = order[placed[order]]
    picked = np.linspace(0, len(order) - 1, min(MAP_ITEMS, len(order))).astype(np.int64)
    return np.sort(order[picked])


def project(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """[N, 2] places of N vectors: t-SNE by cosine (van der Maaten and Hinton, 2008).

    Deterministic: it starts from the first two principal components. Fewer than four vectors are
    placed by those alone.
    """
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    units = units - units.mean(axis=0)
    left, sizes, _ = np.linalg.svd(units.astype(np.float64), full_matrices=False)
    start = np.zeros((len(units), 2))
    start[:, : min(2, len(sizes))] = left[:, :2] * sizes[:2]
    if len(units) < 4:
        return start
    from sklearn.manifold import TSNE

    start *= 1e-4 / max(float(start[:, 0].std()), 1e-12)
    perplexity = min(MAP_PERPLEXITY, (len(units) - 1) / 3)
    tsne = TSNE(init=start, perplexity=perplexity, random_state=0, n_jobs=1, max_iter=500)
    return np.asarray(tsne.fit_transform(units), dtype=np.float64)


def _learning_curves(study: str, history: pd.DataFrame) -> dict[str, Figure]:
    """One figure for each network of a study: its fits on training, and on what came after."""
    labels = history["label"].astype(str).str.split(".", expand=True)
    if labels.shape[1] < 2:
        return {}
    drawn = {}
    for method in dict.fromkeys(labels.loc[labels[0] == study, 1]):
        mine = history[(labels[0] == study) & (labels[1] == method)].dropna(axis=1, how="all")
        drawn[f"{study}_{method}_learning_curves"] = figures.learning_curves(
            mine, title=f"{study}: learning curves of {method}"
        )
    return drawn


def _times(lists: NDArray[np.int64], result: StudyResult) -> NDArray[np.int64]:
    return np.bincount(lists[lists >= 0], minlength=result.known.item_count)


def _cumulative(values: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.cumsum(values) / max(int(values.sum()), 1)
