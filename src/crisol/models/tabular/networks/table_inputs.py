"""A table as a network sees it: numbers on the scale of a normal distribution, rows of embeddings.

Legend: N rows, D numbers, C categories, S texts, Q bins of a number, W words of a text.

Sources: quantile scaling and bins of training quantiles as in TabM (arXiv:2410.24210) and
"On Embeddings for Numerical Features" (arXiv:2203.05556); bags of hashed words and pairs of words
as in fastText (arXiv:1607.01759).
"""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crisol.core.arrays import Floats
from crisol.models.tabular.features.encoded_rows import Features

QUANTILES = 1000
"""Most points of the curve from a number to its place in a normal distribution."""
ROWS_PER_QUANTILE = 30
BUCKETS = 2**14
"""Number of buckets for hashed words."""
WORDS = 96
"""Words and pairs of words of a text that are read; the rest is not."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class TableShape:
    """The sizes of a table that determine the shapes of a network's weights.

    Attributes:
        numbers: D.
        bins: Q.
        rows: rows of the table of category embeddings, the empty row 0 included.
        categories: C.
        texts: S.
    """

    numbers: int
    bins: int
    rows: int
    categories: int
    texts: int


@dataclass(frozen=True)
class TableInputs:
    """Fitted on training rows; turns :class:`Features` into tensors.

    Attributes:
        points: of each number the values [P_d] of its curve, ascending.
        heights: of each number the places [P_d] in a normal distribution that belong to them.
        slopes: [D, Q] of the bins on the scale of ``heights``; 0: there is no such bin.
        offsets: [D, Q] a bin is filled to ``clamp(slope * z + offset, 0, 1)``.
        row_of: of each category [cardinality] the row of its embedding by code; 0 (nothing) where
            training had no such code.
        texts: S names.
    """

    points: tuple[Floats, ...]
    heights: tuple[Floats, ...]
    slopes: NDArray[np.float32]
    offsets: NDArray[np.float32]
    row_of: tuple[NDArray[np.int32], ...]
    texts: tuple[str, ...]

    @classmethod
    def fit(cls, features: Features, bins: int) -> Self:
        """Scales, bins and known codes of the training rows."""
        curves = [_curve(column) for column in features.numbers.T]
        slopes, offsets = _bins([heights for _, heights in curves], bins)
        row_of, rows = [], 1
        for codes, size in zip(features.codes.T, features.cardinalities, strict=True):
            seen = np.unique(codes)
            found = np.zeros(size, np.int32)
            found[seen] = np.arange(rows, rows + len(seen))
            row_of.append(found)
            rows += len(seen)
        return cls(
            tuple(points for points, _ in curves),
            tuple(heights for _, heights in curves),
            slopes,
            offsets,
            tuple(row_of),
            features.text_names,
        )

    @property
    def shape(self) -> TableShape:
        """The sizes of these inputs."""
        rows = 1 + sum(int((r > 0).sum()) for r in self.row_of)
        numbers, bins = self.slopes.shape
        return TableShape(numbers, bins, rows, len(self.row_of), len(self.texts))

    def tensors(self, features: Features) -> dict[str, Tensor]:
        """The tensors that the network reads; only those that the table has.

        ``numbers`` float [N, D], ``missing`` float [N, D] of 0 and 1, ``rows`` int32 [N, C] and
        ``words`` int32 [N, S, W], 0 where there are no more.
        """
        made: dict[str, Tensor] = {}
        if self.points:
            missing = np.isnan(features.numbers)
            numbers = np.empty(features.numbers.shape, np.float32)
            for index, curve in enumerate(zip(self.points, self.heights, strict=True)):
                numbers[:, index] = np.interp(features.numbers[:, index], *curve)
            numbers[missing] = 0.0
            made["numbers"] = torch.from_numpy(numbers)
            made["missing"] = torch.from_numpy(missing.astype(np.float32))
        if self.row_of:
            rows = [row_of[features.codes[:, i]] for i, row_of in enumerate(self.row_of)]
            made["rows"] = torch.from_numpy(np.stack(rows, axis=1))
        if self.texts:
            made["words"] = torch.from_numpy(_hashed(features.texts))
        return made

    def arrays(self) -> dict[str, NDArray[Any]]:
        """For safetensors; :meth:`read` takes them back."""
        empty = np.zeros(0)
        return {
            "points": np.concatenate([empty, *self.points]),
            "heights": np.concatenate([empty, *self.heights]),
            "lengths": np.array([len(p) for p in self.points], np.int64),
            "slopes": self.slopes,
            "offsets": self.offsets,
            "rows": np.concatenate([empty.astype(np.int32), *self.row_of]),
            "cardinalities": np.array([len(r) for r in self.row_of], np.int64),
        }

    @classmethod
    def read(cls, arrays: Mapping[str, NDArray[Any]], texts: tuple[str, ...]) -> Self:
        """The inverse of :meth:`arrays`, given the names of the texts."""
        return cls(
            _cut(arrays["points"], arrays["lengths"]),
            _cut(arrays["heights"], arrays["lengths"]),
            arrays["slopes"],
            arrays["offsets"],
            _cut(arrays["rows"], arrays["cardinalities"]),
            texts,
        )


def _cut(joined: NDArray[Any], lengths: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
    """Joined arrays taken apart; safetensors' arrays have no owner, so they are copied."""
    if len(lengths) == 0:
        return ()
    return tuple(part.copy() for part in np.split(joined, np.cumsum(lengths)[:-1]))


def _curve(column: Floats) -> tuple[Floats, Floats]:
    """Ascending values of a number and their places in a normal distribution.

    Values that are frequent have the place of their middle rank.
    """
    there = column[np.isfinite(column)]
    if len(there) == 0:
        return np.zeros(1), np.zeros(1)
    count = max(min(len(there) // ROWS_PER_QUANTILE, QUANTILES), 10)
    shares = np.linspace(0, 1, count)
    values, where = np.unique(np.quantile(there, shares), return_inverse=True)
    shares = (shares * (len(there) - 1) + 0.5) / len(there)
    middle = np.bincount(where, shares) / np.bincount(where)
    normal = NormalDist()
    return values, np.array([normal.inv_cdf(share) for share in middle])


def _bins(curves: list[Floats], bins: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Slopes and offsets [D, Q] of bins that divide the points of each number's curve equally.

    These are quantiles, but for numbers of which one value is frequent: it takes one bin, and the
    others divide the rest.
    """
    slopes = np.zeros((len(curves), bins), np.float32)
    offsets = np.zeros((len(curves), bins), np.float32)
    for index, heights in enumerate(curves):
        where = np.unique(np.linspace(0, len(heights) - 1, bins + 1).round().astype(int))
        edges = heights[where]
        widths = np.diff(edges)
        slopes[index, : len(widths)] = 1 / widths
        offsets[index, : len(widths)] = -edges[:-1] / widths
    return slopes, offsets


def _hashed(texts: NDArray[np.object_]) -> NDArray[np.int32]:
    """Buckets [N, S, W] of the words and pairs of words of texts [N, S]."""
    found = np.zeros((*texts.shape, WORDS), np.int32)
    for row, cells in enumerate(texts):
        for column, text in enumerate(cells):
            words = _WORD.findall(text.lower())[:WORDS]
            pairs = [f"{a} {b}" for a, b in pairwise(words)]
            grams = [f"{column}:{gram}" for gram in (words + pairs)[:WORDS]]
            found[row, column, : len(grams)] = [
                1 + zlib.crc32(gram.encode()) % (BUCKETS - 1) for gram in grams
            ]
    return found
