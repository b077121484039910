"""Pairs of numbers are added where they help, and nowhere else."""

from pathlib import Path

import numpy as np
from tests.models.tabular.algorithms.tables import context

from crisol.models.tabular.algorithm import algorithm
from crisol.models.tabular.algorithms.paired import Paired, read_model
from crisol.models.tabular.features.encoded_rows import Features, Part
from crisol.models.tabular.features.pairs import Pairs
from crisol.models.tabular.settings import LightGBMSettings


def rows(numbers: np.ndarray, target: np.ndarray) -> Part:
    names = tuple("abcdefgh"[: numbers.shape[1]])
    empty = np.empty((len(numbers), 0))
    return Part(
        Features(numbers, empty.astype(np.int32), empty.astype(object), None, names, (), (), ()),
        target,
    )


def ratio_rows(count: int = 1500) -> Part:
    random = np.random.default_rng(0)
    numbers = random.uniform(1, 10, (count, 4))
    return rows(numbers, numbers[:, 1] / numbers[:, 3] + random.normal(0, 0.05, count))


def test_a_ratio_is_found() -> None:
    found = Pairs.find(ratio_rows(), "regression", 0, seed=0, count=2)
    assert (1, "/", 3) in found.chosen


def test_nothing_is_added_where_columns_stand_alone() -> None:
    random = np.random.default_rng(0)
    numbers = random.normal(size=(1500, 4))
    target = (numbers[:, 0] > 0.3).astype(np.int64)
    assert Pairs.find(rows(numbers, target), "classification", 2, seed=0, count=5).chosen == ()


def test_few_rows_are_not_judged() -> None:
    assert Pairs.find(ratio_rows(300), "regression", 0, seed=0, count=2).chosen == ()


def test_missing_cells_and_zero_divisors_give_missing_pairs() -> None:
    features = rows(np.array([[1.0, 0.0], [np.nan, 2.0], [6.0, 3.0]]), np.zeros(3)).features
    made = Pairs(((0, "/", 1), (0, "-", 1), (0, "+", 1))).apply(features)
    assert made.number_names == ("a", "b", "a / b", "a - b", "a + b")
    expected = [[np.nan, 1, 1], [np.nan] * 3, [2, 3, 9]]
    np.testing.assert_array_equal(made.numbers[:, 2:], expected)


def test_a_model_with_pairs_is_written_and_read(tmp_path: Path) -> None:
    part = ratio_rows()
    pairs = Pairs(((1, "/", 3),))
    seen = Part(pairs.apply(part.features), part.target)
    fit = algorithm("lightgbm").fit(
        LightGBMSettings(max_iterations=40, learning_rate=0.2), seen, None, context("regression")
    )
    model = Paired(fit.model, pairs, part.features.number_names)
    state = model.write(tmp_path)
    again = read_model("lightgbm", tmp_path, state)
    answers = model.predict(part.features)
    assert np.corrcoef(answers, part.target)[0, 1] > 0.99
    np.testing.assert_array_equal(again.predict(part.features), answers)
    shares = again.importance()
    assert shares is not None
    assert set(shares) == {"a", "b", "c", "d"}
    assert abs(sum(shares.values()) - 1) < 1e-9
    assert shares["b"] + shares["d"] > 0.95


def test_a_pairs_shap_values_go_in_halves_to_its_columns() -> None:
    part = ratio_rows(400)
    pairs = Pairs(((1, "/", 3),))
    wide = Part(pairs.apply(part.features), part.target)
    settings = LightGBMSettings(max_iterations=30)
    inner = algorithm("lightgbm").fit(settings, wide, None, context("regression")).model
    own, own_names = inner.shap(wide.features)
    values, names = Paired(inner, pairs, part.features.number_names).shap(part.features)
    assert names == ("a", "b", "c", "d")
    np.testing.assert_allclose(values.sum(axis=1), own.sum(axis=1))
    pair = own[:, own_names.index("b / d")]
    np.testing.assert_allclose(values[:, 1], own[:, 1] + pair / 2)
    strength = np.abs(values).mean(axis=0)
    assert min(strength[1], strength[3]) > 3 * max(strength[0], strength[2])
