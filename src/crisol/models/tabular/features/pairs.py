"""Sums, differences and ratios of two number columns, where they help.

Trees cut one column at a time and find ``rooms per household`` or a diagonal of a map only by many
cuts; networks on scaled numbers do little better. So candidates are made of every two columns, a
small boosted model on some of the training rows says which it would use (by gain, as AutoFeat and
OpenFE do, arXiv:2211.12507), and they are kept only if the model is better with them than without
them on held-out rows.

Shapes: N rows, D numbers, P pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.models.tabular.features.encoded_rows import Features, Part
from crisol.models.tabular.schema import Task

OPERATIONS = ("/", "-", "+")
TRIED_ROWS = 6000
TRIED_COLUMNS = 16
"""Number columns that are combined at most: the most useful ones."""
LEAST_GAIN = 0.01
"""Share of the loss on held-out rows that the pairs must save."""
MOST_CLASSES = 12
LEAST_ROWS = 1000
"""With fewer rows a comparison depends on chance."""
GROWN = {
    "learning_rate": 0.1,
    "num_leaves": 15,
    "min_data_in_leaf": 10,
    "max_bin": 127,
    "feature_fraction": 0.4,
    "verbosity": -1,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
}
"""LightGBM's parameters of the small model that judges the pairs."""

Pair = tuple[int, str, int]


@dataclass(frozen=True)
class Pairs:
    """P combinations of number columns.

    Attributes:
        chosen: two columns' places in ``Features.numbers`` and what is done with them.
    """

    chosen: tuple[Pair, ...]

    @classmethod
    def find(cls, part: Part, task: Task, classes: int, seed: int, count: int) -> Self:
        """The ``count`` most useful of all pairs, or none where none help."""
        numbers, codes = part.features.numbers, part.features.codes
        unfit = part.target is None or len(part) < LEAST_ROWS or classes > MOST_CLASSES
        if unfit or numbers.shape[1] < 2 or count == 0:
            return cls(())
        assert part.target is not None
        rows = np.random.default_rng((seed, 13)).permutation(len(part))[:TRIED_ROWS]
        numbers, codes, target = numbers[rows], codes[rows], part.target[rows]
        judge = _Judge(task, classes, seed, target)
        plain = np.concatenate([numbers, codes], axis=1)
        categories = list(range(numbers.shape[1], plain.shape[1]))
        columns = list(range(numbers.shape[1]))
        if len(columns) > TRIED_COLUMNS:
            gains = judge.gains(plain, categories)[: numbers.shape[1]]
            columns = sorted(np.argsort(-gains, kind="stable")[:TRIED_COLUMNS].tolist())
        tried = [(a, o, b) for a, b in combinations(columns, 2) for o in OPERATIONS]
        made = _combined(numbers, tried)
        gains = judge.gains(np.concatenate([plain, made], axis=1), categories)[plain.shape[1] :]
        best = np.sort(np.argsort(-gains, kind="stable")[:count])
        without = judge.loss(plain, categories)
        with_them = judge.loss(np.concatenate([plain, made[:, best]], axis=1), categories)
        if with_them > without * (1 - LEAST_GAIN):
            return cls(())
        return cls(tuple(tried[index] for index in best))

    def apply(self, features: Features) -> Features:
        """The rows with P numbers more."""
        if not self.chosen:
            return features
        names = features.number_names
        made = _combined(features.numbers, self.chosen)
        return replace(
            features,
            numbers=np.concatenate([features.numbers, made], axis=1),
            number_names=(*names, *(f"{names[a]} {o} {names[b]}" for a, o, b in self.chosen)),
        )


class _Judge:
    """Small boosted models of the same rows: what they use, and how well they do.

    Args:
        task: what is learned.
        classes: K, 0 for numbers.
        seed: of the model.
        target: [N].
    """

    def __init__(self, task: Task, classes: int, seed: int, target: NDArray[Any]) -> None:
        self._target = target
        if task == "regression":
            self._target = (target - target.mean()) / (target.std() or 1.0)
            aim: dict[str, Any] = {"objective": "regression"}
        elif classes == 2:
            aim = {"objective": "binary"}
        else:
            aim = {"objective": "multiclass", "num_class": classes}
        self._params = {**GROWN, **aim, "seed": seed}

    def gains(self, table: Floats, categories: list[int]) -> Floats:
        """The gain of each column."""
        import lightgbm as lgb

        data = lgb.Dataset(table, self._target, categorical_feature=categories)
        return np.asarray(lgb.train(self._params, data, 100).feature_importance("gain"))

    def loss(self, table: Floats, categories: list[int]) -> float:
        """On a quarter of the rows that it did not learn from, at its best iteration."""
        import lightgbm as lgb

        quarter = len(table) // 4
        train = lgb.Dataset(table[quarter:], self._target[quarter:], categorical_feature=categories)
        valid = lgb.Dataset(table[:quarter], self._target[:quarter], reference=train)
        stop = lgb.early_stopping(30, verbose=False)
        model = lgb.train(self._params, train, 300, valid_sets=[valid], callbacks=[stop])
        return float(next(iter(model.best_score["valid_0"].values())))


def _combined(numbers: Floats, pairs: Sequence[Pair]) -> Floats:
    """[N, P]; missing where a part is missing or a divisor is zero."""
    made = np.empty((len(numbers), len(pairs)))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for index, (a, operation, b) in enumerate(pairs):
            one, other = numbers[:, a], numbers[:, b]
            if operation == "/":
                made[:, index] = one / other
            else:
                made[:, index] = one - other if operation == "-" else one + other
    made[~np.isfinite(made)] = np.nan
    return made
