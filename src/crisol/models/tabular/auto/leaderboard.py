"""The trials of a search as a table."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from crisol.models.tabular.auto import metrics
from crisol.models.tabular.auto.search.search_trial import SearchTrial
from crisol.models.tabular.auto.selection.ensemble_selection import SelectedEnsemble

COLUMNS = {
    "rank": "int64",
    "trial": "int64",
    "algorithm": "str",
    "settings": "str",
    "metric": "str",
    "score": "float64",
    "fold_spread": "float64",
    "fits": "int64",
    "seconds": "float64",
    "cpu_seconds": "float64",
    "latency_ms": "float64",
    "weight": "float64",
    "state": "str",
    "reason": "str",
}
"""Name and type of each column. ``score`` is on rows held out from the fit, a little too good
where it was stopped early on them; ``latency_ms`` of one row through all fold models; the ensemble
is trial -1."""


def leaderboard(
    trials: Sequence[SearchTrial], chosen: SelectedEnsemble | None, metric: metrics.Metric
) -> pd.DataFrame:
    """One row a trial, best first; those without a score at the end; the ensemble on top."""
    weights = chosen.weights if chosen is not None else {}
    rows = [_row(trial, metric, weights) for trial in trials]
    rows.sort(key=lambda row: (_place(row), _order(row, metric), row["trial"]))
    if chosen is not None and len(chosen.weights) > 1:
        rows.insert(0, _of_ensemble(trials, chosen, metric))
    for rank, row in enumerate(rows, start=1):
        row["rank"] = rank
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _row(
    trial: SearchTrial, metric: metrics.Metric, weights: Mapping[int, float]
) -> dict[str, object]:
    losses = list(trial.losses.values())
    return {
        "trial": trial.number,
        "algorithm": trial.algorithm,
        "settings": json.dumps(dict(trial.settings), sort_keys=True),
        "metric": metric,
        "score": metrics.shown(metric, float(np.mean(losses))) if losses else np.nan,
        "fold_spread": float(np.std(losses)) if len(losses) > 1 else np.nan,
        "fits": len(losses),
        "seconds": trial.seconds,
        "cpu_seconds": trial.cpu_seconds,
        "latency_ms": trial.latency_ms if losses else np.nan,
        "weight": weights.get(trial.number, 0.0),
        "state": trial.state,
        "reason": trial.reason,
    }


def _of_ensemble(
    trials: Sequence[SearchTrial], chosen: SelectedEnsemble, metric: metrics.Metric
) -> dict[str, object]:
    inside = [trial for trial in trials if trial.number in chosen.weights]
    latency = chosen.latency_ms or sum(trial.latency_ms for trial in inside)
    return {
        "trial": -1,
        "algorithm": "ensemble",
        "settings": json.dumps({t.name: round(chosen.weights[t.number], 4) for t in inside}),
        "metric": metric,
        "score": metrics.shown(metric, chosen.loss),
        "fold_spread": np.nan,
        "fits": sum(len(trial.fits) for trial in inside),
        "seconds": sum(trial.seconds for trial in inside),
        "cpu_seconds": sum(trial.cpu_seconds for trial in inside),
        "latency_ms": latency,
        "weight": 1.0,
        "state": "complete",
        "reason": "stacked" if chosen.ensemble.stack is not None else "weighted mean",
    }


def _place(row: Mapping[str, object]) -> int:
    """Complete trials, then those with a score of some folds, then the others."""
    return 0 if row["state"] == "complete" else 1 if row["fits"] else 2


def _order(row: Mapping[str, object], metric: metrics.Metric) -> float:
    score = float(row["score"])  # type: ignore[arg-type]
    return -score if metric in metrics.HIGHER_IS_BETTER else score
