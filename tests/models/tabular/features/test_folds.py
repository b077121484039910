"""Folds respect classes, groups and time."""

from pathlib import Path

import numpy as np
import pytest

from crisol.core.errors import MendableError
from crisol.models.tabular.features.folds import ALWAYS, Folds, divide


def test_every_fold_has_the_classes_in_their_shares() -> None:
    target = np.repeat([0, 1, 2], [500, 90, 10]).astype(np.int64)
    folds = divide(target, len(target), 5, seed=0)
    assert len(folds) == 5
    for index in range(5):
        learned, held_out = folds.rows(index)
        assert np.intersect1d(learned, held_out).size == 0
        assert len(learned) + len(held_out) == 600
        assert np.bincount(target[held_out]).tolist() == [100, 18, 2]


def test_a_class_of_one_row_is_always_learned_from() -> None:
    target = np.array([0] * 20 + [1], np.int64)
    folds = divide(target, 21, 5, seed=0)
    assert folds.numbers[0, 20] == ALWAYS
    assert all(20 in folds.rows(index)[0] for index in range(len(folds)))
    assert not folds.judged[20]


def test_numbers_are_spread_evenly() -> None:
    target = np.random.default_rng(0).lognormal(size=1000)
    folds = divide(target, 1000, 5, seed=1)
    means = [np.log(target[folds.rows(index)[1]]).mean() for index in range(5)]
    assert np.ptp(means) < 0.02


def test_groups_are_never_on_both_sides() -> None:
    groups = np.random.default_rng(0).integers(0, 30, 400)
    folds = divide(None, 400, 4, seed=0, groups=groups)
    for index in range(4):
        learned, held_out = folds.rows(index)
        assert not set(groups[learned]) & set(groups[held_out])
        assert 60 < len(held_out) < 140


def test_fewer_groups_than_folds_make_fewer_folds() -> None:
    groups, target = np.repeat([0, 1, 2], 40), np.arange(120) % 2
    folds = divide(target, 120, 5, seed=0, groups=groups)
    assert len(folds) == 3
    assert all(len(rows) for index in range(3) for rows in folds.rows(index))
    with pytest.raises(MendableError, match=r"data.group: .* one group"):
        divide(target, 120, 5, seed=0, groups=np.zeros(120, np.int64))


def test_the_single_fold_of_groups_is_near_a_tenth_and_not_the_largest_group() -> None:
    groups = np.repeat(np.arange(21), [600, *[20] * 20])
    learned, held_out = divide(None, 1000, 1, seed=0, groups=groups).rows(0)
    assert set(groups[learned]) >= {0}
    assert 20 <= len(held_out) <= 100


def test_no_fold_is_empty_where_most_classes_have_one_row() -> None:
    target = np.array([*range(30), 30, 30, 31, 31], np.int64)
    folds = divide(target, len(target), 5, seed=0)
    assert len(folds) == 4
    assert all(len(folds.rows(index)[1]) == 1 for index in range(4))
    with pytest.raises(MendableError, match=r"data.target: every class has one"):
        divide(np.arange(12), 12, 5, seed=0)


def test_the_single_fold_of_ordered_rows_is_the_latest_tenth() -> None:
    order = np.random.default_rng(0).permutation(100)
    folds = divide(None, 100, 1, seed=0, order=order)
    learned, held_out = folds.rows(0)
    assert len(folds) == 1
    assert order[held_out].min() > order[learned].max()
    assert len(held_out) == 10


def test_rows_in_time_are_answered_by_models_of_earlier_rows(tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(120)
    divide(None, 120, 5, seed=0, order=order, repeats=2).write(tmp_path)
    folds = Folds.read(tmp_path)  # as the workers see them
    assert len(folds) == 5
    judged = []
    for index in range(5):
        learned, held_out = folds.rows(index)
        assert sorted(order[learned]) == list(range(order[held_out].min()))
        assert len(held_out) == 6
        judged.append(held_out)
    assert order[judged[0]].max() == 119
    assert folds.answering({4, 2, 0, 1, 3}) == [0, 1, 2]
    assert sorted(order[folds.judged]) == list(range(90, 120))
    assert sorted(np.concatenate(judged)) == np.flatnonzero(folds.judged).tolist()


def test_the_first_window_in_time_has_two_classes() -> None:
    target = np.array([0] * 80 + [1, 0] * 10, np.int64)
    folds = divide(target, 100, 5, seed=0, order=np.arange(100))
    assert [len(folds.rows(index)[1]) for index in range(5)] == [3, 4, 4, 4, 4]
    assert all(len(np.unique(target[folds.rows(index)[0]])) == 2 for index in range(5))
    with pytest.raises(MendableError, match=r"data.time: .* one class"):
        divide(np.array([0, 0, 0, 1]), 4, 5, seed=0, order=np.arange(4))


def test_repeats_divide_anew_and_seeds_too() -> None:
    folds = divide(None, 50, 5, seed=0, repeats=2)
    assert len(folds) == 10
    assert (folds.numbers[0] != folds.numbers[1]).any()
    assert (divide(None, 50, 5, seed=0, repeats=2).numbers == folds.numbers).all()
    assert (divide(None, 50, 5, seed=1).numbers[0] != folds.numbers[0]).any()


def test_few_rows_make_few_folds() -> None:
    assert len(divide(None, 6, 10, seed=0)) == 3
