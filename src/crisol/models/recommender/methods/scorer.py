"""The interface of every recommendation model: a function from histories to item scores.

A scorer is linear algebra in NumPy and SciPy, whatever it was trained with, so that a bundle needs
no torch. It scores *histories*: a known user, a visitor and somebody whose newest event is a second
old are treated alike (fold-in).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import Histories, Interactions

Arrays = dict[str, NDArray[Any]]


class Scorer(ABC):
    """Scores every item for each history; higher is better. Deterministic.

    Items that a history holds already are scored like any other; who ranks masks them.
    """

    name: ClassVar[str]
    """As in parameters and tables: ``filter``, ``ease``, ``transitions``, …"""

    @abstractmethod
    def score(self, histories: Histories) -> Floats:
        """[B, I] float32, finite. An empty history gives a row of zeros."""

    @abstractmethod
    def contributions(self, history: Histories, items: NDArray[np.int64]) -> Floats:
        """How much each event of one history carries the score of each of C items.

        Where the score is a sum over the history's events these are the summands; otherwise the
        best first-order account of them.

        Returns:
            [C, N] float32 for a ``history`` of N events.
        """

    @abstractmethod
    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """The state to store: arrays (for safetensors) and JSON settings."""

    @classmethod
    @abstractmethod
    def restore(
        cls,
        arrays: Arrays,
        settings: Mapping[str, Any],
        interactions: Interactions,
        catalogue: Catalogue,
    ) -> Self:
        """The inverse of :meth:`state`; interactions and catalogue are stored by the predictor."""

    def item_vectors(self) -> Floats | None:
        """[I, D] in which near items are alike, or nothing when the model has no such space."""
        return None
