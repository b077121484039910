"""Tests the embedding as a search of pictures by words, against a linear baseline."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.preprocessing import normalize

from crisol.core.arrays import Floats
from crisol.models.products.data.records import ProductRecord
from crisol.models.products.predictor import ProductsPredictor

COMPONENTS = 64
RIDGE = 1.0
EMBEDDING, LINEAR = "embedding", "TF-IDF to picture components"
_NONE = pd.DataFrame({"method": [], "row": [], "rank": [], "of": []}).astype(
    {"method": str, "row": int, "rank": float, "of": int}
)


def ranks(
    predictor: ProductsPredictor, train: Sequence[ProductRecord], test: Sequence[ProductRecord]
) -> pd.DataFrame:
    """The rank of each test product's picture when it is searched by title and description.

    Args:
        predictor: its embedding is tested.
        train: training products of the linear baseline.
        test: products; those without words or without a picture are left out.

    Returns:
        ``method, row`` (position in ``test``)``, rank`` (from 1; pictures of equal similarity
        count half)``, of`` (pictures searched). Empty where fewer than two can be tested.
    """
    rows = np.array([at for at, record in enumerate(test) if _both(record)], np.int64)
    if len(rows) < 2:
        return _NONE.copy()
    tested = [test[row] for row in rows]
    words = [record.without("image") for record in tested]
    outputs = predictor.transformer.outputs(
        [record.without("brand", "attributes", "price", "category") for record in tested]
    )
    found = {EMBEDDING: rank_of_own(outputs.text @ outputs.image.T)}
    taught = [record for record in train if _both(record)]
    if len(taught) >= 2:
        found[LINEAR] = rank_of_own(_linear(taught, words, tested))
    return pd.concat(
        [
            pd.DataFrame({"method": method, "row": rows, "rank": places, "of": len(rows)})
            for method, places in found.items()
        ],
        ignore_index=True,
    )


def rank_of_own(similarity_NN: Floats) -> Floats:
    """[N] the rank of the diagonal in its row, from 1; ties count half."""
    ranks_N: Floats = np.diag(rankdata(-similarity_NN, axis=1))
    return ranks_N


def _both(record: ProductRecord) -> bool:
    return record.image is not None and bool(record.title or record.description)


def _linear(
    taught: Sequence[ProductRecord], words: Sequence[ProductRecord], tested: Sequence[ProductRecord]
) -> Floats:
    """[N, N] the cosines of pictures' principal components and those predicted from TF-IDF."""
    pixels = _pixels(taught)
    components = min(COMPONENTS, len(taught) - 1, pixels.shape[1])
    pca = PCA(components, svd_solver="randomized", random_state=0).fit(pixels)
    tfidf = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)).fit(_texts(taught))
    ridge = Ridge(RIDGE).fit(tfidf.transform(_texts(taught)), pca.transform(pixels))
    expected = ridge.predict(tfidf.transform(_texts(words)))
    cosines: Floats = (
        normalize(expected.reshape(len(words), -1)) @ normalize(pca.transform(_pixels(tested))).T
    )
    return cosines


def _texts(records: Sequence[ProductRecord]) -> list[str]:
    return [f"{record.title} {record.description}" for record in records]


def _pixels(records: Sequence[ProductRecord]) -> Floats:
    """[N, pixels] the pixels of pictures reduced to about 32 x 32, from 0 to 1."""
    stacked = np.stack([record.image.pixels for record in records if record.image is not None])
    step = max(1, stacked.shape[1] // 32)
    small: Floats = stacked[:, ::step, ::step].reshape(len(stacked), -1) / np.float32(255)
    return small
