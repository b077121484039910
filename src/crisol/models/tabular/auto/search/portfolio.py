"""The portfolio: settings that did well on many tables and differ from each other, tried in order.

The first is fast and good, so that there is an answer early. The others make other mistakes than
the first: another library, another inductive bias. Their numbers are the published defaults of
their authors, of AutoGluon's zero-shot portfolio
(arXiv:2311.02971) and of RealMLP/TabM (arXiv:2407.04491, arXiv:2410.24210), rounded. Each
algorithm's ordinary default settings are tried as well, as in AutoGluon's portfolio.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from crisol.models.tabular.schema import Task

TABLE_NETWORKS = frozenset({"mlp", "tabm", "ft_transformer"})
NETWORKS = TABLE_NETWORKS | {"text_transformer", "lstm", "cnn"}
ROWS_SEEN, LEAST_EPOCHS, MOST_EPOCHS = 400_000, 5, 60
Entry = tuple[str, Mapping[str, Any]]

FINE: Entry = (
    "tabm",
    {"members": 8, "hidden": [256, 256], "bins": 128, "learning_rate": 0.01, "pairs": 14},
)
"""TabM with narrow bins, for exact numbers."""
COARSE: Entry = (
    "tabm",
    {
        "members": 8,
        "hidden": [256, 256],
        "bins": 48,
        "learning_rate": 0.005,
        "dropout": 0.2,
        "pairs": 14,
    },
)
"""TabM with wide bins and more dropout, for classes."""


def _table(first: Entry, second: Entry) -> tuple[Entry, ...]:
    """The portfolio of a table with two networks, for classes or numbers."""
    return (
        (
            "lightgbm",
            {"feature_fraction": 0.5, "l2": 0.0, "stopping_rounds": 60, "pairs": 14},
        ),
        first,
        ("linear", {"splines": True, "pairs": 14}),
        ("xgboost", {"feature_fraction": 0.6, "stopping_rounds": 60, "pairs": 14}),
        ("lightgbm", {}),
        (
            "lightgbm",
            {
                "max_bin": 1023,
                "leaves": 48,
                "min_leaf": 10,
                "learning_rate": 0.03,
                "feature_fraction": 0.4,
                "cat_smooth": 30.0,
                "stopping_rounds": 80,
                "pairs": 14,
            },
        ),
        (
            "xgboost",
            {
                "max_depth": 5,
                "feature_fraction": 0.4,
                "l2": 2.0,
                "stopping_rounds": 60,
                "pairs": 14,
            },
        ),
        second,
        ("xgboost", {}),
        (
            "lightgbm",
            {
                "leaves": 20,
                "learning_rate": 0.06,
                "feature_fraction": 0.3,
                "cat_smooth": 30.0,
                "max_bin": 511,
                "stopping_rounds": 60,
            },
        ),
        (
            "random_forest",
            {"trees": 150, "extra": True, "min_leaf": 3, "max_features": 0.6, "pairs": 14},
        ),
        ("linear", {}),
        ("random_forest", {}),
        ("random_forest", {"trees": 150, "min_leaf": 3, "max_features": 0.4}),
        ("tabm", {}),
    )


TEXT: tuple[Entry, ...] = (
    ("linear", {}),
    ("lightgbm", {"feature_fraction": 0.3, "stopping_rounds": 40}),
    ("linear", {"c": 10.0}),
    ("lstm", {}),
    ("text_transformer", {}),
    ("linear", {"c": 0.1}),
    ("lightgbm", {}),
)
IMAGE: tuple[Entry, ...] = (
    ("cnn", {}),
    ("cnn", {"channels": [32, 64], "learning_rate": 2e-3}),
    ("cnn", {"channels": [48, 96, 192]}),
)
CLUSTERING: tuple[Entry, ...] = (
    *(("kmeans", {"clusters": count}) for count in (2, 3, 4, 5, 6, 8, 10, 12)),
    *(("hdbscan", {"min_cluster_size": size}) for size in (5, 10, 20, 50)),
    ("kmeans", {}),
    ("hdbscan", {}),
)
BY_TASK: dict[Task, tuple[Entry, ...]] = {
    "classification": _table(COARSE, FINE),
    "regression": _table(FINE, COARSE),
    "text": TEXT,
    "image": IMAGE,
    "clustering": CLUSTERING,
}


def portfolio(task: Task, allowed: Sequence[str], rows: int) -> list[Entry]:
    """The entries for a task, best first.

    Args:
        task: what is learned.
        allowed: algorithms that may be tried; empty: all.
        rows: of the training part; what needs more of them is left out.
    """
    entries = [
        (name, {**pace(name, rows), **settings})
        for name, settings in BY_TASK[task]
        if (not allowed or name in allowed)
        and not (task == "clustering" and _largest(settings) * 2 > rows)
    ]
    known = {name for name, _ in BY_TASK[task]}
    return [*entries, *((name, pace(name, rows)) for name in allowed if name not in known)]


def pace(name: str, rows: int) -> dict[str, Any]:
    """Epochs and batch size of a network of tables, by the rows it learns from.

    Short trainings whose learning rate falls to nothing do as well as long ones here, and many rows
    are seen often enough in few epochs.
    """
    if name not in TABLE_NETWORKS:
        return {}
    epochs = min(max(ROWS_SEEN // max(rows, 1), LEAST_EPOCHS), MOST_EPOCHS)
    return {"epochs": epochs, "batch_size": min(max(32, 2 ** (rows // 40).bit_length()), 256)}


def _largest(settings: Mapping[str, Any]) -> int:
    return max([int(value) for value in settings.values()], default=0)
