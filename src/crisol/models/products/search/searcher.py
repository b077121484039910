"""Answers to search requests: by words, by a product, by a picture, by a product of the index."""

from collections.abc import Sequence

import numpy as np

from crisol.core.arrays import Floats
from crisol.core.data.pictures import decode_base64
from crisol.core.errors import FieldError
from crisol.models.products.contract import Hit, SearchRequest, SearchResponse
from crisol.models.products.data.records import ProductRecord, model_text, record_from_request
from crisol.models.products.data.taxonomy import Taxonomy
from crisol.models.products.search.search_index import Embedder, ProductIndex


class Searcher:
    """Answers search requests from an index.

    Args:
        index: the products that are searched.
        embedder: makes the embeddings of the requests; the index was built with the same one.
        image_size: S, pixels of each side of the models' pictures.
        model_version: the version that the answers name.
        taxonomy: the categories that the embedder knows; ``None`` where it has learned none.
    """

    def __init__(
        self,
        index: ProductIndex,
        embedder: Embedder,
        image_size: int,
        model_version: str,
        taxonomy: Taxonomy | None = None,
    ) -> None:
        self._index, self._embedder, self._taxonomy = index, embedder, taxonomy
        self._image_size, self._model_version = image_size, model_version

    def answer(self, requests: Sequence[SearchRequest]) -> list[SearchResponse]:
        """The nearest products of each request.

        Raises:
            FieldError: a picture cannot be read, a text has no words to search by, or an id is not
                in the index.
        """
        records = [self._record(request) for request in requests]
        known = [record for record in records if record is not None]
        embedded = iter(self._embedder.embed(known) if known else ())
        return [
            self._response(
                request,
                self._own(request) if record is None else _directed(request, next(embedded)),
            )
            for request, record in zip(requests, records, strict=True)
        ]

    def _record(self, request: SearchRequest) -> ProductRecord | None:
        """The product that a request describes; ``None`` where it names one of the index."""
        size = self._image_size
        if request.text is not None:
            return ProductRecord(title=model_text(request.text))
        if request.product is not None:
            try:
                return record_from_request(request.product, size, self._taxonomy)
            except FieldError as error:
                raise FieldError(f"product.{error.field}", str(error), error.kind) from error
        if request.image is not None:
            return ProductRecord(title="", image=decode_base64(request.image, size))
        return None

    def _own(self, request: SearchRequest) -> Floats:
        """The stored embedding of the product that a request names."""
        row = self._index.row_of.get(request.product_id or "")
        if row is None:
            raise FieldError(
                "product_id", f"the index holds no product {request.product_id!r}", "unknown"
            )
        return np.asarray(self._index.vectors[row], np.float32)

    def _response(self, request: SearchRequest, vector: Floats) -> SearchResponse:
        index, itself = self._index, request.product_id
        found = index.search(vector, request.k + (itself is not None), request.filters)
        pairs = [
            (row, cosine)
            for row, cosine in zip(found.rows.tolist(), found.similarities.tolist(), strict=True)
            if index.ids[row] != itself
        ][: request.k]
        notes = []
        if not found.searched:
            notes.append("No product fits the filters.")
        elif len(pairs) < request.k:
            notes.append(f"Only {len(pairs)} of {request.k} products were found.")
        return SearchResponse(
            hits=tuple(
                Hit(
                    rank=rank,
                    product_id=index.ids[row],
                    title=index.titles[row],
                    category=index.categories[row] or None,
                    brand=index.brands[row] or None,
                    price=None if np.isnan(index.prices[row]) else float(index.prices[row]),
                    similarity=cosine,
                )
                for rank, (row, cosine) in enumerate(pairs, start=1)
            ),
            exact=found.exact,
            searched=found.searched,
            notes=tuple(notes),
            model_version=self._model_version,
        )


def _directed(request: SearchRequest, vector: Floats) -> Floats:
    """The embedding of a request.

    Raises:
        FieldError: it is zero, because the texts hold no words beside prices.
    """
    if not vector.any():
        field = "text" if request.product is None else "product.title"
        message = "has no words beside prices, which are not searched by; say what it is"
        raise FieldError(field, message, "no_words")
    return vector
