"""Features of pictures without a network: colours and edges on a coarse grid.

Edges are histograms of oriented gradients (Dalal and Triggs, CVPR 2005), here without overlapping
blocks. Principal components reduce the features.

Legend: N pictures, S pixels a side, D numbers, K components.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crisol.core.arrays import Floats
from crisol.core.data.pictures import Pixels

_COLOUR_CELLS = 12
_EDGE_CELLS = 8
_DIRECTIONS = 8
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


def describe(pixels: Pixels) -> Floats:
    """[D] float32, the features of one picture [S, S, 3]; S is at least 16."""
    scaled = pixels.astype(np.float32) / 255
    grey = scaled @ _GREY
    down, across = np.gradient(grey)
    strength = np.hypot(down, across)
    angle = np.arctan2(down, across) % np.pi
    direction = np.minimum((angle / np.pi * _DIRECTIONS).astype(np.int64), _DIRECTIONS - 1)
    edges = strength[:, :, None] * (direction[:, :, None] == np.arange(_DIRECTIONS))
    cells = np.sqrt(_cell_means(edges, _EDGE_CELLS))
    return np.concatenate([_cell_means(scaled, _COLOUR_CELLS).ravel(), cells.ravel()])


def _cell_means(values: Floats, cells: int) -> Floats:
    """[cells, cells, channels] the means over the cells of a grid."""
    edges = np.linspace(0, len(values), cells + 1).astype(np.int64)
    sums = np.add.reduceat(np.add.reduceat(values, edges[:-1], axis=0), edges[:-1], axis=1)
    sizes = np.diff(edges)
    return np.asarray(sums / (sizes[:, None] * sizes)[:, :, None], np.float32)


@dataclass(frozen=True)
class PictureFeatures:
    """Principal components of :func:`describe`, each of variance 1 in training.

    Attributes:
        mean: [D] float32.
        axes: [D, K] float32.
    """

    mean: Floats
    axes: Floats

    @classmethod
    def fit(cls, pictures: Sequence[Pixels], components: int) -> "PictureFeatures":
        """The components of largest variance; fewer where there are fewer pictures."""
        described = np.stack([describe(pixels) for pixels in pictures]).astype(np.float64)
        mean = described.mean(axis=0)
        values, axes = np.linalg.eigh(np.cov(described, rowvar=False, bias=True))
        kept = min(components, len(pictures) - 1, int((values > 1e-9 * values[-1]).sum()))
        order = np.argsort(-values, kind="stable")[:kept]
        axes = axes[:, order]
        # The sign of an axis is arbitrary: its largest component is made positive.
        axes *= np.where(axes[np.abs(axes).argmax(axis=0), np.arange(kept)] < 0, -1, 1)
        # Row-major as after loading, so that sums agree to the last bit.
        scaled = np.ascontiguousarray(axes / np.sqrt(values[order]), np.float32)
        return cls(mean.astype(np.float32), scaled)

    def transform(self, pixels: Pixels) -> Floats:
        """[K] float32, the components of one picture."""
        return np.asarray((describe(pixels) - self.mean) @ self.axes)
