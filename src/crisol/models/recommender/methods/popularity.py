"""Popularity: the baseline, and the answer for somebody of whom nothing is known.

Legend: B histories, N events, I items, C items asked about.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.methods.scorer import Arrays, Scorer


def log_popularity(interactions: Interactions) -> Floats:
    """[I] float32: ``log(1 + users that had the item)``."""
    return np.log1p(interactions.item_counts).astype(np.float32)


def surprise(interactions: Interactions) -> Floats:
    """[I] self-information of each item, in bits.

    That is ``-log2((users of the item + 1) / (users + 1))`` (Zhou et al., PNAS 2010), where the
    added one keeps an item that nobody had finite.
    """
    share = (interactions.item_counts + 1.0) / (interactions.user_count + 1.0)
    return np.asarray(-np.log2(share))


class PopularityScorer(Scorer):
    """The same scores for every history, the empty one included."""

    name: ClassVar[str] = "popularity"

    def __init__(self, popularity: Floats) -> None:
        self.popularity = popularity

    def score(self, histories: Histories) -> Floats:
        """[B, I] float32; here an empty history gets the same row as any other."""
        return np.repeat(self.popularity[None, :], len(histories), axis=0)

    def contributions(self, history: Histories, items: NDArray[np.int64]) -> Floats:
        """[C, N] zeros: no event of the history carries popularity."""
        return np.zeros((len(items), len(history.items)), dtype=np.float32)

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """Log popularity; no settings."""
        return {"popularity": self.popularity}, {}

    @classmethod
    def restore(
        cls,
        arrays: Arrays,
        settings: Mapping[str, Any],  # noqa: ARG003
        interactions: Interactions,  # noqa: ARG003
        catalogue: Catalogue,  # noqa: ARG003
    ) -> Self:
        """The inverse of :meth:`state`."""
        return cls(arrays["popularity"])


def fit_popularity(interactions: Interactions, catalogue: Catalogue) -> PopularityScorer:  # noqa: ARG001
    """Counts the users of each item."""
    return PopularityScorer(log_popularity(interactions))
