"""Content similarity: cosine similarity of item attributes and words.

A tag weighs its inverse document frequency, ``log(I / n_t)``, and an item's weights have length
one, so that the score of an item is the sum of its cosines with the history's items, each times
``recency`` for every event that came after. It needs nobody to have had an item, so it reaches new
ones.

Legend: B histories, N events, I items, T tags, C items asked about, D dimensions.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import svds

from crisol.core.arrays import Floats
from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.method_params import ContentParams
from crisol.models.recommender.methods.event_weights import event_weights
from crisol.models.recommender.methods.scorer import Arrays, Scorer
from crisol.models.recommender.methods.sparse_rows import (
    sparse_arrays,
    sparse_matrix,
    weighted,
)


class ContentScorer(Scorer):
    """Sums the cosines of an item with those of the history.

    Args:
        weights: [I, T], rows of length one, or empty where an item has no tag.
        vectors: [I, D], what :meth:`item_vectors` gives.
        recency: What each later event leaves of an event's weight.
    """

    name: ClassVar[str] = "content"

    def __init__(self, weights: csr_matrix, vectors: Floats, recency: float) -> None:
        self.weights = weights
        self.vectors = vectors
        self.recency = recency

    @cached_property
    def _by_tag(self) -> csr_matrix:
        """[T, I]."""
        return self.weights.T.tocsr()

    def score(self, histories: Histories) -> Floats:
        """[B, I] float32, at least 0."""
        profiles = weighted(histories, self.weights.shape[0], self.recency) @ self.weights
        return np.asarray((profiles @ self._by_tag).toarray())

    def contributions(self, history: Histories, items: NDArray[np.int64]) -> Floats:
        """[C, N]: exact summands of the score."""
        cosines = np.asarray((self.weights[items] @ self.weights[history.items].T).toarray())
        return cosines * event_weights(history, self.recency)

    def item_vectors(self) -> Floats:
        """[I, D]: inner products near the cosines of tags."""
        return self.vectors

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """Weights and vectors; the recency."""
        arrays = {**sparse_arrays(self.weights), "vectors": self.vectors}
        return arrays, {"recency": self.recency}

    @classmethod
    def restore(
        cls,
        arrays: Arrays,
        settings: Mapping[str, Any],
        interactions: Interactions,  # noqa: ARG003
        catalogue: Catalogue,
    ) -> Self:
        """The inverse of :meth:`state`."""
        weights = sparse_matrix(arrays, (len(catalogue), len(catalogue.tag_names)))
        return cls(weights, arrays["vectors"], settings["recency"])


def fit_content(
    interactions: Interactions,  # noqa: ARG001
    catalogue: Catalogue,
    params: ContentParams,
) -> ContentScorer:
    """Weighs the catalogue's tags; who had what plays no part."""
    counts = np.asarray(catalogue.tags.sum(axis=0)).ravel()
    known = counts >= params.min_items
    frequency = np.log(len(catalogue) / np.where(known, counts, 1))
    weights = (catalogue.tags @ diags(np.where(known, frequency, 0))).tocsr()
    lengths = np.sqrt(np.asarray(weights.multiply(weights).sum(axis=1)).ravel())
    weights = (diags(1 / np.where(lengths > 0, lengths, 1)) @ weights).astype(np.float32).tocsr()
    weights.eliminate_zeros()
    weights.sort_indices()
    vectors = _vectors(weights, params.dimensions)
    return ContentScorer(weights, vectors, params.recency)


def _vectors(weights: csr_matrix, dimensions: int) -> Floats:
    """[I, D]: the best inner products of rank D; the weights themselves when T is small."""
    if min(weights.shape) <= dimensions + 1:
        return np.asarray(weights.toarray())
    left, values, _ = svds(weights.astype(np.float64), k=dimensions, v0=np.ones(min(weights.shape)))
    return np.asarray(left * values, dtype=np.float32)
