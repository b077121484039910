"""The family's figures, drawn in the house style of :mod:`crisol.core.drawing.figures`."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from crisol.core.classification import confusion_matrix, reliability_bins
from crisol.core.drawing import figures
from crisol.core.metrics import bootstrap_interval
from crisol.models.signals.contract import SIGNALS
from crisol.models.signals.data.forecasts import BASELINES, BUY_AND_HOLD, ENSEMBLE
from crisol.models.signals.predictor import SignalsPredictor
from crisol.models.signals.report.results import StudyResult

_NAMES = {
    ENSEMBLE: "network",
    **{name: name.replace("_", " ") for name in (*BASELINES, BUY_AND_HOLD)},
}


def draw(
    results: list[StudyResult],
    registered: StudyResult,
    predictor: SignalsPredictor,
    windows_BTF: np.ndarray,
    history: pd.DataFrame,
) -> dict[str, Figure]:
    """Every figure of an evaluation, by file name.

    Args:
        results: all studies.
        registered: the one the predictor comes from.
        predictor: for its attention.
        windows_BTF: held-out windows of the newest fold.
        history: learning curves of all studies.
    """
    drawn = {"attention": _attention(predictor, windows_BTF)}
    for result in results:
        name = result.study.name
        labels = history["label"].str
        mine = history[labels.startswith(f"{name}.") & ~labels.endswith(".shuffled")]
        drawn[f"{name}_learning_curves"] = figures.learning_curves(
            mine, title=f"{name}: learning curves"
        )
        truth = result.tested["label"].to_numpy()
        p = result.probabilities[ENSEMBLE]
        # An up-or-down study knows no hold; a network might still answer it.
        present = [0, 2] if not ((truth == 1) | (p.argmax(1) == 1)).any() else [0, 1, 2]
        drawn[f"{name}_confusion"] = figures.confusion(
            confusion_matrix(truth, p.argmax(1), present),
            [SIGNALS[i] for i in present],
            title=f"{name}: truth and forecast",
        )
        drawn[f"{name}_models"] = _models(result)
        if result.backtests:
            drawn[f"{name}_equity_curve"] = _equity(result)
    probabilities, truth = registered.probabilities, registered.tested["label"].to_numpy()
    drawn["reliability"] = figures.reliability(
        {
            "network": reliability_bins(truth, probabilities[ENSEMBLE]),
            "gradient boosting": reliability_bins(truth, probabilities["gradient_boosting"]),
        },
        title=f"{registered.study.name}: reliability",
    )
    return drawn


def _models(result: StudyResult) -> Figure:
    metric = "mcc" if result.study.drop_hold else "macro_f1"
    shown = {"mcc": "MCC", "macro_f1": "macro-F1"}[metric]
    truth, groups = result.tested["label"].to_numpy(), result.tested["group"].to_numpy()
    found = {
        _NAMES[name]: bootstrap_interval(
            truth, result.probabilities[name].argmax(1), groups, metric
        )
        for name in (ENSEMBLE, *BASELINES)
    }
    return figures.bars(
        {name: interval.value for name, interval in found.items()},
        title=f"{result.study.name}: held-out {shown}, 95 % intervals",
        x=shown,
        intervals={name: (interval.low, interval.high) for name, interval in found.items()},
        highlight=["network"],
        reference=0.0 if metric == "mcc" else 1 / 3,
    )


def _equity(result: StudyResult) -> Figure:
    times = result.backtests[ENSEMBLE].times
    cost = result.study.cost_bps
    return figures.equity_curve(
        times,
        {
            _NAMES[name]: path.equity
            for name, path in result.backtests.items()
            if len(path.times) == len(times)
        },
        title=f"{result.study.name}: equity after costs",
        subtitle=f"position taken at the open of the next bar, {cost:g} bp per change of position",
    )


def _attention(predictor: SignalsPredictor, windows_BTF: np.ndarray) -> Figure:
    """Mean attention by forecast class, and that of a few single windows."""
    x = windows_BTF[:2000]
    weights, classes = predictor.attention(x), predictor.probabilities(x).argmax(1)
    rows, names = [], []
    for index, signal in enumerate(SIGNALS):
        if (classes == index).any():
            rows.append(weights[classes == index].mean(0))
            names.append(f"mean of {signal}")
    for place in np.linspace(0, len(x) - 1, 6).astype(int):
        rows.append(weights[place])
        names.append(f"window {place}: {SIGNALS[classes[place]]}")
    return figures.attention_heatmap(
        np.array(rows), names, title="Where the network looks", mean=weights.mean(0)
    )
