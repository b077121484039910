"""Figures of pictures with captions, in the house style."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from crisol.core.drawing.style import COLOURS, INK, MUTED, canvas

CAPTION_CHARACTERS = 22
LINE_CHARACTERS, LINES = 17, 8
MIN_WIDTH = 5


@dataclass(frozen=True)
class Tile:
    """One picture of a grid.

    Attributes:
        pixels: [H, W, 3] uint8; ``None`` where there is no picture.
        caption: the lines below it; long ones are cut.
        mark: its frame: ``good``, ``bad``, or none.
        text: shown where there is no picture; long ones are cut.
    """

    pixels: NDArray[np.uint8] | None
    caption: Sequence[str]
    mark: str = ""
    text: str = "no picture"


def picture_grid(rows: Sequence[Sequence[Tile]], *, title: str, subtitle: str = "") -> Figure:
    """A figure of pictures in rows.

    Args:
        rows: tiles of each row; shorter rows end in empty places.
        title: of the figure.
        subtitle: a note for the reader.

    Raises:
        ValueError: there is no tile.
    """
    width = max((len(row) for row in rows), default=0)
    if not width:
        raise ValueError("picture_grid: there is no picture to show")
    figure = canvas(1.55 * max(width, MIN_WIDTH), 1.95 * len(rows) + 0.7)
    figure.suptitle(title, x=0.02, ha="left", fontsize=11, fontweight="bold", color=INK)
    if subtitle:
        figure.supxlabel(subtitle, fontsize=8.5, color=MUTED)
    grid: Any = figure.subplots(len(rows), width, squeeze=False)
    for line, axes_of_row in zip(rows, grid, strict=True):
        for at, axes in enumerate(axes_of_row):
            axes.set_xticks([])
            axes.set_yticks([])
            tile = line[at] if at < len(line) else None
            if tile is None:
                axes.set_visible(False)
            else:
                _draw(axes, tile)
    return figure


def _draw(axes: Any, tile: Tile) -> None:
    if tile.pixels is None:
        axes.set_facecolor("#f3f4f6")
        words = "\n".join(wrap(tile.text, LINE_CHARACTERS)[:LINES])
        axes.text(
            0.5, 0.5, words, ha="center", va="center", fontsize=7, color=INK, parse_math=False
        )
    else:
        axes.imshow(tile.pixels)
    colour = {"good": COLOURS[2], "bad": COLOURS[3]}.get(tile.mark, MUTED)
    for spine in axes.spines.values():
        spine.set_color(colour)
        spine.set_linewidth(2.0 if tile.mark else 0.6)
    cut = [
        line if len(line) <= CAPTION_CHARACTERS else line[: CAPTION_CHARACTERS - 1] + "…"
        for line in tile.caption
    ]
    # Captions are free text: dollar signs in them are no formula.
    axes.set_xlabel("\n".join(cut), fontsize=6.5, color=INK, parse_math=False)
