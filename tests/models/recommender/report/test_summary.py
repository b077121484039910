"""Measured lists in figures."""

import numpy as np
import pytest

from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.methods.ranking import measure
from crisol.models.recommender.report.summary import list_diversity, list_novelty, summary


def test_diversity_is_one_minus_the_mean_cosine_of_pairs(monkeypatch):
    monkeypatch.setattr("crisol.models.recommender.report.summary._BLOCK_CELLS", 20)
    random = np.random.default_rng(1)
    vectors = random.normal(size=(9, 4)).astype(np.float32)
    vectors[3] = 0
    lists = np.array([[0, 1, 2, 3], [4, 5, -1, -1], [6, -1, -1, -1]])
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    pairs = [(a, b) for a in range(4) for b in range(4) if a != b]
    expected = [
        1 - np.mean([units[a] @ units[b] for a, b in pairs]),
        1 - units[4] @ units[5],
        np.nan,
    ]
    np.testing.assert_allclose(list_diversity(lists, vectors), expected, rtol=1e-5)


def test_novelty_counts_bits():
    interactions = Interactions(Histories.of([[0, 1], [0], [0]]), item_count=3)
    values = list_novelty(np.array([[0, 1], [2, -1], [-1, -1]]), interactions)
    np.testing.assert_allclose(values, [0.5, 2.0, np.nan])


def test_summary_describes_the_lists():
    interactions = Interactions(Histories.of([[0, 1], [0, 2], [0, 1]]), item_count=5)
    histories = interactions.histories
    histories = Histories(histories.starts, histories.items, histories.weights, np.arange(3))
    lists = np.array([[3, 2], [1, 3], [2, 3]])
    measured = measure(
        lambda some: lists[some.users], histories, Histories.of([[2], [1], [4]]), ks=[2]
    )
    row = summary(measured, histories, interactions, np.eye(5, dtype=np.float32)).row()
    assert row["coverage"] == 3 / 5
    assert row["diversity"] == 1
    assert row["hit@2"] == pytest.approx(2 / 3)
    assert row["hit@2_low"] <= row["hit@2"] <= row["hit@2_high"]
    assert row["popularity_of_lists"] == pytest.approx((0 + 1 / 3 + 2 / 3 + 0 + 1 / 3 + 0) / 6)
    assert row["popularity_of_histories"] == pytest.approx((3 + 5 / 3) / 6)
    assert row["gini"] == pytest.approx((-4 * 0 - 2 * 0 + 0 * 1 + 2 * 2 + 4 * 3) / (5 * 6))
