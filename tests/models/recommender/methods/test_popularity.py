"""Popularity gives everybody the same scores, also somebody with no history."""

import numpy as np

from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.methods.popularity import PopularityScorer, fit_popularity

BOUGHT = Interactions(Histories.of([[0, 1], [1, 1], [2, 1], [2]], users=range(4)), 4)


def test_items_of_more_users_score_higher_and_events_of_one_user_count_once():
    scores = fit_popularity(BOUGHT, None).score(Histories.of([[3]]))
    np.testing.assert_allclose(scores, [np.log1p([1, 3, 2, 0])], rtol=1e-6)


def test_an_empty_history_gets_the_same_scores_as_any_other():
    scores = fit_popularity(BOUGHT, None).score(Histories.of([[], [0, 2]]))
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores[0], scores[1])


def test_no_event_carries_popularity():
    carried = fit_popularity(BOUGHT, None).contributions(
        Histories.of([[0, 1]]), np.array([2, 3, 1])
    )
    assert carried.shape == (3, 2)
    assert not carried.any()


def test_restored_scores_are_the_same():
    scorer = fit_popularity(BOUGHT, None)
    again = PopularityScorer.restore(*scorer.state(), BOUGHT, None)
    np.testing.assert_array_equal(again.popularity, scorer.popularity)
