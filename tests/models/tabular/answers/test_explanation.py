from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.models.tabular import served

from crisol.models.tabular.answers.explanation import Explainer
from crisol.models.tabular.features.encoded_rows import Features

NAMES = ("a", "b", "c", "d")
COLUMNS = {"a": ("a",), "b": ("b",), "c": ("c",), "d": ("d",)}


def features(numbers: NDArray[np.float64], codes: NDArray[np.int32] | None = None) -> Features:
    count = len(numbers)
    codes = np.zeros((count, 0), np.int32) if codes is None else codes
    width = codes.shape[1]
    return Features(
        numbers, codes, np.empty((count, 0), object), None,
        NAMES[: numbers.shape[1]], NAMES[numbers.shape[1] :][:width], (9,) * width, (),
    )  # fmt: skip


def answer(given: Features) -> NDArray[np.float64]:
    """Interactions, a threshold, and a column that does nothing."""
    a, b, c, _ = given.numbers.T
    return a * b + np.where(c > 0, 2 * a, b) + c


def exact(row: NDArray[np.float64], background: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shapley values over all orders and all background rows."""
    shares = np.zeros(4)
    orders = list(permutations(range(4)))
    for order in orders:
        mixed = background.copy()
        before = answer(features(mixed)).mean()
        for column in order:
            mixed[:, column] = row[column]
            after = answer(features(mixed)).mean()
            shares[column] += after - before
            before = after
    return shares / len(orders)


def test_shares_are_those_of_all_orders_and_add_up() -> None:
    rng = np.random.default_rng(0)
    background, row = rng.normal(size=(64, 4)), rng.normal(size=(1, 4)) + 1
    shares = Explainer(answer, features(background), COLUMNS).explain(features(row))
    wanted = exact(row[0], background)
    assert shares.base == pytest.approx(answer(features(background)).mean())
    assert shares.base + shares.columns.sum() == pytest.approx(answer(features(row))[0])
    assert shares.columns == pytest.approx(wanted, abs=0.35)
    assert shares.columns[3] == 0
    many = [Explainer(answer, features(background), COLUMNS, seed=s) for s in range(40)]
    mean = np.mean([e.explain(features(row)).columns for e in many], axis=0)
    assert mean == pytest.approx(wanted, abs=0.08), "what is left is chance, not bias"


def test_shares_of_a_linear_model_are_exact() -> None:
    rng = np.random.default_rng(1)
    background, row = rng.normal(size=(30, 4)), rng.normal(size=(1, 4))
    slopes = np.array([1.0, -2.0, 0.5, 3.0])
    found = Explainer(lambda f: f.numbers @ slopes, features(background), COLUMNS)
    wanted = slopes * (row[0] - background.mean(axis=0))
    assert found.explain(features(row)).columns == pytest.approx(wanted)


def test_a_date_moves_with_all_its_parts_and_classes_have_shares_of_their_own() -> None:
    rng = np.random.default_rng(2)
    numbers, codes = rng.normal(size=(20, 2)), rng.integers(0, 9, (20, 1)).astype(np.int32)

    def two(given: Features) -> NDArray[np.float64]:
        high = given.numbers[:, 0] * given.numbers[:, 1] + given.codes[:, 0]
        return np.stack([high, -high], axis=1)

    row = features(np.ones((1, 2)), np.full((1, 1), 5, np.int32))
    shares = Explainer(two, features(numbers, codes), {"a": ("a", "b"), "c": ("c",)}).explain(row)
    assert shares.columns.shape == (2, 2)
    assert shares.columns[:, 0] == pytest.approx(-shares.columns[:, 1])
    assert shares.columns[0, 0] == pytest.approx(1 - (numbers[:, 0] * numbers[:, 1]).mean())
    assert shares.columns[1, 0] == pytest.approx(5 - codes.mean())


def test_one_column_takes_all_and_many_walk_from_fewer_rows() -> None:
    numbers = np.arange(6.0).reshape(6, 1)
    one = Explainer(lambda f: f.numbers[:, 0] ** 2, features(numbers), {"a": ("a",)})
    shares = one.explain(features(np.array([[7.0]])))
    assert shares.columns == pytest.approx([49 - (numbers**2).mean()])
    names = tuple(f"n{i}" for i in range(600))
    seen: list[int] = []

    def wide(given: Features) -> NDArray[np.float64]:
        seen.append(len(given))
        return given.numbers.sum(axis=1)

    rng = np.random.default_rng(0)
    background = Features(
        rng.normal(size=(64, 600)), np.zeros((64, 0), np.int32), np.empty((64, 0), object), None,
        names, (), (), (),
    )  # fmt: skip
    Explainer(wide, background, {n: (n,) for n in names}).explain(background.take(slice(0, 1)))
    assert len(seen) == 1
    assert seen[0] <= 1 + 8 + 16 * 599


def test_shares_are_those_of_treeshap_where_trees_add_up() -> None:
    predictor = served.model("lightgbm", "regression", leaves=2, max_iterations=30)
    columns = predictor.encoder.columns
    row = predictor.encoder.transform_rows([served.ROW])
    shares = predictor.explainer.explain(row)
    both = predictor.ensemble.members[0].models
    wanted = dict.fromkeys(columns, 0.0)
    for tree in both:
        here, there = tree.shap(row), tree.shap(predictor.background)
        assert here is not None
        assert there is not None
        for at, name in enumerate(here[1]):
            wanted[predictor.encoder.source(name)] += (
                here[0][0, at] - there[0][:, at].mean()
            ) / len(both)
    assert shares.columns == pytest.approx(list(wanted.values()), abs=1e-6)
