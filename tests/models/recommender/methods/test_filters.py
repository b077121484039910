import numpy as np
import pytest
from scipy.sparse import csr_matrix

from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.method_params import FilterParams
from crisol.models.recommender.methods.filters import (
    FilterScorer,
    fit_filter,
    singular_vectors,
)
from crisol.models.recommender.methods.spectral import leading_right_vectors

PARAMS = {
    "GF-CF": FilterParams(recency=0.0, dimensions=5, ideal=0.3),
    "linear only": FilterParams(recency=0.0, dimensions=5, ideal=0.0),
    "BSPM": FilterParams(recency=0.0, dimensions=5, ideal=0.2, sharpening=2.5),
    "BSPM, Euler": FilterParams(
        recency=0.0, dimensions=5, ideal=0.2, sharpening=0.8, sharpening_steps=2, sharpening_order=1
    ),
}


@pytest.fixture
def interactions():
    random = np.random.default_rng(3)
    rows = [np.flatnonzero(row) for row in random.random((30, 17)) < 0.3]
    return Interactions(Histories.of(rows, users=range(30)), 18)  # nobody had the last item


def _sharpened(P, params):
    """One step at a time, each by the stages of the method, on the identity."""
    h = params.sharpening / params.sharpening_steps
    state = np.eye(len(P))
    for _ in range(params.sharpening_steps):
        k1 = -state @ P
        if params.sharpening_order == 1:
            state = state + h * k1
            continue
        k2 = -(state + h / 2 * k1) @ P
        k3 = -(state + h / 2 * k2) @ P
        k4 = -(state + h * k3) @ P
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return state


def _textbook(interactions, params):
    """[I, I] dense, with NumPy's own decomposition."""
    R = interactions.matrix.toarray().astype(float)
    users, items = R.sum(axis=1), np.maximum(R.sum(axis=0), 1e-30)
    normalised = R / np.sqrt(users)[:, None] / np.sqrt(items)
    P = normalised.T @ normalised
    V = np.linalg.svd(normalised)[2][: params.dimensions].T
    ideal = np.diag(items**-0.5) @ V @ V.T @ np.diag(items**0.5)
    ideal[items < 1] = 0
    return (P + params.ideal * ideal) @ _sharpened(P, params)


@pytest.mark.parametrize("params", PARAMS.values(), ids=PARAMS.keys())
def test_scores_are_those_of_the_dense_formula(interactions, params):
    scorer = fit_filter(interactions, None, params)
    expected = interactions.matrix @ _textbook(interactions, params)
    scores = scorer.score(interactions.histories)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, rtol=2e-4, atol=2e-5)


def test_a_visitor_with_a_users_history_is_scored_like_the_user(interactions):
    scorer = fit_filter(interactions, None, PARAMS["BSPM"])
    known = scorer.score(interactions.histories)[7]
    visitor = scorer.score(Histories.of([interactions.histories.row(7)]))[0]
    np.testing.assert_allclose(visitor, known, rtol=1e-5, atol=1e-6)


def test_an_empty_history_and_an_item_that_nobody_had_score_nothing(interactions):
    scorer = fit_filter(interactions, None, PARAMS["GF-CF"])
    scores = scorer.score(Histories.of([[], [17], [0]]))
    assert not scores[:2].any()
    assert scores[2, 17] == 0


@pytest.mark.parametrize("params", PARAMS.values(), ids=PARAMS.keys())
@pytest.mark.parametrize("items", [[1], [0, 3, 4, 5, 6, 8, 17]], ids=["fewer items", "more items"])
def test_contributions_are_the_summands_of_the_score(interactions, params, items):
    scorer = fit_filter(interactions, None, params)
    history = Histories.of([[3, 9, 3, 12]], weights=[[1, 2, 0.5, 1]])
    carried = scorer.contributions(history, np.array(items))
    assert carried.shape == (len(items), 4)
    np.testing.assert_allclose(
        carried.sum(axis=1), scorer.score(history)[0, items], rtol=1e-4, atol=1e-5
    )
    without = scorer.score(Histories.of([[3, 9, 3]], weights=[[1, 2, 0.5]]))[0, items]
    np.testing.assert_allclose(
        carried[:, 3], scorer.score(history)[0, items] - without, rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("params", [PARAMS["GF-CF"], PARAMS["BSPM"]], ids=["GF-CF", "BSPM"])
def test_what_is_stored_scores_the_same_without_a_decomposition(monkeypatch, interactions, params):
    scorer = fit_filter(interactions, None, params)

    def decompose(*_args, **_settings):
        raise AssertionError("decomposed again")

    monkeypatch.setattr(
        "crisol.models.recommender.methods.filters.leading_right_vectors", decompose
    )
    again = FilterScorer.restore(*scorer.state(), None, None)
    np.testing.assert_array_equal(
        again.score(interactions.histories), scorer.score(interactions.histories)
    )
    np.testing.assert_array_equal(again.item_vectors(), scorer.item_vectors())


def test_newer_events_count_more_and_are_accounted_for(interactions):
    params = FilterParams(dimensions=5, recency=0.5)
    scorer = fit_filter(interactions, None, params)
    history = Histories.of([[3, 9, 3, 12]])
    weighted = Histories.of([[9, 3, 12]], weights=[[3**-0.5, 2**-0.5, 1]])
    as_a_set = fit_filter(interactions, None, FilterParams(dimensions=5, recency=0.0))
    scores = scorer.score(history)
    np.testing.assert_allclose(scores, as_a_set.score(weighted), rtol=1e-5)
    carried = scorer.contributions(history, np.arange(18))
    np.testing.assert_allclose(carried.sum(axis=1), scores[0], rtol=1e-4, atol=1e-5)


def test_near_item_vectors_were_had_by_the_same_users():
    histories = Histories.of([[0, 1], [0, 1], [0, 1, 2], [2, 3], [2, 3], [3]])
    vectors = fit_filter(
        Interactions(histories, 4), None, FilterParams(dimensions=2)
    ).item_vectors()
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = units @ units.T
    assert cosines[0, 1] > 0.9 > cosines[0, 3]


@pytest.mark.parametrize(("asked", "taken"), [(18, 18), (19, 9), (256, 9), (None, 9)])
def test_too_many_dimensions_are_taken_as_none_given_and_told(interactions, asked, taken):
    assert min(interactions.matrix.shape) == 18
    params = FilterParams(dimensions=asked)
    found, note = singular_vectors(interactions, params)
    assert found == taken
    assert ("filter.dimensions asks for" in note) is (asked not in (18, None))
    assert fit_filter(interactions, None, params).item_vectors().shape[1] == taken


def test_leading_vectors_of_a_larger_matrix_are_near_those_of_a_full_decomposition():
    random = np.random.default_rng(0)
    communities = np.kron(np.eye(30), np.ones((20, 15)))
    matrix = csr_matrix((random.random((600, 450)) < 0.02 + 0.4 * communities), dtype=np.float32)
    values, vectors = leading_right_vectors(matrix, 30)
    expected = np.linalg.svd(matrix.toarray(), compute_uv=True)
    np.testing.assert_allclose(values, expected[1][:30], rtol=1e-3)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(30), atol=1e-4)
    full = expected[2][:30].T
    np.testing.assert_allclose(vectors @ vectors.T, full @ full.T, atol=0.02)
    np.testing.assert_array_equal(leading_right_vectors(matrix, 30)[1], vectors)
