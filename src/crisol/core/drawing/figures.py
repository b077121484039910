"""Charts in one house style, for reports, model cards and notebooks.

Every function returns a new :class:`matplotlib.figure.Figure`; pyplot's global state and
matplotlib's settings are left alone, so figures can be made in any thread.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter, StrMethodFormatter
from numpy.typing import ArrayLike, NDArray

from crisol.core.classification import ReliabilityBin
from crisol.core.drawing.style import COLOURS, INK, MUTED, SEQUENTIAL, canvas, legend, style


def learning_curves(
    history: pd.DataFrame, *, value: str = "loss", title: str = "Learning curves"
) -> Figure:
    """Training and validation curves of a history (:class:`crisol.core.training.loop.TrainResult`).

    One training run: its two curves. Several (labels): each thin, the mean of those still
    training thick, as long as they are at least half.

    Args:
        history: with ``epoch``, ``train_<value>`` and/or ``valid_<value>``, and maybe ``label``.
        value: the column without its prefix.
        title: of the figure.

    Raises:
        ValueError: the history has neither column.
    """
    columns = [f"{part}_{value}" for part in ("train", "valid") if f"{part}_{value}" in history]
    if not columns:
        raise ValueError(f"history: has neither train_{value} nor valid_{value}")
    figure = canvas()
    axes = figure.subplots()
    runs = list(history.groupby("label", sort=False)) if "label" in history else [("", history)]
    names = {"train": "training", "valid": "validation"}
    for column, colour in zip(columns, COLOURS, strict=False):
        for _, run in runs if len(runs) > 1 else []:
            axes.plot(run["epoch"], run[column], color=colour, alpha=0.22, linewidth=0.9)
        by_epoch = history.groupby("epoch")[column]
        mean = by_epoch.mean()[by_epoch.count() * 2 >= len(runs)]
        name = names[column.split("_", 1)[0]]
        axes.plot(
            mean.index,
            mean,
            color=colour,
            linewidth=2,
            marker="o" if len(mean) == 1 else None,
            label=f"{name} (mean of {len(runs)})" if len(runs) > 1 else name,
        )
    if len(runs) == 1 and f"valid_{value}" in columns:
        _mark_best(axes, history, f"valid_{value}", lower_is_better="loss" in value)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    style(axes, title=title, x="epoch", y=value.replace("_", " "))
    legend(axes)
    return figure


def _mark_best(axes: Axes, history: pd.DataFrame, column: str, *, lower_is_better: bool) -> None:
    values = history[column].to_numpy(dtype=np.float64)
    position = int(np.nanargmin(values) if lower_is_better else np.nanargmax(values))
    epoch, best = float(history["epoch"].iloc[position]), float(values[position])
    axes.axvline(epoch, color=MUTED, linewidth=0.8, linestyle=":")
    axes.plot([epoch], [best], "o", color=COLOURS[1], markersize=5, label=f"best {best:.4g}")


def confusion(
    matrix: ArrayLike, labels: Sequence[str], *, title: str = "Confusion matrix"
) -> Figure:
    """Counts and row shares of predictions by true class.

    Args:
        matrix: (K, K) counts, row = truth, column = prediction.
        labels: K names.
        title: of the figure.

    Raises:
        ValueError: the matrix is not K by K.
    """
    counts = np.asarray(matrix, dtype=np.float64)
    size = len(labels)
    if counts.shape != (size, size):
        raise ValueError(f"matrix: shape {counts.shape} does not fit {size} labels")
    rows = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, rows, out=np.zeros_like(counts), where=rows > 0)
    edge = min(11.0, 2.6 + 0.85 * size if size <= 8 else 3.5 + 0.32 * size)
    figure = canvas(edge + 1.2, edge)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap=SEQUENTIAL, vmin=0, vmax=1)
    if size <= 12:
        for row, column in np.ndindex(size, size):
            share = shares[row, column]
            axes.text(
                column,
                row,
                f"{share:.0%}\n{counts[row, column]:,.0f}",
                ha="center",
                va="center",
                fontsize=9 if size <= 8 else 7,
                color="white" if share > 0.55 else INK,
            )
    axes.set_xticks(range(size), labels, rotation=0 if size <= 5 else 90)
    axes.set_yticks(range(size), labels)
    style(axes, title=title, x="predicted", y="true", grid="none")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    _colour_bar(figure, axes, image, "share of the true class", percent=True)
    return figure


def _colour_bar(
    figure: Figure, axes: Axes, image: Any, label: str, *, percent: bool = False
) -> None:
    bar = figure.colorbar(
        image, ax=axes, shrink=0.85, pad=0.02, format=PercentFormatter(1) if percent else None
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, colors=MUTED, labelcolor=INK)
    bar.set_label(label, fontsize=9, color=INK)


def reliability(
    bins: Mapping[str, Sequence[ReliabilityBin]], *, title: str = "Reliability"
) -> Figure:
    """Accuracy against confidence, with the share of the predictions in each bin below.

    Args:
        bins: name (such as ``calibrated``) to :func:`crisol.core.classification.reliability_bins`.
        title: of the figure.
    """
    figure = canvas(5.6, 5.8)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
    upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--", label="perfect")
    width = 0.8 / max(1, len(bins)) * 0.04
    for index, (name, rows) in enumerate(bins.items()):
        colour, offset = COLOURS[index % len(COLOURS)], (index - (len(bins) - 1) / 2) * width
        confidence = np.array([row.confidence for row in rows])
        share = np.array([row.share for row in rows])
        right = np.array([row.accuracy for row in rows])
        error = float((share * np.abs(right - confidence)).sum())
        upper.plot(
            confidence,
            right,
            "o-",
            color=colour,
            markersize=4,
            clip_on=False,
            label=f"{name} (ECE {error:.3f})",
        )
        lower.bar(confidence + offset, share, width=max(width, 0.012), color=colour, alpha=0.8)
    upper.set(xlim=(0, 1), ylim=(0, 1))
    for axes in (upper, lower):
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    style(upper, title=title, y="share right")
    style(lower, x="confidence", y="predictions")
    legend(upper, loc="upper left")
    return figure


def equity_curve(
    times: ArrayLike,
    curves: Mapping[str, ArrayLike],
    *,
    title: str = "Equity after costs",
    subtitle: str = "",
) -> Figure:
    """Growth of an amount of 1, and the distance of each curve from its highest point.

    Args:
        times: (T,) dates or numbers.
        curves: name to (T,) equity, starting near 1; the first is drawn strongest.
        title: of the figure.
        subtitle: the assumptions, such as the cost of a trade.
    """
    figure = canvas(7.6, 5.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2.6, 1])
    x = np.asarray(times)
    upper.axhline(1.0, color=MUTED, linewidth=0.9, linestyle="--")
    for index, (name, curve) in enumerate(curves.items()):
        equity = np.asarray(curve, dtype=np.float64)
        look: dict[str, Any] = {
            "color": COLOURS[index % len(COLOURS)],
            "linewidth": 1.9 if index == 0 else 1.1,
            "zorder": 3 if index == 0 else 2,
        }
        upper.plot(x, equity, label=f"{name} ({equity[-1] - 1:+.1%})", **look)
        fall = equity / np.maximum.accumulate(equity) - 1
        lower.plot(x, fall, **{**look, "linewidth": 1.0})
        if index == 0:
            lower.fill_between(x, fall, 0, color=COLOURS[0], alpha=0.15, linewidth=0)
    lower.yaxis.set_major_formatter(PercentFormatter(1))
    style(upper, title=f"{title}\n" if subtitle else title, y="value of 1 invested")
    dated = np.issubdtype(x.dtype, np.datetime64)
    style(lower, x="date" if dated else "bar", y="drawdown")
    if subtitle:
        upper.text(0, 1.025, subtitle, transform=upper.transAxes, fontsize=9, color=MUTED)
    if dated:
        lower.xaxis.set_major_locator(_dates(lower))
    legend(upper, loc="best")
    return figure


def _dates(axes: Axes) -> Any:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=4, maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    return locator


def attention_heatmap(
    weights: ArrayLike,
    rows: Sequence[str],
    *,
    title: str = "Where the network looks",
    x: str = "bars before the forecast",
    positions: Iterable[float] | None = None,
    mean: ArrayLike | None = None,
) -> Figure:
    """Attention over time, one row an example or a class, with a mean above.

    Args:
        weights: (R, T), each row summing to 1; the last column is the newest.
        rows: R names.
        title: of the figure.
        x: the name of the columns.
        positions: (T,) column values; ``-T … -1`` by default.
        mean: (T,) the curve above; the mean of the rows by default. Give the mean of all
            examples when the rows are only some of them.

    Raises:
        ValueError: the shape does not fit the names, or the mean not the shape.
    """
    table = np.asarray(weights, dtype=np.float64)
    if table.ndim != 2 or len(table) != len(rows):
        raise ValueError(f"weights: shape {table.shape} does not fit {len(rows)} rows")
    steps = table.shape[1]
    above = table.mean(axis=0) if mean is None else np.asarray(mean, dtype=np.float64)
    if above.shape != (steps,):
        raise ValueError(f"mean: shape {above.shape} does not fit {steps} columns")
    at = np.arange(-steps, 0) if positions is None else np.asarray(list(positions))
    figure = canvas(7.6, min(10.0, 2.8 + 0.32 * len(rows)))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1, max(1.0, 0.3 * len(rows))])
    step = float(at[1] - at[0]) if steps > 1 else 1.0
    upper.fill_between(at, above, color=COLOURS[0], alpha=0.25, linewidth=0)
    upper.plot(at, above, color=COLOURS[0], linewidth=1.8)
    upper.axhline(1 / steps, color=MUTED, linewidth=0.9, linestyle="--", label="uniform")
    extent = (at[0] - step / 2, at[-1] + step / 2, len(rows) - 0.5, -0.5)
    image = lower.imshow(table, aspect="auto", cmap=SEQUENTIAL, vmin=0, extent=extent)
    lower.set_yticks(range(len(rows)), rows)
    style(upper, title=title, y="mean weight")
    upper.set_ylim(bottom=0)
    legend(upper, loc="lower left")  # under the curve, where nothing else is drawn
    style(lower, x=x, grid="none")
    _colour_bar(figure, lower, image, "weight")
    return figure


def bars(
    values: Mapping[str, float],
    *,
    title: str,
    x: str,
    intervals: Mapping[str, tuple[float, float]] | None = None,
    highlight: Sequence[str] = (),
    reference: float | None = None,
    reference_label: str = "chance",
) -> Figure:
    """A horizontal bar for each name, in the order given, with its value written beside it.

    Args:
        values: name to value.
        title: of the figure.
        x: the name of the values, with their unit.
        intervals: name to (low, high).
        highlight: names drawn in the strong colour (all if empty).
        reference: a line to compare with.
        reference_label: the name of the line.
    """
    names = list(values)
    figure = canvas(7.2, max(2.2, 1.3 + 0.42 * len(names)))
    axes = figure.subplots()
    heights = np.array([values[name] for name in names])
    strong = set(highlight) or set(names)
    colours = [COLOURS[0] if name in strong else "#a9b8cc" for name in names]
    axes.barh(range(len(names)), heights, color=colours, height=0.62)
    ends = heights.copy()
    for index, name in enumerate(names):
        if intervals and name in intervals:
            low, high = intervals[name]
            axes.plot([low, high], [index, index], color=INK, linewidth=1.4, solid_capstyle="butt")
            ends[index] = max(high, heights[index], 0) if heights[index] >= 0 else min(low, 0)
    if reference is not None:
        axes.axvline(reference, color=COLOURS[3], linewidth=1.1, linestyle="--")
        axes.annotate(
            reference_label,
            (reference, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
            color=COLOURS[3],
        )
    largest = float(np.abs(heights).max())
    decimals = 3 if largest < 1 else 2 if largest < 10 else 1 if largest < 100 else 0
    for index, (end, value) in enumerate(zip(ends, heights, strict=True)):
        axes.annotate(
            f"{value:z,.{decimals}f}",
            (end, index),
            xytext=(5 if value >= 0 else -5, 0),
            textcoords="offset points",
            ha="left" if value >= 0 else "right",
            va="center",
            fontsize=9,
            color=INK,
        )
    axes.margins(x=0.12)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    if heights.min() < 0:
        axes.axvline(0, color=MUTED, linewidth=0.9)
    # The reference's label stands between the title and the bars.
    style(axes, title=title, x=x, grid="x", pad=10 if reference is None else 20)
    return figure


def lines(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    title: str,
    x: str,
    y: str,
    subtitle: str = "",
    logarithmic: str = "",
    percent: str = "",
    point_names: Mapping[str, Sequence[str]] | None = None,
) -> Figure:
    """One line for each name; up to eight lines can be told apart.

    Args:
        curves: name to (T,) x and (T,) y; the first is drawn strongest.
        title: of the figure.
        x: the name of the horizontal axis, with its unit.
        y: the name of the vertical axis, with its unit.
        subtitle: a note for the reader.
        logarithmic: axes with a logarithmic scale: ``x``, ``y``, ``xy`` or none.
        percent: axes that hold shares, shown in percent.
        point_names: curve to (T,) names written beside its points, which then are marked.

    Raises:
        ValueError: more curves than there are colours.
    """
    if len(curves) > len(COLOURS):
        raise ValueError(f"curves: {len(curves)} of them cannot be told apart; draw fewer")
    figure = canvas(7.6, 4.6)
    axes = figure.subplots()
    for index, (name, (across, up)) in enumerate(curves.items()):
        places = np.column_stack([np.asarray(across, float), np.asarray(up, float)])
        names = (point_names or {}).get(name, ())
        axes.plot(
            *places.T,
            color=COLOURS[index],
            linewidth=2.1 if index == 0 else 1.4,
            marker="o" if names else None,
            markersize=5,
            zorder=3 if index == 0 else 2,
            label=name,
        )
        for label, place in zip(names, places, strict=False):
            axes.annotate(
                label,
                (place[0], place[1]),
                xytext=(6, 5),
                textcoords="offset points",
                fontsize=8.5,
                color=MUTED,
            )
    for axis, scale in (("x", axes.set_xscale), ("y", axes.set_yscale)):
        if axis in logarithmic:
            scale("log")
            getattr(axes, f"{axis}axis").set_major_formatter(StrMethodFormatter("{x:,g}"))
        if axis in percent:
            getattr(axes, f"{axis}axis").set_major_formatter(PercentFormatter(1, decimals=None))
    style(axes, title=f"{title}\n" if subtitle else title, x=x, y=y)
    if subtitle:
        axes.text(0, 1.025, subtitle, transform=axes.transAxes, fontsize=9, color=MUTED)
    if len(curves) > 1:
        legend(axes, loc="best")
    return figure


def scatter(
    points: ArrayLike,
    *,
    title: str,
    groups: Sequence[str] | None = None,
    values: ArrayLike | None = None,
    value_name: str = "",
    subtitle: str = "",
) -> Figure:
    """A map of points, coloured by group or by value; its axes have no unit.

    Args:
        points: (N, 2) places.
        title: of the figure.
        groups: (N,) names; all but the seven largest share the last colour.
        values: (N,) numbers, instead of groups.
        value_name: the name of the values, with their unit.
        subtitle: a note for the reader.

    Raises:
        ValueError: the places are not (N, 2), or neither groups nor values are given, or both.
    """
    places = np.asarray(points, dtype=np.float64)
    if places.ndim != 2 or places.shape[1] != 2:
        raise ValueError(f"points: shape {places.shape} is not (N, 2)")
    if (groups is None) == (values is None):
        raise ValueError("scatter: give groups or values, one of them")
    figure = canvas(7.6, 5.6)
    axes = figure.subplots()
    size = float(np.clip(6000 / max(len(places), 1), 5, 36))
    look: dict[str, Any] = {"s": size, "linewidths": 0, "alpha": 0.8}
    across, up = places.T
    if groups is not None:
        for colour, (name, chosen) in zip(COLOURS, _largest(groups), strict=False):
            axes.scatter(across[chosen], up[chosen], color=colour, label=name, **look)
        legend(axes, loc="center left", bbox_to_anchor=(1.0, 0.5), markerscale=1.4)
    else:
        image = axes.scatter(across, up, c=np.asarray(values), cmap="viridis", **look)
        _colour_bar(figure, axes, image, value_name)
    style(axes, title=f"{title}\n" if subtitle else title, x="first axis of the map", grid="none")
    axes.set_ylabel("second axis of the map", fontsize=9.5, color=INK)
    axes.set(xticks=[], yticks=[])
    if subtitle:
        axes.text(0, 1.02, subtitle, transform=axes.transAxes, fontsize=9, color=MUTED)
    return figure


def _largest(groups: Sequence[str]) -> list[tuple[str, NDArray[np.bool_]]]:
    """The groups with their rows, largest first; groups beyond the colours are one."""
    names = np.asarray(groups, dtype=str)
    distinct, count = np.unique(names, return_counts=True)
    order = distinct[np.argsort(-count, kind="stable")]
    told = order if len(order) <= len(COLOURS) else order[: len(COLOURS) - 1]
    found = [(str(name), names == name) for name in told]
    if len(told) < len(order):
        found.append((f"{len(order) - len(told)} others", ~np.isin(names, told)))
    return found
