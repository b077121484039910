"""Content finds what shares rare tags, items that nobody had included, and says which tags."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import Histories
from crisol.models.recommender.method_params import ContentParams
from crisol.models.recommender.methods.content import ContentScorer, fit_content

NAMES = ("category:lips", "category:eyes", "brand:acme", "word:matte", "word:once")
TAGS = np.array(
    [
        [1, 0, 1, 1, 0],  # 0: lips, acme, matte
        [1, 0, 1, 0, 0],  # 1: lips, acme
        [1, 0, 0, 0, 0],  # 2: lips
        [0, 1, 0, 1, 1],  # 3: eyes, matte, once
        [0, 1, 0, 0, 0],  # 4: eyes
        [0, 0, 0, 0, 0],  # 5: nothing is known
    ],
    dtype=np.float32,
)


def _catalogue(tags=TAGS, names=NAMES) -> Catalogue:
    nothing = ("",) * len(tags)
    ids = tuple(f"i{index}" for index in range(len(tags)))
    prices = np.full(len(tags), np.nan, np.float32)
    return Catalogue(ids, nothing, nothing, nothing, prices, csr_matrix(tags), names)


def _fit(catalogue=None, **changed) -> ContentScorer:
    return fit_content(
        None, catalogue or _catalogue(), ContentParams(**{"recency": 1.0, **changed})
    )


def test_the_score_is_the_cosine_of_inverse_document_frequencies():
    idf = np.log(6 / np.array([3, 2, 2, 2, 1]))
    idf[4] = 0  # of one item only
    rows = TAGS * idf
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    np.testing.assert_allclose(_fit().score(Histories.of([[0]])), rows[[0]] @ rows.T, atol=1e-6)


def test_a_history_scores_the_sum_over_its_events_the_newest_most():
    scorer = _fit(recency=0.5)
    one, two, both = scorer.score(Histories.of([[0], [4], [0, 4]]))
    np.testing.assert_allclose(both, 0.5 * one + two, atol=1e-6)


def test_no_history_and_no_tags_score_zero():
    assert not _fit().score(Histories.of([[], [5]])).any()
    assert not _fit().score(Histories.of([[0]]))[0, 5]


def test_the_contributions_are_the_summands_of_the_score():
    scorer = _fit(recency=0.7)
    history, items = Histories.of([[0, 3, 0, 5]], weights=[[1, 2, 0.5, 1]]), np.array([1, 4, 5, 3])
    carried = scorer.contributions(history, items)
    assert carried.shape == (4, 4)
    np.testing.assert_allclose(
        carried.sum(axis=1), scorer.score(history)[0, items], rtol=1e-5, atol=1e-7
    )


def test_item_vectors_keep_the_cosines_as_well_as_their_length_allows():
    rng = np.random.default_rng(0)
    groups = rng.random((8, 40)) < 0.2
    tags = (groups[rng.integers(0, 8, 300)] | (rng.random((300, 40)) < 0.02)).astype(np.float32)
    catalogue = _catalogue(tags, tuple(f"word:{index}" for index in range(40)))
    scorer = _fit(catalogue, dimensions=12)
    vectors = scorer.item_vectors()
    assert vectors.shape == (300, 12)
    exact = (scorer.weights @ scorer.weights.T).toarray()
    assert np.abs(vectors @ vectors.T - exact).mean() < 0.05
    np.testing.assert_array_equal(vectors, _fit(catalogue, dimensions=12).item_vectors())


@pytest.mark.parametrize("dimensions", [2, 64])
def test_restored_scores_are_the_same(dimensions):
    scorer = _fit(recency=0.9, dimensions=dimensions)
    again = ContentScorer.restore(*scorer.state(), None, _catalogue())
    histories = Histories.of([[0, 3], [1]])
    np.testing.assert_array_equal(again.score(histories), scorer.score(histories))
    np.testing.assert_array_equal(again.item_vectors(), scorer.item_vectors())
