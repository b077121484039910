import numpy as np
from sklearn.metrics.pairwise import cosine_similarity

from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.methods import item_cosine
from crisol.models.recommender.methods.item_cosine import ItemCosine


def test_scores_are_the_cosines_of_scikit_learn(monkeypatch) -> None:
    monkeypatch.setattr(item_cosine, "_BLOCK_ITEMS", 3)
    random = np.random.default_rng(0)
    had = random.random((30, 8)) < 0.3
    items = [np.flatnonzero(row) for row in had]
    starts = np.concatenate([[0], np.cumsum([len(one) for one in items])]).astype(np.int64)
    flat = np.concatenate(items).astype(np.int32)
    weights = random.random(len(flat)).astype(np.float32) + 1
    histories = Histories(starts, flat, weights, np.arange(30))
    cosines = cosine_similarity(had.T.astype(float))
    np.fill_diagonal(cosines, 0)
    found = ItemCosine.fit(Interactions(histories, 8)).score(histories)
    assert np.allclose(found, had.astype(float) @ cosines, atol=1e-5)
