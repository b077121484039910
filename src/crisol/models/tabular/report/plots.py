"""The family's figures, in the style of :mod:`crisol.core.drawing.style`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.classification import confusion_matrix, reliability_bins
from crisol.core.drawing import figures
from crisol.core.drawing.style import COLOURS, INK, MUTED, canvas, legend, style
from crisol.models.tabular.report.supervised import LINEAR, MODEL, Judged

if TYPE_CHECKING:
    from crisol.models.tabular.report.importance import Permuted, Shap

MOST_BARS = 20
MOST_CLASSES = 20
"""More classes are not drawn as a matrix."""
MOST_CURVES = 6
MOST_POINTS = 4000
PLACES = 1000
"""Points a curve is drawn with."""


def supervised(
    judged: Judged,
    history: pd.DataFrame,
    leaderboard: pd.DataFrame,
    permuted: "Permuted | None",
    shap: "Shap | None",
) -> dict[str, Figure]:
    """Every figure of a model that learned a target, by file name."""
    drawn = learning(history)
    if judged.regression:
        drawn["predicted_and_true"] = predicted_and_true(judged)
    else:
        names, truth = judged.schema.classes, judged.truth
        if len(names) <= MOST_CLASSES:
            matrix = confusion_matrix(truth, judged.decided(MODEL), np.arange(len(names)))
            drawn["confusion"] = figures.confusion(matrix, names)
        bins = {
            name: reliability_bins(truth, judged.predicted[name])
            for name in (MODEL, LINEAR)
            if name in judged.predicted
        }
        drawn["reliability"] = figures.reliability(bins)
        drawn["roc_and_precision"] = roc_and_precision(judged)
    if permuted is not None and permuted.increase:
        drawn["importance"] = importance(permuted, "RMSE" if judged.regression else "log-loss")
    if shap is not None:
        drawn["shap"] = beeswarm(shap)
    if len(leaderboard) > 1:
        drawn["leaderboard"] = trials(leaderboard)
    return drawn


def learning(history: pd.DataFrame) -> dict[str, Figure]:
    """A figure of learning curves for each kind of algorithm; their losses and epochs differ."""
    if history.empty or "train_loss" not in history:
        return {}
    kinds = (
        history["label"].astype(str).str.extract(r"^([a-z_]+?)(?:[-./ ].*)?$")[0].fillna("model")
    )
    drawn = {}
    for kind, part in history.groupby(kinds.to_numpy(), sort=False):
        curves = part.dropna(axis=1, how="all")
        if "epoch" not in curves or not {"train_loss", "valid_loss"}.intersection(curves.columns):
            continue
        title = f"Learning curves: {str(kind).replace('_', ' ')}"
        figure = figures.learning_curves(curves, title=title)
        if str(kind) in ("lightgbm", "xgboost"):
            figure.axes[0].set_xlabel("iteration")
        drawn[f"learning_curves_{kind}"] = figure
    return drawn


def roc_and_precision(judged: Judged) -> Figure:
    """The ROC curve, and precision against recall.

    Two classes: of the second, the linear model beside. More: each against the rest, the most
    frequent ones.
    """
    from sklearn.metrics import precision_recall_curve, roc_curve

    names, truth = judged.schema.classes, judged.truth
    curves: list[tuple[str, NDArray[np.bool_], Floats]] = []
    if len(names) == 2:
        there = [name for name in (MODEL, LINEAR) if name in judged.predicted]
        curves += [(name, truth == 1, judged.predicted[name][:, 1]) for name in there]
        about = f"{names[1]!r} against {names[0]!r}"
    else:
        often = np.argsort(-np.bincount(truth, minlength=len(names)), kind="stable")
        model = judged.predicted[MODEL]
        curves += [(names[code], truth == code, model[:, code]) for code in often[:MOST_CURVES]]
        about = "each class against the rest"
    figure = canvas(9.6, 4.6)
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--")
    for colour, (name, positive, score) in zip(COLOURS, curves, strict=False):
        if not 0 < positive.sum() < len(positive):
            continue
        false, true, _ = roc_curve(positive, score)
        area = float(np.trapezoid(true, false))
        left.plot(*_thinned(false, true), color=colour, linewidth=1.8, label=f"{name} ({area:.3f})")
        precision, recall, _ = precision_recall_curve(positive, score)
        right.plot(*_thinned(recall, precision), color=colour, linewidth=1.8, label=name)
    for axes in (left, right):
        axes.set(xlim=(0, 1), ylim=(0, 1.01))
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    style(left, title=f"ROC, {about}", x="false alarms", y="found")
    style(right, title="Precision and recall", x="recall", y="precision")
    legend(left, loc="lower right", title="area under the curve", title_fontsize=8.5)
    legend(right, loc="lower left")
    return figure


def _thinned(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    if len(x) <= PLACES:
        return x, y
    keep = np.unique(np.linspace(0, len(x) - 1, PLACES).astype(int))
    return x[keep], y[keep]


def predicted_and_true(judged: Judged) -> Figure:
    """Predictions against the truth, and what is missed."""
    truth, predicted = judged.truth, judged.predicted[MODEL]
    rows = np.arange(len(truth))
    if len(rows) > MOST_POINTS:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_POINTS, replace=False))
    figure = canvas(9.6, 4.6)
    left, right = figure.subplots(1, 2)
    low = float(min(truth.min(), predicted.min()))
    high = float(max(truth.max(), predicted.max()))
    left.plot([low, high], [low, high], color=MUTED, linewidth=1, linestyle="--", label="perfect")
    size = float(np.clip(4000 / len(rows), 3, 20))
    left.scatter(truth[rows], predicted[rows], s=size, alpha=0.45, linewidths=0, color=COLOURS[0])
    errors = predicted - truth
    wide = float(np.quantile(np.abs(errors), 0.995)) or 1.0
    edges = np.linspace(-wide, wide, int(np.clip(len(truth) / 8, 15, 61)))
    for name, colour in ((MODEL, COLOURS[0]), (LINEAR, COLOURS[1])):
        if name in judged.predicted:
            missed = judged.predicted[name] - truth
            right.hist(missed, bins=edges, histtype="step", linewidth=1.8, color=colour, label=name)
    target = judged.schema.target
    name = target.name if target is not None else "target"
    for axis in (left.xaxis, left.yaxis, right.xaxis):
        axis.set_major_formatter(FuncFormatter(_plain))
    style(left, title=f"{name}: predicted and true", x="true", y="predicted")
    style(right, title="What is missed", x="predicted minus true", y="held-out rows")
    right.yaxis.set_major_locator(MaxNLocator(integer=True))
    right.axvline(0, color=MUTED, linewidth=0.9)
    legend(left, loc="upper left")
    legend(right, loc="upper right")
    return figure


def _plain(value: float, _: Any) -> str:
    return f"{value / 1000:,.0f}k" if abs(value) >= 10_000 else f"{value:,g}"


def importance(permuted: "Permuted", loss: str) -> Figure:
    """The increase of the loss when each column is permuted."""
    top = list(permuted.increase)[:MOST_BARS]
    return figures.bars(
        {name: permuted.increase[name] for name in top},
        title="What the answers depend on",
        x=f"increase of {loss} when the column is shuffled ({permuted.how})",
        intervals={
            name: (
                permuted.increase[name] - permuted.spread[name],
                permuted.increase[name] + permuted.spread[name],
            )
            for name in top
        },
    )


def beeswarm(shap: "Shap") -> Figure:
    """SHAP values of the rows, a line of points for each feature, coloured by its value."""
    strength = shap.strength
    top = sorted(strength, key=lambda name: -strength[name])[:12]
    figure = canvas(7.8, 1.6 + 0.42 * len(top))
    axes = figure.subplots()
    places = {name: place for place, name in enumerate(shap.features.number_names)}
    image = None
    for line, name in enumerate(top):
        values = shap.values[:, shap.names.index(name)]
        height = line + _spread(values)
        look: dict[str, Any] = {"s": 9, "linewidths": 0, "alpha": 0.8}
        if name in places:
            colours = _ranks(shap.features.numbers[:, places[name]])
            image = axes.scatter(values, height, c=colours, cmap="coolwarm", vmin=0, vmax=1, **look)
        else:
            axes.scatter(values, height, color=MUTED, **look)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(top)), top)
    axes.invert_yaxis()
    if image is not None:
        bar = figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02, ticks=[0, 1])
        bar.ax.set_yticklabels(["low", "high"])
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=8, labelcolor=INK, length=0)
    style(
        axes,
        title=f"SHAP values of {shap.member} (grey: no order of values)",
        x="what the feature adds to the answer, on the member's own scale",
        grid="x",
    )
    return figure


def _spread(values: Floats, bins: int = 60, most: float = 0.38) -> Floats:
    """Heights that keep points of like value apart."""
    low, high = float(values.min()), float(values.max())
    codes = np.zeros(len(values), int)
    if high > low:
        codes = np.minimum(((values - low) / (high - low) * bins).astype(int), bins - 1)
    counts = np.bincount(codes)
    heights = np.zeros(len(values))
    for code in np.flatnonzero(counts > 1):
        inside = np.flatnonzero(codes == code)
        reach = most * counts[code] / counts.max()
        heights[inside] = np.linspace(-reach, reach, len(inside))
    return heights


def _ranks(values: Floats) -> Floats:
    """Ranks in [0, 1]; missing ones in the middle."""
    from scipy.stats import rankdata

    there = ~np.isnan(values)
    answer = np.full(len(values), 0.5)
    if there.any():
        ranks = rankdata(values[there], "dense") - 1
        answer[there] = ranks / max(ranks.max(), 1)
    return answer


def trials(leaderboard: pd.DataFrame) -> Figure:
    """The score and the seconds of each trial."""
    done = leaderboard[leaderboard["score"].notna()].head(MOST_BARS)
    names = [
        kind if kind == "ensemble" else f"{kind}-{number}"
        for kind, number in zip(done["algorithm"], done["trial"], strict=True)
    ]
    figure = canvas(9.6, max(2.6, 1.4 + 0.34 * len(names)))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.6, 1])
    places = np.arange(len(names))
    strong = done["weight"].fillna(0).to_numpy(float) > 0
    colours = [COLOURS[0] if used else "#a9b8cc" for used in strong]
    score = done["score"].to_numpy(float)
    left.scatter(score, places, color=colours, s=42, zorder=3)
    for place, value in enumerate(score):
        left.annotate(
            f"{value:.4g}", (value, place), xytext=(7, 0), textcoords="offset points",
            va="center", fontsize=8.5, color=INK,
        )  # fmt: skip
    right.barh(places, done["seconds"].to_numpy(float), color=colours, height=0.6)
    left.set_yticks(places, names)
    left.invert_yaxis()
    left.margins(x=0.18)
    metric = str(done["metric"].iloc[0]) if "metric" in done and len(done) else "score"
    style(
        left,
        title="What was tried (strong: in the ensemble)",
        x=f"out-of-fold {metric.replace('_', '-')}",
        grid="x",
    )
    style(right, title="What it cost", x="seconds of fitting", grid="x")
    return figure


def clusters(points: Floats, labels: Sequence[str], shares: tuple[float, float]) -> Figure:
    """Held-out rows on the two axes along which rows differ most."""
    return figures.scatter(
        points,
        title="Clusters of the held-out rows",
        groups=labels,
        subtitle=f"principal components: {shares[0]:.0%} and {shares[1]:.0%} of the variance",
    )


def comparison(values: Mapping[str, float], *, title: str, x: str) -> Figure:
    """One bar for each model, this one strong."""
    return figures.bars(dict(values), title=title, x=x, highlight=[MODEL])
