"""Re-ranking for variety."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisol.models.recommender.answers.diversity import (
    diversify,
    diversify_list,
    intra_list_diversity,
)
from crisol.models.recommender.answers.space import unit

STEPS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def clustered(lists: int, candidates: int, seed: int):
    """Scores that fall, and vectors around a few centres: near ones score alike."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(4, 8))
    of = rng.integers(0, 4, size=(lists, candidates))
    vectors = unit((centres[of] + 0.4 * rng.normal(size=(lists, candidates, 8))).reshape(-1, 8))
    scores = np.sort(rng.normal(size=(lists, candidates)) + 0.5 * of, axis=1)[:, ::-1]
    return (
        scores.astype(np.float32),
        vectors.reshape(lists, candidates, 8).astype(np.float32),
    )


def test_no_diversity_is_the_plain_order_exactly():
    scores, vectors = clustered(20, 30, 0)
    scores[:, 5:9] = scores[:, 5:6]  # ties keep their order
    plain = np.tile(np.arange(10), (20, 1))
    np.testing.assert_array_equal(diversify(scores, vectors, 10, 0.0), plain)
    np.testing.assert_array_equal(diversify_list(scores[0], None, 10, 0.0), plain[0])


def test_more_diversity_gives_lists_that_differ_more():
    scores, vectors = clustered(200, 60, 1)
    rows = np.arange(200)[:, None]
    means, relevance = [], []
    for diversity in STEPS:
        chosen = diversify(scores, vectors, 10, diversity)
        lists = vectors[rows, chosen]
        means.append(np.mean([intra_list_diversity(one) for one in lists]))
        relevance.append(scores[rows, chosen].mean())
    assert (np.diff(means) >= -1e-6).all(), means
    assert (np.diff(relevance) <= 1e-6).all(), relevance
    assert means[-1] > 1.08 * means[0]


def test_variety_alone_takes_the_one_furthest_away_next():
    vectors = unit(np.array([[1, 0, 0], [9, 1, 0], [5, 5, 1], [0, 0, 1]], dtype=np.float32))
    scores = np.array([4, 3, 2, 1], dtype=np.float32)
    assert diversify_list(scores, vectors, 3, 1.0).tolist() == [0, 3, 2]
    assert diversify_list(scores, vectors, 3, 0.01).tolist() == [0, 1, 2]


def test_lists_of_different_lengths_share_a_batch():
    scores, vectors = clustered(3, 12, 2)
    valid = np.arange(12) < np.array([12, 4, 0])[:, None]
    together = diversify(scores, vectors, 6, 0.5, valid)
    for row, size in enumerate((12, 4, 0)):
        alone = diversify_list(scores[row, :size], vectors[row, :size], 6, 0.5)
        assert together[row].tolist() == alone.tolist() + [-1] * (6 - len(alone))


@given(st.integers(1, 25), st.integers(1, 30), st.floats(0, 1), st.integers(0, 5), st.booleans())
def test_a_choice_is_of_different_candidates_and_starts_with_the_best(
    candidates, count, diversity, seed, equal
):
    scores, vectors = clustered(2, candidates, seed)
    if equal:
        scores[:] = 1.0
    chosen = diversify(scores, vectors, count, diversity)
    assert chosen.shape == (2, min(count, candidates))
    for row in chosen.tolist():
        assert row[0] == 0
        assert len(set(row)) == len(row)
        assert all(0 <= one < candidates for one in row)


def test_nonsense_is_refused():
    scores, vectors = clustered(1, 5, 0)
    with pytest.raises(ValueError, match="from 0 to 1"):
        diversify(scores, vectors, 3, 1.5)
    with pytest.raises(ValueError, match="vectors"):
        diversify_list(scores[0], None, 3, 0.5)


def test_diversity_of_a_list_is_one_less_the_mean_cosine():
    rng = np.random.default_rng(0)
    vectors = unit(rng.uniform(size=(6, 4)).astype(np.float32))
    cosines = vectors @ vectors.T
    expected = 1 - cosines[np.triu_indices(6, 1)].mean()
    assert intra_list_diversity(vectors) == pytest.approx(expected, abs=1e-6)
    assert intra_list_diversity(np.array([[1, 0], [-1, 0]], dtype=np.float32)) == 1.0
    assert intra_list_diversity(vectors[:1]) is None
