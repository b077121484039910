"""Logistic regression for classes, ridge regression for numbers.

The likelihood is maximised by L-BFGS (SciPy), which can be stopped at a deadline; it is the same
optimum as scikit-learn's ``LogisticRegression(C=c)``. Ridge regression is scikit-learn's. Answering
needs NumPy alone.

Legend: N rows, P dense columns, K outputs (one for two classes or a number).
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from crisol.core.arrays import Floats
from crisol.models.tabular.algorithm import Algorithm, Fit, FitContext, OutOfTime
from crisol.models.tabular.algorithms.probabilities import both_sides, sigmoid, softmax
from crisol.models.tabular.algorithms.target_scale import TargetScale, class_codes
from crisol.models.tabular.features.encoded_rows import Features, Part
from crisol.models.tabular.features.linear_columns import LinearColumns
from crisol.models.tabular.schema import Task
from crisol.models.tabular.settings import LinearSettings

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

WEIGHTS = "linear.safetensors"
STEPS = 1000
"""Steps of L-BFGS at most; a few dozen are usual."""
NEVER = -30.0
"""The score of a class that no training row had."""


class Linear(Algorithm):
    """Weights with the columns they belong to.

    Args:
        columns: what is multiplied.
        weights: [all columns, K].
        bias: [K].
        scale: of a number target; ``None`` for classes.
        usual: [F, K] what each feature adds on the average of the training rows.
        effect: [F] how much that varies: the mean over the outputs of its standard deviation.
    """

    name: ClassVar[str] = "linear"
    tasks: ClassVar[frozenset[Task]] = frozenset({"classification", "regression", "text"})
    settings_type: ClassVar[type[LinearSettings]] = LinearSettings

    def __init__(
        self,
        columns: LinearColumns,
        weights: Floats,
        bias: Floats,
        scale: TargetScale | None,
        usual: Floats,
        effect: Floats,
    ) -> None:
        self.columns, self.weights, self.bias, self.scale = columns, weights, bias, scale
        self.usual, self.effect = usual, effect
        self._blocks = columns.split(weights)

    @classmethod
    def fit(
        cls,
        settings: Any,
        train: Part,
        valid: Part | None,  # noqa: ARG003 - nothing here stops early
        context: FitContext,
    ) -> Fit:
        """See :meth:`Algorithm.fit`."""
        began = time.monotonic()
        scale = TargetScale.of(train) if context.task == "regression" else None
        codes = None if scale is not None else class_codes(train, context)
        columns = LinearColumns.fit(
            train.features, splines=settings.splines, max_words=settings.max_words
        )
        dense, sparse = columns.dense(train.features), columns.sparse(train.features)
        if context.seconds_left <= 0:
            raise OutOfTime("no time was left for a linear model")
        steps = 0
        if codes is None:
            assert scale is not None
            weights, bias = _ridge(dense, sparse, scale.apply(train), settings.c)
        else:
            weights, bias, steps = _logistic(
                dense, sparse, codes, len(context.classes), settings.c, context
            )
        usual, effect = _effects(columns, weights, train.features)
        facts = {"steps": float(steps), "seconds": time.monotonic() - began}
        return Fit(cls(columns, weights, bias, scale, usual, effect), None, facts)

    def predict(self, features: Features) -> Floats:
        """See :meth:`Algorithm.predict`."""
        score = self.columns.score(features, self._blocks) + self.bias
        if self.scale is not None:
            return self.scale.undo(score[:, 0])
        return both_sides(sigmoid(score[:, 0])) if score.shape[1] == 1 else softmax(score)

    def importance(self) -> dict[str, float]:
        """Each feature's share of how much the score varies over the training rows."""
        total = float(self.effect.sum())
        even = 1 / len(self.effect)
        return {
            name: float(effect) / total if total > 0 else even
            for name, effect in zip(self.columns.features, self.effect, strict=True)
        }

    def shap(self, features: Features) -> tuple[Floats, tuple[str, ...]]:
        """Exact: what a feature adds, less what it adds on average (log-odds, or the number)."""
        values = self.columns.contributions(features, self._blocks) - self.usual
        if values.shape[2] == 1:
            values = values[:, :, 0]
        return values * (1.0 if self.scale is None else self.scale.spread), self.columns.features

    def words(self, most: int) -> list[list[tuple[str, float]]]:
        """The words of all texts with the largest weights for each class, and these weights.

        Of two classes the first is what speaks against the second; of a number there is one list,
        what raises it.
        """
        vocabulary = [word for bag in self.columns.bags for word in bag.vocabulary]
        if not vocabulary:
            return []
        weights = np.concatenate(self._blocks[2])
        if self.scale is None and weights.shape[1] == 1:
            weights = np.column_stack([-weights[:, 0], weights[:, 0]])
        told = []
        for column in weights.T:
            top = np.argsort(-column, kind="stable")[:most]
            told.append([(vocabulary[at], float(column[at])) for at in top if column[at] > 0])
        return told

    def write(self, directory: Path) -> dict[str, Any]:
        """See :meth:`Algorithm.write`."""
        state, arrays = self.columns.state()
        own = {
            "weights": self.weights,
            "bias": self.bias,
            "usual": self.usual,
            "effect": self.effect,
        }
        arrays = {f"columns.{name}": array for name, array in arrays.items()} | own
        save_file(
            {name: np.ascontiguousarray(array) for name, array in arrays.items()},
            directory / WEIGHTS,
        )
        return {"columns": state, "scale": None if self.scale is None else self.scale.state()}

    @classmethod
    def read(cls, directory: Path, state: Mapping[str, Any]) -> Self:
        """See :meth:`Algorithm.read`."""
        arrays = load_file(directory / WEIGHTS)
        own = {
            name.removeprefix("columns."): array
            for name, array in arrays.items()
            if name.startswith("columns.")
        }
        return cls(
            LinearColumns.restore(state["columns"], own),
            arrays["weights"],
            arrays["bias"],
            None if state["scale"] is None else TargetScale(**state["scale"]),
            arrays["usual"],
            arrays["effect"],
        )


def _ridge(
    dense: Floats, sparse: "csr_matrix | None", target: Floats, c: float
) -> tuple[Floats, Floats]:
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import Ridge

    x = dense if sparse is None else hstack([csr_matrix(dense), sparse], format="csr")
    solver = "cholesky" if sparse is None else "sparse_cg"
    found = Ridge(alpha=1 / c, solver=solver, tol=1e-8, max_iter=5000).fit(x, target)
    return found.coef_.reshape(-1, 1), np.array([float(found.intercept_)])


def _logistic(
    dense: Floats,
    sparse: "csr_matrix | None",
    codes: NDArray[np.int64],
    classes: int,
    c: float,
    context: FitContext,
) -> tuple[Floats, Floats, int]:
    """Weights, intercepts and steps of the penalised likelihood's maximum, or as near as time lets.

    The intercepts are not penalised.
    """
    from scipy.optimize import minimize

    rows, parts = len(dense), dense.shape[1]
    wide = parts + (0 if sparse is None else sparse.shape[1])
    outputs = 1 if classes == 2 else classes
    truth = np.zeros((rows, outputs))
    truth[np.arange(rows), codes if outputs > 1 else 0] = 1.0 if outputs > 1 else codes
    penalty = 1 / (c * rows)

    def objective(flat: Floats) -> tuple[float, Floats]:
        weights, bias = flat[:-outputs].reshape(wide, outputs), flat[-outputs:]
        score = dense @ weights[:parts] + bias
        if sparse is not None:
            score += sparse @ weights[parts:]
        if outputs == 1:
            loss, said = np.logaddexp(0, score) - truth * score, sigmoid(score)
        else:
            top = score.max(axis=1, keepdims=True)
            normal = np.log(np.exp(score - top).sum(axis=1, keepdims=True)) + top
            loss, said = truth * (normal - score), np.exp(score - normal)
        away = (said - truth) / rows
        gradient = [dense.T @ away] + ([] if sparse is None else [sparse.T @ away])
        slope = np.concatenate([*gradient]) + penalty * weights
        value = float(loss.sum()) / rows + penalty / 2 * float((weights**2).sum())
        return value, np.concatenate([slope.ravel(), away.sum(axis=0)])

    def in_time(_: Floats) -> None:
        if context.seconds_left <= 0:
            raise StopIteration

    found = minimize(
        objective,
        np.zeros((wide + 1) * outputs),
        jac=True,
        method="L-BFGS-B",
        callback=in_time,
        options={"maxiter": STEPS, "maxcor": 20, "gtol": 1e-6, "ftol": 1e-12},
    )
    weights, bias = found.x[:-outputs].reshape(wide, outputs), found.x[-outputs:].copy()
    if outputs > 1:
        absent = np.setdiff1d(np.arange(classes), codes)
        weights[:, absent], bias[absent] = 0.0, NEVER
    return weights, bias, int(found.nit)


def _effects(
    columns: LinearColumns, weights: Floats, features: Features, chunk: int = 10_000
) -> tuple[Floats, Floats]:
    """Mean [F, K] and spread [F] of what the features add, in chunks to spare memory."""
    blocks = columns.split(weights)
    total = square = np.zeros((len(columns.features), weights.shape[1]))
    for at in range(0, len(features), chunk):
        added = columns.contributions(features.take(slice(at, at + chunk)), blocks)
        total, square = total + added.sum(axis=0), square + (added**2).sum(axis=0)
    mean = total / len(features)
    variance = np.maximum(square / len(features) - mean**2, 0.0)
    return mean, np.sqrt(variance).mean(axis=1)
