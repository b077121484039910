"""The house style of every figure."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, GRID = "#1f2430", "#6b7280", "#e5e7eb"
COLOURS = ("#2563a8", "#d9772b", "#3a8f5c", "#b13f52", "#7a5aa6", "#8a6f4d", "#4a9fb0", "#9aa0aa")
"""Distinguishable in print and with the common colour-vision deficiencies; used in this order."""
SEQUENTIAL = "Blues"
DPI = 120


def canvas(width: float = 7.2, height: float = 4.2) -> Figure:
    """An empty figure, its size in inches."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.1)
    return figure


def style(
    axes: Axes, *, title: str = "", x: str = "", y: str = "", grid: str = "both", pad: float = 10
) -> None:
    """Set the title, the axis names, the spines and the grid of ``axes``."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(MUTED)
    axes.tick_params(colors=MUTED, labelcolor=INK, labelsize=9)
    axes.set_axisbelow(True)
    if grid != "none":
        axes.grid(visible=True, axis=grid, color=GRID, linewidth=0.8)  # type: ignore[arg-type]
    if title:
        axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK, pad=pad)
    axes.set_xlabel(x, fontsize=9.5, color=INK)
    axes.set_ylabel(y, fontsize=9.5, color=INK)


def legend(axes: Axes, **where: Any) -> None:
    """Draw the legend without a frame."""
    axes.legend(frameon=False, fontsize=9, labelcolor=INK, **where)
