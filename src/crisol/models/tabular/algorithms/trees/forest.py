"""Random forests (Breiman 2001) and extremely randomised trees (Geurts et al. 2006).

scikit-learn grows them; what is kept are flat arrays, walked with NumPy, so that a bundle needs no
scikit-learn. The walk gives scikit-learn's own answer: inputs are rounded to single precision as
there, and a missing number goes to the side that the split learned for it.

Legend: N rows, T trees, M nodes of all trees, V distinct leaf values, K outputs.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from crisol.core.arrays import Floats
from crisol.models.tabular.algorithm import Algorithm, Fit, FitContext, OutOfTime
from crisol.models.tabular.algorithms.target_scale import TargetScale, class_codes
from crisol.models.tabular.features.encoded_rows import Features, Part
from crisol.models.tabular.features.tree_columns import TreeColumns
from crisol.models.tabular.schema import Task
from crisol.models.tabular.settings import RandomForestSettings

if TYPE_CHECKING:
    from sklearn.ensemble import ForestClassifier, ForestRegressor

TREES = "trees.safetensors"
CHUNK, CHUNK_ROWS = 10, 500_000
"""Trees grown between two looks at the clock, and rows that all of them may see together; which
trees are grown does not depend on it."""
WALKERS = 1_000_000
"""Pairs of row and tree that are walked at once."""
LEAF = -1


@dataclass(frozen=True)
class Trees:
    """All trees in one. A node's left child is the next node.

    Attributes:
        roots: int32 [T].
        feature: int32 [M] column that is looked at, or :data:`LEAF`.
        threshold: float32 [M]: rows up to it go left.
        target: int32 [M] right child; of a leaf, its row in ``values``.
        missing_left: bool [M]: where a missing number goes.
        values: float64 [V, K].
    """

    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    target: NDArray[np.int32]
    missing_left: NDArray[np.bool_]
    values: Floats

    def mean(self, table: Floats) -> Floats:
        """The mean over the trees [N, K] of their answers to the rows [N, F]."""
        x = table.astype(np.float32)
        step = max(1, WALKERS // len(self.roots))
        parts = [self._walk(x[at : at + step]) for at in range(0, len(x), step)]
        return np.concatenate(parts) if parts else np.zeros((0, self.values.shape[1]))

    def _walk(self, x: NDArray[np.float32]) -> Floats:
        trees = len(self.roots)
        node = np.tile(self.roots, len(x))
        row = np.repeat(np.arange(len(x)), trees)
        walking = np.flatnonzero(self.feature[node] != LEAF)
        while len(walking):
            at = node[walking]
            value = x[row[walking], self.feature[at]]
            left = (value <= self.threshold[at]) | (np.isnan(value) & self.missing_left[at])
            at = np.where(left, at + 1, self.target[at])
            node[walking] = at
            walking = walking[self.feature[at] != LEAF]
        leaves = self.target[node].reshape(len(x), trees)
        total = np.zeros((len(x), self.values.shape[1]))
        for tree in range(trees):
            total += self.values[leaves[:, tree]]
        return total / trees

    @classmethod
    def of(cls, forest: "ForestClassifier | ForestRegressor", columns: NDArray[np.int64]) -> Self:
        """The arrays of a fitted forest.

        Args:
            forest: scikit-learn's.
            columns: the output in which each of its values belongs; the others are 0.
        """
        roots, features, thresholds, targets, sides, values = [], [], [], [], [], []
        nodes = leaves = 0
        for estimator in forest.estimators_:
            tree = estimator.tree_
            leaf = tree.children_left < 0
            if not np.array_equal(tree.children_left[~leaf], np.flatnonzero(~leaf) + 1):
                raise AssertionError("scikit-learn no longer numbers nodes depth first")
            own = np.zeros((int(leaf.sum()), int(columns.max()) + 1 if len(columns) else 1))
            own[:, columns] = tree.value[leaf, 0, :]
            target = tree.children_right + nodes
            target[leaf] = leaves + np.arange(len(own))
            roots.append(nodes)
            features.append(np.where(leaf, LEAF, tree.feature))
            thresholds.append(_rounded_down(tree.threshold))
            sides.append(tree.missing_go_to_left.astype(bool))
            targets.append(target)
            values.append(own)
            nodes, leaves = nodes + len(leaf), leaves + len(own)
        feature, target = np.concatenate(features), np.concatenate(targets)
        distinct, inverse = np.unique(np.concatenate(values), axis=0, return_inverse=True)
        at_leaf = feature == LEAF
        target[at_leaf] = inverse.reshape(-1)[target[at_leaf]]
        return cls(
            np.array(roots, dtype=np.int32),
            feature.astype(np.int32),
            np.concatenate(thresholds),
            target.astype(np.int32),
            np.concatenate(sides),
            distinct,
        )


def _rounded_down(thresholds: Floats) -> NDArray[np.float32]:
    """The largest single-precision numbers that are not above: they part the same numbers."""
    rounded = thresholds.astype(np.float32)
    above = rounded.astype(np.float64) > thresholds
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return rounded


class RandomForest(Algorithm):
    """A forest with the columns it looks at.

    Categories are looked at as the numbers of their codes.

    Args:
        trees: what is walked.
        columns: makes its table.
        regression: whether it answers with a number.
        gains: [columns] what each gave in training.
    """

    name: ClassVar[str] = "random_forest"
    tasks: ClassVar[frozenset[Task]] = frozenset({"classification", "regression", "text"})
    settings_type: ClassVar[type[RandomForestSettings]] = RandomForestSettings

    def __init__(self, trees: Trees, columns: TreeColumns, regression: bool, gains: Floats) -> None:
        self.trees, self.columns, self.regression, self.gains = trees, columns, regression, gains

    @classmethod
    def fit(
        cls,
        settings: Any,
        train: Part,
        valid: Part | None,  # noqa: ARG003 - nothing here stops early
        context: FitContext,
    ) -> Fit:
        """See :meth:`Algorithm.fit`."""
        regression = context.task == "regression"
        if regression:
            TargetScale.of(train)
            target: NDArray[Any] = np.asarray(train.target, dtype=np.float64)
        else:
            target = class_codes(train, context)
        columns = TreeColumns.fit(train.features, seed=context.seed)
        table = columns.matrix(train.features).astype(np.float32)
        began = time.monotonic()
        forest = _grow(settings, table, target, regression, context)
        outputs = np.zeros(1, np.int64) if regression else forest.classes_.astype(np.int64)
        trees = Trees.of(forest, outputs)
        if not regression and trees.values.shape[1] < len(context.classes):
            trees = _widened(trees, len(context.classes))
        facts = {"trees": float(len(trees.roots)), "seconds": time.monotonic() - began}
        return Fit(cls(trees, columns, regression, forest.feature_importances_), None, facts)

    def predict(self, features: Features) -> Floats:
        """See :meth:`Algorithm.predict`."""
        answer = self.trees.mean(self.columns.matrix(features))
        return answer[:, 0] if self.regression else answer

    def importance(self) -> dict[str, float]:
        """Each feature's share of the impurity that its splits took away."""
        return self.columns.shares(self.gains)

    def write(self, directory: Path) -> dict[str, Any]:
        """See :meth:`Algorithm.write`."""
        save_file(vars(self.trees) | {"gains": self.gains}, directory / TREES)
        return {"columns": self.columns.write(directory), "regression": self.regression}

    @classmethod
    def read(cls, directory: Path, state: Mapping[str, Any]) -> Self:
        """See :meth:`Algorithm.read`."""
        arrays = load_file(directory / TREES)
        gains = arrays.pop("gains")
        columns = TreeColumns.read(directory, state["columns"])
        return cls(Trees(**arrays), columns, state["regression"], gains)


def _grow(
    settings: RandomForestSettings,
    table: NDArray[np.float32],
    target: NDArray[Any],
    regression: bool,
    context: FitContext,
) -> Any:
    """A fitted forest, of as many trees as there was time for."""
    from sklearn import ensemble

    kind = ("ExtraTrees" if settings.extra else "RandomForest") + (
        "Regressor" if regression else "Classifier"
    )
    forest = getattr(ensemble, kind)(
        n_estimators=0,
        max_depth=settings.max_depth,
        min_samples_leaf=settings.min_leaf,
        max_features=settings.max_features or (1 / 3 if regression else "sqrt"),
        warm_start=True,
        n_jobs=context.threads,
        random_state=context.seed,
    )
    step = max(context.threads, min(CHUNK, CHUNK_ROWS // len(table)))
    for count in range(step, settings.trees + step, step):
        if context.seconds_left <= 0:
            break
        forest.set_params(n_estimators=min(count, settings.trees)).fit(table, target)
    if not hasattr(forest, "estimators_"):
        raise OutOfTime("no time was left for the first trees")
    return forest


def _widened(trees: Trees, outputs: int) -> Trees:
    """With zeros for classes that no training row had."""
    missing = outputs - trees.values.shape[1]
    values = np.pad(trees.values, ((0, 0), (0, missing)))
    return Trees(**(vars(trees) | {"values": np.ascontiguousarray(values)}))
