import numpy as np
import pytest

from crisol.core.errors import MendableError
from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.method_params import EaseParams
from crisol.models.recommender.methods import ease
from crisol.models.recommender.methods.ease import EaseScorer, fit_ease

_LAMBDA = 3.0


def _interactions(users, items, share=0.25, seed=0):
    random = np.random.default_rng(seed)
    had = random.random((users, items)) < share
    rows = [np.flatnonzero(row) for row in had]
    return Interactions(Histories.of(rows, users=range(users)), items), had.astype(float)


def _textbook(X):
    """Equation 8 of arXiv:1905.03375."""
    P = np.linalg.inv(X.T @ X + _LAMBDA * np.eye(X.shape[1]))
    B = P / -np.diag(P)
    np.fill_diagonal(B, 0)
    return B


def _params(**settings):
    return EaseParams(regularisation=_LAMBDA, recency=0.0, **settings)


@pytest.fixture
def catalogue():
    return Catalogue(("",) * 23, (), (), (), np.empty(0), None, ())


@pytest.mark.parametrize("users", [40, 15], ids=["fewer items", "fewer users"])
def test_the_exact_solution_is_the_dense_formula(monkeypatch, catalogue, users):
    monkeypatch.setattr(ease, "_BLOCK", 7)
    interactions, X = _interactions(users, 23)
    scorer = fit_ease(interactions, catalogue, _params(neighbours=None))
    np.testing.assert_allclose(
        scorer.score(interactions.histories), X @ _textbook(X), rtol=1e-4, atol=1e-5
    )


def test_all_items_as_neighbours_is_the_exact_solution(catalogue):
    interactions, X = _interactions(40, 23, share=0.5)
    scorer = fit_ease(interactions, catalogue, _params(neighbours=22))
    np.testing.assert_allclose(
        scorer.score(interactions.histories), X @ _textbook(X), rtol=1e-4, atol=1e-5
    )


def test_neighbours_are_the_nearest_by_cosine_and_solve_their_own_ridge_regression(
    monkeypatch, catalogue
):
    monkeypatch.setattr(ease, "_BLOCK", 5)
    interactions, X = _interactions(40, 23)
    scorer = fit_ease(interactions, catalogue, _params(neighbours=4))
    one_hot = Histories.of([[item] for item in range(23)])
    B = scorer.score(one_hot)
    norms = np.linalg.norm(X, axis=0)
    for item in range(23):
        cosine = X.T @ X[:, item] / norms
        cosine[item] = -1
        near = np.flatnonzero(B[:, item])
        assert cosine[near].min() >= np.sort(cosine)[-4] - 1e-9
        A = X[:, near]
        expected = np.linalg.solve(A.T @ A + _LAMBDA * np.eye(4), A.T @ X[:, item])
        np.testing.assert_allclose(B[near, item], expected, rtol=1e-4)


def test_the_largest_weights_are_kept(catalogue):
    interactions, X = _interactions(40, 23)
    full = _textbook(X)
    params = _params(neighbours=None, keep=5)
    kept = fit_ease(interactions, catalogue, params).score(Histories.of([[i] for i in range(23)]))
    for item in range(23):
        strongest = np.sort(np.argsort(-np.abs(full[:, item]))[:5])
        assert np.flatnonzero(kept[:, item]).tolist() == strongest.tolist()
        np.testing.assert_allclose(kept[strongest, item], full[strongest, item], rtol=1e-3)


def test_an_item_never_carries_itself_and_one_that_nobody_had_scores_nothing(catalogue):
    interactions = Interactions(Histories.of([[0, 1], [0, 1, 2], [2, 3]]), 23)
    for neighbours in (None, 3):
        params = EaseParams(regularisation=1.0, neighbours=neighbours)
        scores = fit_ease(interactions, catalogue, params).score(Histories.of([[0], [22], []]))
        assert scores[0, 0] == 0
        assert scores[0, 1] > 0
        assert not scores[:, 4:].any()
        assert not scores[1:].any()


def test_contributions_are_the_summands_of_the_score(catalogue):
    interactions, _ = _interactions(40, 23)
    scorer = fit_ease(interactions, catalogue, _params(neighbours=6))
    history = Histories.of([[3, 9, 3, 20]], weights=[[1, 2, 0.5, 1]])
    items = np.array([1, 3, 17])
    carried = scorer.contributions(history, items)
    assert carried.shape == (3, 4)
    np.testing.assert_allclose(carried.sum(axis=1), scorer.score(history)[0, items], rtol=1e-5)
    assert carried[0, 0] == carried[0, 2]


def test_newer_events_count_more_and_are_accounted_for(catalogue):
    interactions, X = _interactions(40, 23)
    params = EaseParams(regularisation=_LAMBDA, neighbours=None, recency=1.0)
    scorer = fit_ease(interactions, catalogue, params)
    history = Histories.of([[3, 9, 20]])
    expected = np.array([1 / 3, 1 / 2, 1]) @ _textbook(X)[[3, 9, 20]]
    np.testing.assert_allclose(scorer.score(history)[0], expected, rtol=1e-4, atol=1e-5)
    carried = scorer.contributions(history, np.arange(23))
    np.testing.assert_allclose(carried.sum(axis=1), expected, rtol=1e-4, atol=1e-5)


def test_what_is_stored_scores_the_same(catalogue):
    interactions, _ = _interactions(40, 23)
    scorer = fit_ease(interactions, catalogue, EaseParams(neighbours=6))
    again = EaseScorer.restore(*scorer.state(), interactions, catalogue)
    histories = interactions.histories
    np.testing.assert_array_equal(again.score(histories), scorer.score(histories))


def test_a_solution_that_would_not_fit_is_refused_with_the_way_out(catalogue):
    interactions, _ = _interactions(40, 23)
    with pytest.raises(MendableError, match=r"ease\.largest.*23 x 23.*ease\.neighbours"):
        fit_ease(interactions, catalogue, EaseParams(neighbours=None, largest=22))
