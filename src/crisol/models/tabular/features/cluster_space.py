"""Rows as points, so that near means alike.

Numbers are standardised (a missing one is the mean), a category is one-hot, so scaled that two
words lie one apart, a text is a few topics. Categories of more than :data:`MOST_WORDS` words name
rows rather than group them and are left out.

Legend: N rows, P coordinates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.errors import MendableError
from crisol.models.tabular.features.encoded_rows import Features
from crisol.models.tabular.features.text_bag import TextTopics

MOST_WORDS = 50
TOPICS = 16


@dataclass(frozen=True)
class ClusterSpace:
    """Learned from training rows.

    Attributes:
        mean: [D] of the numbers that are there.
        spread: [D] standard deviation; 1 where a number never changes.
        cardinalities: C sizes; those above the limit count for nothing.
        texts: of each text column.
    """

    mean: Floats
    spread: Floats
    cardinalities: tuple[int, ...]
    texts: tuple[TextTopics, ...]

    @classmethod
    def fit(cls, features: Features, *, seed: int) -> "ClusterSpace":
        """Learn the statistics.

        Raises:
            MendableError: nothing is left that could tell rows apart, or there is one row.
        """
        there = ~np.isnan(features.numbers)
        count = np.maximum(there.sum(axis=0), 1)
        mean = np.where(there, features.numbers, 0.0).sum(axis=0) / count
        spread = np.sqrt((np.where(there, features.numbers - mean, 0.0) ** 2).sum(axis=0) / count)
        spread[spread <= 1e-12 * np.maximum(np.abs(mean), 1.0)] = 1.0
        texts = tuple(
            TextTopics.fit(features.texts[:, index].tolist(), topics=TOPICS, seed=seed)
            for index in range(len(features.text_names))
        )
        space = cls(mean, spread, features.cardinalities, texts)
        points = space.transform(features)
        if len(points) < 2 or not points.size or np.ptp(points, axis=0).max() == 0:
            raise MendableError(
                "features: the rows are all alike, so there is nothing to group; "
                "name columns with numbers or with fewer than 50 words"
            )
        return space

    def transform(self, features: Features) -> Floats:
        """Points [N, P]."""
        blocks: list[Floats] = [
            np.nan_to_num((features.numbers - self.mean) / self.spread, nan=0.0)
        ]
        for column, size in enumerate(self.cardinalities):
            if size <= MOST_WORDS:
                blocks.append(np.eye(size)[features.codes[:, column]] / np.sqrt(2))
        blocks += [
            text.transform(features.texts[:, index].tolist())
            for index, text in enumerate(self.texts)
        ]
        return np.concatenate(blocks, axis=1)

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """JSON and arrays that :meth:`restore` takes."""
        arrays: dict[str, NDArray[Any]] = {"mean": self.mean, "spread": self.spread}
        texts = []
        for index, text in enumerate(self.texts):
            state, found = text.state()
            texts.append(state)
            arrays |= {f"text{index}.{key}": value for key, value in found.items()}
        return {"cardinalities": list(self.cardinalities), "texts": texts}, arrays

    @classmethod
    def restore(
        cls, state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> "ClusterSpace":
        """See :meth:`state`."""
        texts = tuple(
            TextTopics.restore(
                text, {key: arrays[f"text{index}.{key}"] for key in ("rarity", "components")}
            )
            for index, text in enumerate(state["texts"])
        )
        return cls(arrays["mean"], arrays["spread"], tuple(state["cardinalities"]), texts)


def nearest(points: Floats, anchors: Floats, chunk: int = 1024) -> tuple[NDArray[np.intp], Floats]:
    """The nearest anchor [N] of each point and the distance [N] to it."""
    which, distance = np.zeros(len(points), np.intp), np.zeros(len(points))
    squares = (anchors**2).sum(axis=1)
    for at in range(0, len(points), chunk):
        part = points[at : at + chunk]
        apart = squares - 2 * part @ anchors.T
        found = apart.argmin(axis=1)
        which[at : at + chunk] = found
        distance[at : at + chunk] = np.sqrt(((part - anchors[found]) ** 2).sum(axis=1))
    return which, distance
