"""The search index: embeddings of products, and the columns that a hit shows.

Below a million products a search compares all that meet the filters. Above, a graph proposes
candidates (:mod:`crisol.models.products.search.nearest`), unless a filter leaves so few products
that comparing them all is faster. If the candidates hold fewer fitting products than were asked
for, all fitting products are compared, so that a search never returns too few.

Legend: N products, D dimensions, K found.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.predictor import PredictorError
from crisol.models.products.contract import Filters
from crisol.models.products.data.records import ProductRecord
from crisol.models.products.search.filtering import Coded, fitting
from crisol.models.products.search.index_storage import Stored, read_index, write_index
from crisol.models.products.search.nearest import (
    Graph,
    Rows,
    exact,
    proposals,
    ranked,
    unit_vectors,
)
from crisol.models.products.search.text_column import TextColumn

APPROXIMATE_FROM = 1_000_000
"""Least number of products for an index with a graph."""
MOST_PROPOSED = 1_024
"""Most candidates; a filter that needs more leaves few products, which are all compared."""


class Embedder(Protocol):
    """The model that makes the embeddings: the predictor, or its transformer."""

    @property
    def embedding_id(self) -> str:
        """The id of the embedding space."""

    def embed(self, records: Sequence[ProductRecord]) -> Floats:
        """[N, D] the embeddings of records, of length 1 each."""


@dataclass(frozen=True)
class SearchResult:
    """The result of a search, best first.

    Attributes:
        rows: [K] of the index.
        similarities: [K] exact cosines, descending.
        exact: whether every fitting product was compared.
        searched: number of products that meet the filters.
    """

    rows: Rows
    similarities: NDArray[np.float32]
    exact: bool
    searched: int


@dataclass(frozen=True)
class ProductIndex:
    """N products in a fixed order. Several threads may search at once.

    Attributes:
        embedding_id: of the model that made the vectors.
        vectors: [N, D] float32 of length 1.
        ids: unique.
        titles: as shown in hits.
        categories: ``main > sub``; empty where there is none.
        brands: empty where there is none.
        prices: [N] float64; NaN where there is none.
        has_image: [N].
        graph: of N nodes, where there are enough of them.
    """

    embedding_id: str
    vectors: NDArray[np.float32]
    ids: TextColumn
    titles: TextColumn
    categories: Coded
    brands: Coded
    prices: NDArray[np.float64]
    has_image: NDArray[np.bool_]
    graph: Graph | None = None

    @classmethod
    def of(
        cls,
        embedding_id: str,
        vectors: Floats,
        ids: Sequence[str],
        titles: Sequence[str],
        *,
        categories: Sequence[str],
        brands: Sequence[str],
        prices: Floats,
        has_image: NDArray[np.bool_],
        approximate_from: int = APPROXIMATE_FROM,
    ) -> "ProductIndex":
        """An index of N products, with a graph where N reaches ``approximate_from``.

        Raises:
            ValueError: the columns differ in length, an id occurs twice, or a vector is zero.
        """
        lengths = {len(part) for part in (ids, titles, categories, brands, prices, has_image)}
        if lengths != {len(vectors)}:
            raise ValueError(f"{len(vectors)} vectors, but parts of {sorted(lengths)} products")
        if len(set(ids)) != len(ids):
            raise ValueError("an id comes twice in an index")
        normal = unit_vectors(vectors)
        return cls(
            embedding_id,
            normal,
            TextColumn.of(ids),
            TextColumn.of(titles),
            Coded.of(categories),
            Coded.of(brands),
            np.asarray(prices, np.float64),
            np.asarray(has_image, bool),
            Graph.build(normal) if len(normal) >= approximate_from else None,
        )

    def __len__(self) -> int:
        return len(self.vectors)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """The row of every id."""
        return {name: row for row, name in enumerate(self.ids)}

    def search(self, query_D: Floats, k: int, filters: Filters | None = None) -> SearchResult:
        """The ``k`` products most similar to a query; fewer only where fewer meet the filters.

        Args:
            query_D: an embedding of the same model, not zero.
            k: at least 1.
            filters: only products that meet them are found.

        Raises:
            ValueError: the query has another number of dimensions, or is zero.
        """
        return self.search_many(np.asarray(query_D)[None], k, filters)[0]

    def search_many(
        self, queries_QD: Floats, k: int, filters: Filters | None = None
    ) -> list[SearchResult]:
        """The results of Q queries, each equal to that of :meth:`search`."""
        if queries_QD.ndim != 2 or queries_QD.shape[1] != self.vectors.shape[1]:
            raise ValueError(
                f"queries of shape {queries_QD.shape}; the index has {self.vectors.shape[1]} "
                "dimensions"
            )
        queries = unit_vectors(queries_QD)
        fits = None if filters is None else self._fitting(filters)
        if self.graph is None:
            return self._exact(queries, k, fits)
        return [self._approximate(self.graph, query, k, fits) for query in queries]

    def _fitting(self, filters: Filters) -> NDArray[np.bool_]:
        return fitting(filters, self.categories, self.brands, self.prices, self.has_image)

    def _exact(
        self, queries_QD: Floats, k: int, fits: NDArray[np.bool_] | None
    ) -> list[SearchResult]:
        rows = None if fits is None else np.flatnonzero(fits)
        count = len(self) if rows is None else len(rows)
        found = exact(self.vectors, queries_QD, k, rows)
        return [SearchResult(*of_one, exact=True, searched=count) for of_one in found]

    def _approximate(
        self, graph: Graph, query_D: Floats, k: int, fits: NDArray[np.bool_] | None
    ) -> SearchResult:
        searched = len(self) if fits is None else int(np.count_nonzero(fits))
        # Enough candidates if the fitting products are spread evenly among the nearest.
        count = proposals(k) * len(self) // max(searched, 1)
        if count <= MOST_PROPOSED:
            near = graph.proposed(query_D, count)
            if fits is not None:
                near = near[fits[near]]
            if len(near) >= k:
                best = ranked(self.vectors, near, query_D, k)
                return SearchResult(*best, exact=False, searched=searched)
        return self._exact(query_D[None], k, fits)[0]

    def save(self, directory: Path | str) -> Path:
        """Write the index directory in one step: it is whole or it is not there."""
        texts = {"ids": self.ids, "titles": self.titles}
        coded = {"categories": self.categories, "brands": self.brands}
        arrays: dict[str, NDArray[Any]] = {
            "vectors": self.vectors,
            "prices": self.prices,
            "has_image": self.has_image,
        }
        stored = Stored(self.embedding_id, texts, coded, arrays, self.graph)
        return write_index(Path(directory), stored)

    @classmethod
    def load(
        cls, directory: Path | str, embedding_id: str | None = None, *, verify: bool = True
    ) -> "ProductIndex":
        """The index of a directory, mapped into memory that several processes share.

        Args:
            directory: written by :meth:`save`.
            embedding_id: of the model that will search.
            verify: compare every file with its digest; not needed where the predictor's manifest,
                which lists the same files, was checked before.

        Raises:
            PredictorError: the index is missing, damaged, of another format or of another model.
        """
        stored = read_index(Path(directory), verify=verify)
        if embedding_id is not None and stored.embedding_id != embedding_id:
            raise PredictorError(
                f"the index in {directory} was built with the embeddings {stored.embedding_id}, "
                f"this model makes {embedding_id}; build it again with this model: "
                "kedro run --pipelines products --from-nodes products.index"
            )
        return cls(
            stored.embedding_id,
            stored.arrays["vectors"],
            stored.texts["ids"],
            stored.texts["titles"],
            stored.coded["categories"],
            stored.coded["brands"],
            stored.arrays["prices"],
            stored.arrays["has_image"],
            stored.graph,
        )
