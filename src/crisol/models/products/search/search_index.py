"""The products one can search: their embeddings, and what a hit shows.

Below a million products every one that fits is compared. From there on a graph proposes
(:mod:`crisol.models.products.search.nearest`), unless a filter leaves so few that comparing them
all is quicker; and whenever the graph's proposals do not yield as many fitting products as were
asked for, all fitting ones are compared after all: no search finds fewer than there are.

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
"""Products from which on a graph is asked."""
MOST_PROPOSED = 1_024
"""Where a filter would need more proposals than this, its few products are compared instead."""


class Embedder(Protocol):
    """What makes the embeddings of an index: the predictor, or its transformer."""

    @property
    def embedding_id(self) -> str:
        """Names the embedding space."""

    def embed(self, records: Sequence[ProductRecord]) -> Floats:
        """[N, D] of length 1 each."""


@dataclass(frozen=True)
class SearchResult:
    """What a search found, best first.

    Attributes:
        rows: [K] of the index.
        similarities: [K] exact cosines, falling.
        exact: whether every fitting product was compared.
        searched: how many products fit the filters.
    """

    rows: Rows
    similarities: NDArray[np.float32]
    exact: bool
    searched: int


@dataclass(frozen=True)
class ProductIndex:
    """N products in a fixed order. Searching is safe from several threads.

    Attributes:
        embedding_id: names the model that made the vectors.
        vectors: [N, D] float32 of length 1.
        ids: each once.
        titles: as a hit shows them.
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
        """An index of N products; it builds the graph where N reaches ``approximate_from``.

        Raises:
            ValueError: the parts differ in length, an id comes twice, or a vector has no direction.
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
        """Id to row."""
        return {name: row for row, name in enumerate(self.ids)}

    def search(self, query_D: Floats, k: int, filters: Filters | None = None) -> SearchResult:
        """The ``k`` products most like a query; fewer only where fewer fit.

        Args:
            query_D: an embedding of the same model, of any length but zero.
            k: at least 1.
            filters: products that do not fit are left out before the ``k`` are counted.

        Raises:
            ValueError: the query has another number of dimensions, or no direction.
        """
        return self.search_many(np.asarray(query_D)[None], k, filters)[0]

    def search_many(
        self, queries_QD: Floats, k: int, filters: Filters | None = None
    ) -> list[SearchResult]:
        """:meth:`search` of Q queries; each gets the answer it gets alone."""
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
        # As many as hold enough fitting ones when these are spread evenly among the near.
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
        """Map an index directory; several processes share its memory.

        Args:
            directory: what :meth:`save` wrote.
            embedding_id: of the model that will ask.
            verify: compare every file with its digest; not needed where the predictor's manifest,
                which names the same files, was checked before.

        Raises:
            PredictorError: it is missing, damaged, of another format or of another model.
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
