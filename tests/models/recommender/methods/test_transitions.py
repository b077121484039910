"""Transitions count what came next, and divide a score exactly among the events of a history."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.method_params import TransitionParams
from crisol.models.recommender.methods.event_weights import event_weights
from crisol.models.recommender.methods.sparse_rows import strongest
from crisol.models.recommender.methods.transitions import TransitionScorer, fit_transitions

PLAIN = {
    "window": 2, "decay": 0.5, "backward": 0.0, "source": 0.0, "target": 0.0,
    "shrinkage": 0.0, "length": 0.0, "recency": 1.0, "neighbours": 100,
}  # fmt: skip


class _Items:
    """A catalogue of so many items, as far as transitions look at it."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count


def _fit(sequences, items=5, **changed) -> TransitionScorer:
    interactions = Interactions(Histories.of(sequences, users=range(len(sequences))), items)
    return fit_transitions(interactions, _Items(items), TransitionParams(**{**PLAIN, **changed}))


def _row(scorer, item):
    return scorer.transitions.toarray()[item].tolist()


def test_what_comes_next_counts_by_distance_and_only_within_the_window_and_the_user():
    scorer = _fit([[0, 1, 2, 3], [4]])
    assert _row(scorer, 0) == [0, 1, 0.5, 0, 0]
    assert _row(scorer, 3) == [0, 0, 0, 0, 0]


def test_the_other_direction_counts_as_much_as_asked():
    assert _row(_fit([[0, 1]], backward=0.25), 1) == [0.25, 0, 0, 0, 0]
    assert _row(_fit([[0, 1]]), 1) == [0, 0, 0, 0, 0]


def test_an_item_never_leads_to_itself():
    assert _row(_fit([[2, 2, 1]]), 2) == [0, 1.5, 0, 0, 0]


def test_frequent_items_are_damped_by_their_powers():
    scorer = _fit([[0, 1], [0, 1], [2, 1], [0, 3]], source=0.5, target=1.0, shrinkage=1.0)
    # Item 0 occurs three times, item 1 three times, item 3 once.
    np.testing.assert_allclose(_row(scorer, 0), [0, 2 / 2 / 4, 0, 1 / 2 / 2, 0], rtol=1e-6)


def test_long_histories_can_be_damped():
    np.testing.assert_allclose(_row(_fit([[0, 1, 2, 3]], length=0.5), 0), [0, 0.5, 0.25, 0, 0])


def test_the_newest_event_says_most():
    scorer = _fit([[0, 1], [2, 3]], recency=0.5)
    scores = scorer.score(Histories.of([[0, 2], [2, 0]]))
    assert scores.tolist() == [[0, 0.5, 0, 1, 0], [0, 1, 0, 0.5, 0]]


def test_an_empty_history_scores_zero():
    scores = _fit([[0, 1]]).score(Histories.of([[], [0]]))
    assert scores.dtype == np.float32
    assert scores[0].tolist() == [0] * 5
    assert scores[1].any()


def test_the_contributions_are_the_summands_of_the_score(rng):
    sequences = [rng.integers(0, 30, 12).tolist() for _ in range(40)]
    scorer = _fit(sequences, items=30, window=5, backward=0.3, recency=0.8, neighbours=9)
    history = Histories.of([[3, 7, 3, 11, 20]], weights=[[1, 2, 0.5, 1, 1]])
    items = np.array([5, 3, 29, 0, 11])
    carried = scorer.contributions(history, items)
    assert carried.shape == (5, 5)
    np.testing.assert_allclose(carried.sum(axis=1), scorer.score(history)[0, items], rtol=1e-5)


def test_restored_scores_are_the_same(rng):
    sequences = [rng.integers(0, 30, 12).tolist() for _ in range(40)]
    scorer = _fit(sequences, items=30, recency=0.7, neighbours=4)
    again = TransitionScorer.restore(*scorer.state(), None, _Items(30))
    histories = Histories.of(sequences[:5])
    np.testing.assert_array_equal(again.score(histories), scorer.score(histories))


@pytest.mark.parametrize("count", [1, 3, 50])
def test_the_strongest_entries_of_a_row_are_kept_and_of_equals_the_first(rng, count):
    dense = rng.integers(0, 4, (20, 30)).astype(np.float32)
    kept = strongest(csr_matrix(dense), count).toarray()
    for row, own in zip(dense, kept, strict=True):
        best = np.lexsort((np.arange(30), -row))[:count]
        expected = np.zeros(30)
        expected[best] = row[best]
        np.testing.assert_array_equal(own, expected)


def test_weights_of_events_are_kept_and_age_within_their_own_history():
    histories = Histories.of([[1, 2], [], [3]], weights=[[2, 4], [], [8]])
    assert event_weights(histories, 0.5).tolist() == [1, 4, 8]


@pytest.fixture
def rng():
    return np.random.default_rng(3)
