"""The search space of each algorithm.

Each space is small and around what is known to work (Gorishniy et al. 2021, Grinsztajn et al. 2022,
McElfresh et al. 2023), because a study has minutes.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from crisol.models.tabular.schema import Task

if TYPE_CHECKING:
    import optuna

Space = Callable[["optuna.trial.BaseTrial"], dict[str, Any]]


def _lightgbm(trial: "optuna.trial.BaseTrial") -> dict[str, Any]:
    return {
        "leaves": trial.suggest_int("lightgbm.leaves", 8, 128, log=True),
        "learning_rate": trial.suggest_float("lightgbm.learning_rate", 0.02, 0.1, log=True),
        "min_leaf": trial.suggest_int("lightgbm.min_leaf", 2, 60, log=True),
        "feature_fraction": trial.suggest_float("lightgbm.feature_fraction", 0.3, 1.0),
        "row_fraction": trial.suggest_float("lightgbm.row_fraction", 0.6, 1.0),
        "l2": trial.suggest_float("lightgbm.l2", 0.1, 20.0, log=True),
        "max_bin": trial.suggest_categorical("lightgbm.max_bin", [127, 255, 1023]),
        "cat_smooth": trial.suggest_float("lightgbm.cat_smooth", 5.0, 80.0, log=True),
        "stopping_rounds": 60,
        "pairs": trial.suggest_categorical("lightgbm.pairs", [0, 14]),
    }


def _xgboost(trial: "optuna.trial.BaseTrial") -> dict[str, Any]:
    return {
        "max_depth": trial.suggest_int("xgboost.max_depth", 3, 10),
        "learning_rate": trial.suggest_float("xgboost.learning_rate", 0.02, 0.15, log=True),
        "min_child_weight": trial.suggest_float("xgboost.min_child_weight", 0.5, 30.0, log=True),
        "feature_fraction": trial.suggest_float("xgboost.feature_fraction", 0.3, 1.0),
        "row_fraction": trial.suggest_float("xgboost.row_fraction", 0.6, 1.0),
        "l2": trial.suggest_float("xgboost.l2", 0.1, 20.0, log=True),
        "stopping_rounds": 60,
        "pairs": trial.suggest_categorical("xgboost.pairs", [0, 14]),
    }


def _forest(trial: "optuna.trial.BaseTrial") -> dict[str, Any]:
    return {
        "extra": trial.suggest_categorical("random_forest.extra", [True, False]),
        "min_leaf": trial.suggest_int("random_forest.min_leaf", 1, 10, log=True),
        "max_features": trial.suggest_float("random_forest.max_features", 0.2, 0.9),
    }


def _linear(trial: "optuna.trial.BaseTrial") -> dict[str, Any]:
    return {
        "c": trial.suggest_float("linear.c", 0.01, 100.0, log=True),
        "splines": trial.suggest_categorical("linear.splines", [True, False]),
    }


def _perceptron(name: str) -> Space:
    def space(trial: "optuna.trial.BaseTrial") -> dict[str, Any]:
        width = trial.suggest_categorical(f"{name}.width", [64, 128, 256])
        return {
            "hidden": [width] * trial.suggest_int(f"{name}.layers", 1, 3),
            "learning_rate": trial.suggest_float(f"{name}.learning_rate", 2e-3, 2e-2, log=True),
            "dropout": trial.suggest_float(f"{name}.dropout", 0.0, 0.3),
            "bins": trial.suggest_int(f"{name}.bins", 16, 128, log=True),
            "pairs": 14,
        }

    return space


def _text_network(name: str) -> Space:
    def space(trial: "optuna.trial.BaseTrial") -> dict[str, Any]:
        return {
            "learning_rate": trial.suggest_float(f"{name}.learning_rate", 5e-4, 5e-3, log=True),
            "dropout": trial.suggest_float(f"{name}.dropout", 0.0, 0.5),
            "width": trial.suggest_categorical(f"{name}.width", [64, 96, 128]),
        }

    return space


def _cnn(trial: "optuna.trial.BaseTrial") -> dict[str, Any]:
    return {
        "learning_rate": trial.suggest_float("cnn.learning_rate", 5e-4, 5e-3, log=True),
        "dropout": trial.suggest_float("cnn.dropout", 0.0, 0.4),
        "mirror": trial.suggest_categorical("cnn.mirror", [True, False]),
    }


def _kmeans(trial: "optuna.trial.BaseTrial") -> dict[str, Any]:
    return {"clusters": trial.suggest_int("kmeans.clusters", 2, 30, log=True)}


def _hdbscan(trial: "optuna.trial.BaseTrial") -> dict[str, Any]:
    return {
        "min_cluster_size": trial.suggest_int("hdbscan.min_cluster_size", 5, 200, log=True),
        "min_samples": trial.suggest_int("hdbscan.min_samples", 1, 30, log=True),
    }


SPACES: Mapping[str, Space] = {
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
    "random_forest": _forest,
    "linear": _linear,
    "mlp": _perceptron("mlp"),
    "tabm": _perceptron("tabm"),
    "lstm": _text_network("lstm"),
    "text_transformer": _text_network("text_transformer"),
    "cnn": _cnn,
    "kmeans": _kmeans,
    "hdbscan": _hdbscan,
}
SEARCHED: Mapping[Task, tuple[str, ...]] = {
    "classification": ("lightgbm", "xgboost", "tabm", "random_forest"),
    "regression": ("lightgbm", "xgboost", "tabm", "random_forest"),
    "text": ("linear", "lightgbm", "lstm"),
    "image": ("cnn",),
    "clustering": ("kmeans", "hdbscan"),
}
"""The algorithms a study chooses from: those whose settings matter and that are quick enough."""
