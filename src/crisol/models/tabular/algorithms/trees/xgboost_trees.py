"""Gradient boosting with XGBoost (arXiv:1603.02754), histogram method, categories by itself.

Stored as XGBoost's own binary JSON.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.models.tabular.algorithm import FitContext
from crisol.models.tabular.algorithms.probabilities import both_sides
from crisol.models.tabular.algorithms.trees.boosting import (
    BoostedTrees,
    Booster,
    BoostingInputs,
    Table,
)
from crisol.models.tabular.features.encoded_rows import Features
from crisol.models.tabular.features.tree_columns import TreeColumns
from crisol.models.tabular.schema import Task
from crisol.models.tabular.settings import XGBoostSettings

MODEL = "model.ubj"


class XGBoost(BoostedTrees):
    """A booster with the columns it looks at, stored as binary JSON."""

    name: ClassVar[str] = "xgboost"
    tasks: ClassVar[frozenset[Task]] = frozenset({"classification", "regression", "text"})
    settings_type: ClassVar[type[XGBoostSettings]] = XGBoostSettings

    def __init__(self, stored: bytes, inputs: BoostingInputs) -> None:
        super().__init__(stored, inputs)
        self._booster = xgb.Booster({"nthread": 1}, model_file=bytearray(stored))

    @classmethod
    def start(
        cls,
        settings: Any,
        columns: TreeColumns,
        train: Table,
        valid: Table | None,
        context: FitContext,
    ) -> Booster:
        """See :meth:`BoostedTrees.start`."""
        data = _data(columns, *train, context.threads)
        watched = None if valid is None else _data(columns, *valid, context.threads)
        return _Growing(_params(settings, context), data, watched)

    def predict(self, features: Features) -> Floats:
        """See :meth:`Algorithm.predict`."""
        table = self.columns.matrix(features)
        answer: Floats = np.asarray(
            self._booster.inplace_predict(table, validate_features=False), dtype=np.float64
        )
        if self.inputs.scale is not None:
            return self.inputs.scale.undo(answer.reshape(-1))
        if answer.ndim == 2 and answer.shape[1] > 1:
            answer /= answer.sum(axis=1, keepdims=True)  # single precision's rounding
            return answer
        return both_sides(answer.reshape(-1))

    def importance(self) -> dict[str, float]:
        """Each feature's share of the gain of all splits."""
        gains = np.zeros(len(self.columns.names))
        for name, gain in self._booster.get_score(importance_type="total_gain").items():
            gains[int(name.removeprefix("f"))] = gain
        return self.columns.shares(gains)

    def shap(self, features: Features) -> tuple[Floats, tuple[str, ...]] | None:
        """TreeSHAP (arXiv:1802.03888)."""
        raw = self._booster.predict(
            _data(self.columns, self.columns.matrix(features), None, 1),
            pred_contribs=True,
            validate_features=False,
        )
        values = raw.transpose(0, 2, 1)[:, :-1] if raw.ndim == 3 else raw[:, :-1]
        return self.inputs.contributions(values), self.columns.features

    def write(self, directory: Path) -> dict[str, Any]:
        """See :meth:`Algorithm.write`."""
        (directory / MODEL).write_bytes(self._stored)
        return self.inputs.write(directory)

    @classmethod
    def read(cls, directory: Path, state: Mapping[str, Any]) -> Self:
        """See :meth:`Algorithm.read`."""
        raw = (directory / MODEL).read_bytes()
        return cls(raw, BoostingInputs.read(directory, state))

    @classmethod
    def packages(cls) -> tuple[str, ...]:
        """See :meth:`Algorithm.packages`."""
        return ("xgboost-cpu",)


class _Growing:
    """A booster on XGBoost's own matrices; those it is made with keep their margins cached."""

    def __init__(
        self, params: dict[str, Any], train: xgb.DMatrix, valid: xgb.DMatrix | None
    ) -> None:
        self._train, self._valid = train, valid
        self._booster = xgb.Booster(params, [train] if valid is None else [train, valid])

    def grow(self, iteration: int) -> bool:
        self._booster.update(self._train, iteration)
        return True

    def train_loss(self) -> float:
        return _loss(self._booster, self._train)

    def valid_loss(self) -> float:
        return _loss(self._booster, self._valid)

    def stored(self, iterations: int) -> bytes:
        return bytes(self._booster[:iterations].save_raw("ubj"))


def _data(
    columns: TreeColumns, matrix: NDArray[Any], label: NDArray[Any] | None, threads: int
) -> xgb.DMatrix:
    kinds = [
        "c" if place in set(columns.categorical) else "q" for place in range(len(columns.names))
    ]
    return xgb.DMatrix(
        matrix,
        label=label,
        feature_types=kinds,
        enable_categorical=True,
        nthread=threads,
    )


def _loss(booster: xgb.Booster, data: xgb.DMatrix | None) -> float:
    """The loss of the rows, which XGBoost reports as ``[0]  rows-logloss:0.25``."""
    assert data is not None  # there are rows to judge
    return float(booster.eval_set([(data, "rows")]).rsplit(":", 1)[1])


def _params(settings: XGBoostSettings, context: FitContext) -> dict[str, Any]:
    """The settings in XGBoost's words."""
    classes = len(context.classes)
    if context.task == "regression":
        aim: dict[str, Any] = {
            "objective": "reg:squarederror",
            "eval_metric": "rmse",
            "base_score": 0.0,
        }
    elif classes == 2:
        aim = {"objective": "binary:logistic", "eval_metric": "logloss"}
    else:
        aim = {"objective": "multi:softprob", "eval_metric": "mlogloss", "num_class": classes}
    return aim | {
        "tree_method": "hist",
        "learning_rate": settings.learning_rate,
        "max_depth": settings.max_depth,
        "min_child_weight": settings.min_child_weight,
        "max_bin": settings.max_bin,
        "colsample_bytree": settings.feature_fraction,
        "subsample": settings.row_fraction,
        "reg_alpha": settings.l1,
        "reg_lambda": settings.l2,
        "nthread": context.threads,
        "seed": context.seed,
        "verbosity": 0,
    }
