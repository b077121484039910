"""Answers to search requests: by words, by a product, by a picture, by a product of the index."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from crisol.core.arrays import Floats
from crisol.core.data.pictures import decode_base64
from crisol.core.errors import FieldError
from crisol.models.products.contract import Hit, SearchRequest, SearchResponse
from crisol.models.products.data.reading import record_of
from crisol.models.products.data.records import Record
from crisol.models.products.data.text import clean, scrub_prices
from crisol.models.products.search.search_index import ProductIndex

if TYPE_CHECKING:
    from crisol.models.products.predictor import ProductsPredictor


class Searcher:
    """Turns requests into vectors and rows of the index into hits."""

    def __init__(self, predictor: "ProductsPredictor") -> None:
        self._predictor = predictor

    def answer(self, requests: Sequence[SearchRequest]) -> list[SearchResponse]:
        """See :meth:`ProductsPredictor.search`."""
        index = self._predictor.index
        if index is None:
            raise FieldError(
                "",
                "this model was registered without an index; run the node products.index",
                "no_index",
            )
        vectors = self._vectors(index, requests)
        return [
            self._response(index, request, vector)
            for request, vector in zip(requests, vectors, strict=True)
        ]

    def _vectors(self, index: ProductIndex, requests: Sequence[SearchRequest]) -> list[Floats]:
        records = [self._record(request) for request in requests]
        known = [record for record in records if record is not None]
        embedded = iter(self._predictor.embed(known) if known else ())
        return [
            self._own(index, request) if record is None else _directed(request, next(embedded))
            for request, record in zip(requests, records, strict=True)
        ]

    def _record(self, request: SearchRequest) -> Record | None:
        size = self._predictor.description.image_size
        if request.text is not None:
            return Record(title=scrub_prices(clean(request.text)))
        if request.product is not None:
            try:
                return record_of(request.product, size)
            except FieldError as error:
                raise FieldError(f"product.{error.field}", str(error), error.kind) from error
        if request.image is not None:
            return Record(title="", image=decode_base64(request.image, size))
        return None

    def _own(self, index: ProductIndex, request: SearchRequest) -> Floats:
        row = index.row_of.get(request.product_id or "")
        if row is None:
            raise FieldError(
                "product_id", f"the index holds no product {request.product_id!r}", "unknown"
            )
        return np.asarray(index.vectors[row], np.float32)

    def _response(
        self, index: ProductIndex, request: SearchRequest, vector: Floats
    ) -> SearchResponse:
        itself = request.product_id
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
            model_version=self._predictor.model_version,
        )


def _directed(request: SearchRequest, vector: Floats) -> Floats:
    """The embedding of what is searched by.

    Raises:
        FieldError: it has none, because nothing is left of its texts.
    """
    if not vector.any():
        field = "text" if request.product is None else "product.title"
        message = "has no words beside prices, which are not searched by; say what it is"
        raise FieldError(field, message, "no_words")
    return vector
