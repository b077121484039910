import numpy as np
import pytest
from tests.models.products.conftest import Shop

from crisol.core import metrics
from crisol.models import products as family
from crisol.models.products.params import DataParams
from crisol.models.products.report.results import _spearman, study_results
from crisol.models.products.report.retrieval import rank_of_own
from crisol.models.products.study_params import StudyParams
from crisol.models.products.training import Fit


def test_spearman_with_its_interval() -> None:
    generator = np.random.default_rng(1)
    truth = generator.integers(0, 40, 300).astype(float)
    answer = truth + generator.normal(0, 10, 300)
    found = _spearman(truth, answer)
    assert found.value == pytest.approx(metrics.information_coefficient(truth, answer), abs=1e-9)
    rows = [generator.integers(0, 300, 300) for _ in range(300)]
    drawn = [metrics.information_coefficient(truth[r], answer[r]) for r in rows]
    assert [found.low, found.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.02)


def test_an_answer_that_is_always_the_same_ranks_nothing() -> None:
    found = _spearman(np.arange(20.0), np.full(20, 0.5))
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_equal_prices_and_a_study_in_another_currency_than_most(fitted: Fit, shop: Shop) -> None:
    study = StudyParams(name="sample", sources=("abroad",))
    data = DataParams(studies=(study,), register_study="sample")
    abroad = np.arange(len(shop.products)) % 3 == 0
    products = shop.products.assign(
        source=np.where(abroad, "abroad", "home"), currency=np.where(abroad, "EUR", "INR")
    )
    parts = family.split(products, study)
    tested = parts.loc[parts["role"] == "test", "row"]
    answers = fitted.forecasts.head(len(tested)).assign(
        row=tested.to_numpy(), study="sample", method="ensemble", view="whole"
    )
    [result] = study_results(products, parts, answers, fitted.ranks, data)
    assert result.currency == "EUR"
    assert "price" in result.heads()
    equal = products.assign(price=100.0)
    [result] = study_results(equal, parts, answers, fitted.ranks, data)
    assert "price" not in result.heads()


def test_ranks_count_ties_half() -> None:
    similarity = np.array([[0.9, 0.1, 0.2], [0.5, 0.5, 0.5], [0.9, 0.8, 0.1]])
    assert rank_of_own(similarity).tolist() == [1, 2, 3]
