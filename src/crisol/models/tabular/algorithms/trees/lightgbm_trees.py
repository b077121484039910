"""Gradient boosting with LightGBM (Ke et al. 2017), which knows categories itself.

Stored as LightGBM's own text. Two of its defaults depend on the number of rows here, because they
were made for large tables: a leaf holds at most a tenth of them, and a category needs a hundredth
of them, at most 100, to be looked at by itself.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import lightgbm as lgb
import numpy as np

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
from crisol.models.tabular.settings import LightGBMSettings

MODEL = "model.txt"


class LightGBM(BoostedTrees):
    """A booster with the columns it looks at, stored as text."""

    name: ClassVar[str] = "lightgbm"
    tasks: ClassVar[frozenset[Task]] = frozenset({"classification", "regression", "text"})
    settings_type: ClassVar[type[LightGBMSettings]] = LightGBMSettings

    def __init__(self, stored: str, inputs: BoostingInputs) -> None:
        super().__init__(stored, inputs)
        self._booster = lgb.Booster(model_str=stored)

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
        params = _params(settings, len(train.matrix), context)
        return _Growing(params, columns, train, valid)

    def predict(self, features: Features) -> Floats:
        """See :meth:`Algorithm.predict`."""
        answer = np.asarray(
            self._booster.predict(self.columns.matrix(features), num_threads=1), dtype=np.float64
        )
        if self.inputs.scale is not None:
            return self.inputs.scale.undo(answer)
        return answer if answer.ndim == 2 else both_sides(answer)

    def importance(self) -> dict[str, float]:
        """Each feature's share of the gain of all splits."""
        return self.columns.shares(self._booster.feature_importance("gain"))

    def shap(self, features: Features) -> tuple[Floats, tuple[str, ...]] | None:
        """TreeSHAP (arXiv:1802.03888); ``None`` for trees with linear leaves."""
        if "is_linear=1" in self._stored:
            return None
        table = self.columns.matrix(features)
        raw = np.asarray(self._booster.predict(table, pred_contrib=True, num_threads=1))
        wide = len(self.columns.names) + 1
        values = raw.reshape(len(table), -1, wide).transpose(0, 2, 1)[:, :-1]
        values = values[:, :, 0] if values.shape[2] == 1 else values
        return self.inputs.contributions(values), self.columns.features

    def write(self, directory: Path) -> dict[str, Any]:
        """See :meth:`Algorithm.write`."""
        (directory / MODEL).write_text(self._stored, encoding="utf-8")
        return self.inputs.write(directory)

    @classmethod
    def read(cls, directory: Path, state: Mapping[str, Any]) -> Self:
        """See :meth:`Algorithm.read`."""
        text = (directory / MODEL).read_text(encoding="utf-8")
        return cls(text, BoostingInputs.read(directory, state))

    @classmethod
    def packages(cls) -> tuple[str, ...]:
        """See :meth:`Algorithm.packages`."""
        return ("lightgbm",)


class _Growing:
    """A booster on LightGBM's own data sets."""

    def __init__(
        self, params: dict[str, Any], columns: TreeColumns, train: Table, valid: Table | None
    ) -> None:
        shared: dict[str, Any] = {
            "categorical_feature": columns.categorical,
            "params": params,
            "free_raw_data": True,
        }
        data = lgb.Dataset(*train, **shared)
        self._booster = lgb.Booster(params, data)
        if valid is not None:
            self._booster.add_valid(lgb.Dataset(*valid, reference=data, **shared), "valid")

    def grow(self, _: int) -> bool:
        return not self._booster.update()

    def train_loss(self) -> float:
        return float(self._booster.eval_train()[0][2])

    def valid_loss(self) -> float:
        return float(self._booster.eval_valid()[0][2])

    def stored(self, iterations: int) -> str:
        return self._booster.model_to_string(num_iteration=iterations)


def _params(settings: LightGBMSettings, rows: int, context: FitContext) -> dict[str, Any]:
    """The settings in LightGBM's words."""
    classes = len(context.classes)
    if context.task == "regression":
        aim: dict[str, Any] = {"objective": "regression", "metric": "rmse"}
    elif classes == 2:
        aim = {"objective": "binary", "metric": "binary_logloss"}
    else:
        aim = {"objective": "multiclass", "metric": "multi_logloss", "num_class": classes}
    return aim | {
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.leaves,
        "max_depth": settings.max_depth,
        "max_bin": settings.max_bin,
        "min_data_in_leaf": min(settings.min_leaf, rows // 10),
        "min_data_per_group": int(np.clip(rows // 100, 2, 100)),
        "feature_fraction": settings.feature_fraction,
        "bagging_fraction": settings.row_fraction,
        "bagging_freq": int(settings.row_fraction < 1),
        "lambda_l1": settings.l1,
        "lambda_l2": settings.l2,
        "extra_trees": settings.extra_trees,
        "cat_smooth": settings.cat_smooth,
        "linear_tree": settings.linear_tree,
        "num_threads": context.threads,
        "seed": context.seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
