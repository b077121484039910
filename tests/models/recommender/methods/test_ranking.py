import numpy as np
import pytest
from scipy.sparse import csr_matrix

from crisol.models.recommender.data.histories import Histories
from crisol.models.recommender.methods.ranking import measure, top_k


def _brute_force(scores, k, exclude, allowed):
    lists = []
    for row, seen, may in zip(scores, exclude.toarray() != 0, allowed, strict=True):
        candidates = [item for item in range(len(row)) if may[item] and not seen[item]]
        best = sorted(candidates, key=lambda item: (-row[item], item))[:k]
        lists.append(best + [-1] * (k - len(best)))
    return lists


@pytest.mark.parametrize("k", [1, 5, 30, 40])
@pytest.mark.parametrize("levels", [3, 1000])
def test_top_k_is_the_sorted_head_with_ties_by_index(monkeypatch, k, levels):
    monkeypatch.setattr("crisol.models.recommender.methods.ranking._BLOCK_CELLS", 100)
    random = np.random.default_rng(k)
    scores = random.integers(0, levels, (12, 30)).astype(np.float32)
    exclude = csr_matrix(random.random((12, 30)) < 0.2, dtype=np.float32)
    allowed = random.random((12, 30)) < 0.7
    items, best = top_k(scores, k, exclude, allowed)
    assert items.tolist() == _brute_force(scores, k, exclude, allowed)
    expected = np.where(items >= 0, np.take_along_axis(scores, np.maximum(items, 0), 1), 0)
    np.testing.assert_array_equal(best, expected)


def test_top_k_leaves_the_scores_alone_and_takes_one_mask_for_all():
    scores = np.array([[3, 2, 1], [1, 2, 3]], dtype=np.float32)
    items, _ = top_k(scores, 2, allowed=np.array([True, False, True]))
    assert items.tolist() == [[0, 2], [2, 0]]
    assert scores.tolist() == [[3, 2, 1], [1, 2, 3]]


def test_top_k_of_nothing_allowed_is_empty():
    items, best = top_k(np.ones((1, 4), np.float32), 2, allowed=np.zeros(4, bool))
    assert items.tolist() == [[-1, -1]]
    assert best.tolist() == [[0, 0]]


def test_top_k_refuses_nan():
    scores = np.zeros((1, 50), np.float32)
    scores[0, 7] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        top_k(scores, 3)


def _ranker(lists):
    table = np.asarray(lists)
    return lambda histories: table[histories.users]


def test_metrics_by_hand():
    histories = Histories.of([[0], [0], [0], [0]], users=[0, 1, 2, 3])
    targets = Histories.of([[5, 6, 5], [], [9], [1, 2, 3]], users=[0, 1, 2, 3])
    lists = [[4, 5, 6], [1, 2, 3], [1, 2, 3], [1, 4, -1]]
    measured = measure(_ranker(lists), histories, targets, ks=[2, 3], batch=2)
    assert measured.rows.tolist() == [0, 2, 3]
    second, third = 1 / np.log2(3), 0.5
    expected = {
        "recall@2": [1 / 2, 0, 1 / 3],
        "ndcg@2": [second / (1 + second), 0, 1 / (1 + second)],
        "hit@2": [1, 0, 1],
        "mrr@2": [1 / 2, 0, 1],
        "recall@3": [1, 0, 1 / 3],
        "ndcg@3": [(second + third) / (1 + second), 0, 1 / (1 + second + third)],
        "hit@3": [1, 0, 1],
        "mrr@3": [1 / 2, 0, 1],
    }
    assert measured.by_user.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(measured.by_user[name], values, err_msg=name)


def test_a_hit_beyond_k_does_not_count():
    histories = Histories.of([[0]], users=[0])
    measured = measure(_ranker([[1, 2, 3]]), histories, Histories.of([[3]]), ks=[1, 3])
    assert [measured.mean(f"mrr@{k}") for k in (1, 3)] == [0, 1 / 3]


def test_metrics_agree_with_a_loop_over_sets():
    random = np.random.default_rng(0)
    wanted = [random.choice(40, random.integers(0, 9), replace=False) for _ in range(60)]
    lists = np.array([random.permutation(40)[:10] for _ in range(60)])
    histories = Histories.of([[0]] * 60, users=range(60))
    measured = measure(_ranker(lists), histories, Histories.of(wanted), ks=[4, 10], batch=7)
    for at, row in enumerate(measured.rows):
        for k in (4, 10):
            gains = [
                1 / np.log2(place + 2)
                for place, item in enumerate(lists[row][:k])
                if item in wanted[row]
            ]
            ideal = sum(1 / np.log2(place + 2) for place in range(min(k, len(wanted[row]))))
            assert measured.by_user[f"recall@{k}"][at] == len(gains) / len(wanted[row])
            np.testing.assert_allclose(measured.by_user[f"ndcg@{k}"][at], sum(gains) / ideal)


@pytest.mark.parametrize(
    ("lists", "message"),
    [([[1, 1, 2]], "twice"), ([[1, 2]], "at least 3")],
)
def test_lists_that_would_flatter_are_refused(lists, message):
    with pytest.raises(ValueError, match=message):
        measure(_ranker(lists), Histories.of([[0]], users=[0]), Histories.of([[3]]), ks=[3])


def test_measuring_nobody_is_an_error():
    with pytest.raises(ValueError, match="nobody"):
        measure(_ranker([[1]]), Histories.of([[0]], users=[0]), Histories.of([[]]), ks=[1])
