import numpy as np
import pytest

from crisol.core import metrics
from crisol.models.products.results import _spearman
from crisol.models.products.retrieval import rank_of_own


def test_spearman_with_its_interval() -> None:
    generator = np.random.default_rng(1)
    truth = generator.integers(0, 40, 300).astype(float)
    answer = truth + generator.normal(0, 10, 300)
    found = _spearman(truth, answer)
    assert found.value == pytest.approx(metrics.information_coefficient(truth, answer), abs=1e-9)
    rows = [generator.integers(0, 300, 300) for _ in range(300)]
    drawn = [metrics.information_coefficient(truth[r], answer[r]) for r in rows]
    assert [found.low, found.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.02)


def test_ranks_count_ties_half() -> None:
    similarity = np.array([[0.9, 0.1, 0.2], [0.5, 0.5, 0.5], [0.9, 0.8, 0.1]])
    assert rank_of_own(similarity).tolist() == [1, 2, 3]
