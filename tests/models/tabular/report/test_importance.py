import numpy as np
import pytest

from crisol.models.tabular.features.encoded_rows import Features, Part
from crisol.models.tabular.report.importance import (
    MOST_ROWS,
    affordable_rows,
    dealt_anew,
    permute,
    permute_ensemble,
)


def features(rows: int = 400) -> Features:
    rng = np.random.default_rng(0)
    return Features(
        rng.normal(size=(rows, 3)),
        rng.integers(2, 5, (rows, 1)).astype(np.int32),
        np.array([f"text {n}" for n in range(rows)], dtype=object).reshape(-1, 1),
        rng.integers(0, 255, (rows, 2, 2, 3)).astype(np.uint8),
        ("since.year", "since.month", "age"),
        ("town",),
        (5,),
        ("note",),
    )


COLUMNS = {"since": ("since.year", "since.month"), "age": ("age",), "town": ("town",)}


def mean_square(truth, predicted):
    return float(np.mean((truth - predicted) ** 2))


def test_the_increase_is_that_of_a_sum():
    """Of y = 2 a + town, dealing a out anew costs 2 · 2² · var(a), and what is not used nothing."""
    table = features(2000)

    def answer(f):
        return 2 * f.numbers[:, 2] + f.codes[:, 0]

    found = permute(answer, Part(table, answer(table)), COLUMNS, mean_square, row_seconds=1e-6)
    assert list(found.increase) == ["age", "town", "since"]
    assert found.increase["age"] == pytest.approx(8 * table.numbers[:, 2].var(), rel=0.1)
    assert found.increase["town"] == pytest.approx(2 * table.codes[:, 0].var(), rel=0.1)
    assert found.increase["since"] == 0
    again = permute(answer, Part(table, answer(table)), COLUMNS, mean_square, row_seconds=1e-6)
    assert again == found


def test_the_parts_of_a_column_are_dealt_out_together():
    table = features()
    order = np.random.default_rng(1).permutation(len(table))
    dealt = dealt_anew(table, ("since.year", "since.month"), order)
    np.testing.assert_array_equal(dealt.numbers[:, :2], table.numbers[order, :2])
    np.testing.assert_array_equal(dealt.numbers[:, 2], table.numbers[:, 2])
    np.testing.assert_array_equal(dealt.codes, table.codes)
    np.testing.assert_array_equal(dealt.images, table.images)
    assert dealt.texts.tolist() == table.texts.tolist()


def test_texts_and_pictures_are_dealt_out():
    table = features()
    order = np.arange(len(table))[::-1]
    assert dealt_anew(table, ("note",), order).texts[0, 0] == "text 399"
    np.testing.assert_array_equal(dealt_anew(table, ("photo",), order).images, table.images[order])


def test_slow_models_are_asked_about_fewer_rows():
    assert affordable_rows(10**6, 10, 1e-6) == MOST_ROWS
    assert affordable_rows(50, 10, 1e-6) == 50
    slow = affordable_rows(10**6, 10, 0.001)
    assert slow == 250
    assert affordable_rows(10**6, 10, 0.0011) == slow
    assert affordable_rows(10**6, 1000, 1.0) == 125


def test_a_slow_ensemble_is_asked_by_one_fold_model_of_each_member():
    from crisol.models.tabular.ensemble import Ensemble, Member

    class Sum:
        """Counts the rows it is asked about."""

        def __init__(self):
            self.asked = []

        def predict(self, table):
            self.asked.append(len(table))
            return table.numbers[:, 2]

    table = features(1000)
    models = tuple(Sum() for _ in range(4))
    ensemble = Ensemble("regression", [Member("one", "linear", {}, models)])
    part = Part(table, table.numbers[:, 2])
    quick = permute_ensemble(ensemble, part, COLUMNS, mean_square, row_seconds=1e-6)
    assert [sum(model.asked) for model in models] == [10_000] * 4
    slow = permute_ensemble(ensemble, part, COLUMNS, mean_square, row_seconds=2e-3)
    assert [sum(model.asked) for model in models] == [20_000, *[10_000] * 3]
    assert slow.increase == quick.increase
    assert slow.how == "1,000 held-out rows, one fold model of each member"
