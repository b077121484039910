"""Builds the search index of a catalogue; this needs pandas, searching does not."""

import logging

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.models.products.data.prepare import records_from_tables
from crisol.models.products.data.taxonomy import SEPARATOR
from crisol.models.products.search.search_index import APPROXIMATE_FROM, Embedder, ProductIndex

CHUNK = 512
"""Products embedded at once."""

logger = logging.getLogger(__name__)


def build_index(
    embedder: Embedder,
    products_table: pd.DataFrame,
    images_table: pd.DataFrame,
    *,
    approximate_from: int = APPROXIMATE_FROM,
) -> ProductIndex:
    """The index of every product of a catalogue.

    Products with nothing to embed (a title that is only a price, and no picture) are left out.

    Args:
        embedder: the predictor.
        products_table: the canonical table; if two sources use the same id, ids become
            ``source:id``.
        images_table: its pictures.
        approximate_from: least number of products for an index with a graph.
    """
    pictures = images_table.set_index("image", drop=False)
    vectors = _embedded(embedder, products_table, pictures)
    embedded: NDArray[np.bool_] = (vectors != 0).any(axis=1)
    if not embedded.all():
        logger.warning(
            "%d products have no words but prices and no picture, and cannot be found",
            np.count_nonzero(~embedded),
        )
    products_table, vectors = products_table.loc[embedded], vectors[embedded]
    columns = {name: products_table[name].tolist() for name in products_table.columns}
    ids = columns["id"]
    if len(set(ids)) != len(ids):
        ids = [f"{source}:{name}" for source, name in zip(columns["source"], ids, strict=True)]
    levels = zip(columns["category"], columns["subcategory"], strict=True)
    known = set(images_table["image"])
    return ProductIndex.of(
        embedder.embedding_id,
        vectors,
        ids,
        columns["title"],
        categories=[SEPARATOR.join(level for level in pair if level) for pair in levels],
        brands=columns["brand"],
        prices=products_table["price"].to_numpy(np.float64),
        has_image=np.array([image in known for image in columns["image"]], bool),
        approximate_from=approximate_from,
    )


def _embedded(embedder: Embedder, products: pd.DataFrame, pictures: pd.DataFrame) -> Floats:
    """[N, D] the embeddings, computed in chunks to keep few decoded pictures in memory."""
    vectors = []
    for start in range(0, len(products), CHUNK):
        chunk = products.iloc[start : start + CHUNK]
        theirs = pictures.loc[pictures.index.intersection(chunk["image"].unique().tolist())]
        vectors.append(embedder.embed(records_from_tables(chunk, theirs)))
    return np.concatenate(vectors)
