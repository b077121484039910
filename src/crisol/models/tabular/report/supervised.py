"""The report of a supervised model: headline, tables, limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.metrics import Interval, paired_bootstrap
from crisol.models.tabular.report.scoring import Scored, rounded
from crisol.models.tabular.schema import Schema

if TYPE_CHECKING:
    import pandas as pd

    from crisol.models.tabular.report.importance import Permuted, Shap

MODEL, GUESSING, LINEAR, CHAMPION = "this model", "guessing", "linear", "champion"
FEW_ROWS = 20
"""Held-out rows of a class below which its figures are unsure."""
FEW_GROUPS = 10
"""Held-out groups below which a bootstrap over them knows too little of how they differ."""
OUT_OF_FOLD = "out of fold (a little too good: boosters and networks stopped on these rows)"
MISCALIBRATED = 0.05
BUSY_SHARE, BUSY_FROM_S = 0.8, 30.0
"""Share of the workers' time with a processor below which, from so many seconds on, it is told."""
CLASS_COLUMNS = ("accuracy", "balanced_accuracy", "f1", "auc", "log_loss", "brier", "ece")
NUMBER_COLUMNS = ("rmse", "mae", "median_absolute_error", "r2")
LEADERBOARD_ROWS = 25
MOST_CLASSES, MOST_COLUMNS = 50, 40


@dataclass(frozen=True)
class Judged:
    """A supervised model, the baselines and the champion, scored on the same rows.

    Attributes:
        schema: of the training rows.
        dataset: what the data is called.
        synthetic: whether it is made up.
        truth: codes or numbers [N].
        groups: [N] what the intervals resample.
        predicted: name to probabilities [N, K] or numbers [N]; :data:`MODEL` first.
        scored: name to its figures, in the same order.
        single: the algorithm's name where the model is one algorithm.
        gains: other model to the gain over it in accuracy or RMSE, with its 95 % interval.
    """

    schema: Schema
    dataset: str
    synthetic: bool
    truth: NDArray[Any]
    groups: NDArray[Any]
    predicted: dict[str, Floats]
    scored: dict[str, Scored]
    single: str
    gains: dict[str, Interval] = field(init=False)

    def __post_init__(self) -> None:
        others = [name for name in (LINEAR, GUESSING, CHAMPION) if name in self.predicted]
        object.__setattr__(self, "gains", {name: self._gain(name) for name in others})

    @property
    def regression(self) -> bool:
        """Whether numbers are predicted."""
        return self.schema.task == "regression"

    def decided(self, name: str) -> NDArray[Any]:
        """Class codes or numbers [N]."""
        predicted = self.predicted[name]
        return predicted if self.regression else predicted.argmax(axis=1)

    def _gain(self, other: str) -> Interval:
        mine, theirs = self.decided(MODEL), self.decided(other)
        if self.regression:  # the lower error is the better one
            return paired_bootstrap(self.truth, theirs, mine, self.groups, "rmse").difference
        return paired_bootstrap(self.truth, mine, theirs, self.groups, "accuracy").difference


def headline(judged: Judged) -> str:
    """One or two sentences: how good, against guessing and a linear model."""
    model, rows = judged.scored[MODEL], len(judged.truth)
    start = "On made-up rows: " if judged.synthetic else ""
    if judged.regression:
        span = model.intervals["rmse"]
        target = judged.schema.target
        name = target.name if target is not None else "target"
        text = (
            f"{start}{name} of {rows:,} held-out rows of {judged.dataset} is missed by "
            f"{_number(span.value)} (RMSE, 95 % interval {_number(span.low)} to "
            f"{_number(span.high)}), by the training mean by "
            f"{_number(judged.scored[GUESSING].metrics['rmse'])}"
        )
        if LINEAR in judged.scored:
            text += f", by a linear model by {_number(judged.scored[LINEAR].metrics['rmse'])}"
    else:
        span = model.intervals["accuracy"]
        common = judged.schema.classes[int(judged.decided(GUESSING)[0])]
        text = (
            f"{start}{span.value:.1%} of {rows:,} held-out rows of {judged.dataset} are told right "
            f"(95 % interval {span.low:.1%} to {span.high:.1%}), "
            f"{judged.scored[GUESSING].metrics['accuracy']:.1%} by always saying {common!r}"
        )
        if LINEAR in judged.scored:
            text += f", {judged.scored[LINEAR].metrics['accuracy']:.1%} by a linear model"
    return f"{text}.{linear_does(judged)}"


def linear_does(judged: Judged) -> str:
    """A sentence where the model does not surely beat a linear one; empty where it does."""
    if LINEAR not in judged.scored or judged.single == LINEAR:
        return ""
    gain = judged.gains[LINEAR]
    if gain.low > 0:
        return ""
    unit = 1.0 if judged.regression else 100.0
    what = "RMSE" if judged.regression else "points of accuracy"
    better = "better" if gain.high < 0 else "as well"
    return (
        f" A linear model does {better} (difference {gain.value * unit:+.3g} {what}, 95 % interval "
        f"{gain.low * unit:+.3g} to {gain.high * unit:+.3g}): algorithm: linear is smaller and "
        "faster."
    )


def comparison(judged: Judged) -> list[dict[str, Any]]:
    """Every model's figures, and how much this one is better."""
    columns = NUMBER_COLUMNS if judged.regression else CLASS_COLUMNS
    rows = []
    for name, scored in judged.scored.items():
        gain = judged.gains.get(name)
        span = ""
        if gain is not None:
            span = f"{_signed(gain.value)} ({_signed(gain.low)} to {_signed(gain.high)})"
        rows.append({"model": name, **rounded(scored.metrics, columns), "this model's gain": span})
    return rows


def interval_rows(scored: Scored) -> list[dict[str, Any]]:
    """The intervals as a table."""
    return [
        {"metric": name, "value": _short(s.value), "low": _short(s.low), "high": _short(s.high)}
        for name, s in scored.intervals.items()
    ]


def class_rows(scored: Scored) -> list[dict[str, Any]]:
    """The figures of each class, the one with most rows first."""
    rows = sorted(scored.classes, key=lambda row: -int(row["rows"]))
    return [{name: _short(value) for name, value in row.items()} for row in rows[:MOST_CLASSES]]


def importance_rows(
    permuted: "Permuted", shap: "Shap | None", columns: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """Each column: how much worse without it, and its mean SHAP value."""
    strength = {} if shap is None else shap.strength
    rows = []
    for column, increase in permuted.increase.items():
        row = {"column": column, "increase of the loss": _short(increase)}
        row["spread"] = _short(permuted.spread[column])
        if shap is not None:
            row["mean |SHAP|"] = _short(sum(strength.get(name, 0.0) for name in columns[column]))
        rows.append(row)
    return rows[:MOST_COLUMNS]


def leaderboard_rows(leaderboard: "pd.DataFrame") -> list[dict[str, Any]]:
    """The best of what was tried, numbers shortened.

    Settings stay in the leaderboard itself and in the trials' runs: no table is wide enough.
    """
    shown = leaderboard.drop(columns="settings", errors="ignore").head(LEADERBOARD_ROWS)
    return [
        {str(name): _short(value) for name, value in row.items()}
        for row in shown.to_dict("records")
    ]


def short_search(leaderboard: "pd.DataFrame") -> list[str]:
    """The limits of a model whose search had too little time for a whole trial."""
    if not len(leaderboard):
        return []
    used = leaderboard[(leaderboard["weight"] > 0) & (leaderboard["trial"] >= 0)]
    return [
        f"The search was too short for a whole trial ({row['algorithm']}: {row['reason']}). "
        "Give it more time: model.auto.time_budget_s."
        for row in used.to_dict("records")
        if row["reason"]
    ]


def worker_tables(workers: "pd.DataFrame | None") -> dict[str, list[dict[str, Any]]]:
    """The time and the processor's time of each worker of a search."""
    if workers is None or not len(workers):
        return {}
    rows = [
        {
            "worker": int(row["worker"]) + 1,
            "fits": int(row["fits"]),
            "seconds with a fit": round(row["seconds"], 1),
            "CPU seconds": round(row["cpu_seconds"], 1),
        }
        for row in workers.to_dict("records")
    ]
    return {"The workers of the search": rows}


def busy_machine(workers: "pd.DataFrame | None") -> list[str]:
    """A limit where the workers waited for the processor, so that less was tried in the time."""
    if workers is None or not len(workers):
        return []
    seconds, cpu_seconds = float(workers["seconds"].sum()), float(workers["cpu_seconds"].sum())
    if seconds < BUSY_FROM_S or cpu_seconds >= BUSY_SHARE * seconds:
        return []
    told = (
        f"The machine was busy: the search's workers had a processor for {cpu_seconds:,.0f} of "
        f"{seconds:,.0f} seconds, so less was tried than the time allows."
    )
    return [told]


def limits(judged: Judged, left_out: int, champion_incomparable: str) -> list[str]:
    """The limits of the results, for the reader."""
    found = ["Made-up rows: the figures say nothing of real ones."] if judged.synthetic else []
    found += list(judged.schema.warnings)
    if left_out:
        found.append(
            f"{left_out} rows were left out: their classes have too few rows to be learned and "
            "tested."
        )
    model = judged.scored[MODEL]
    few = [row["class"] for row in model.classes if row["rows"] < FEW_ROWS]
    if few:
        found.append(
            f"Fewer than {FEW_ROWS} held-out rows of {_listed(few)}: their figures are unsure."
        )
    groups = len(np.unique(judged.groups))
    if groups < min(FEW_GROUPS, len(judged.truth)):
        found.append(
            f"The held-out rows are of {groups} group{'s' if groups > 1 else ''}: the intervals "
            "resample whole groups, and of so few they are too narrow."
        )
    never = [row["class"] for row in model.classes if row["rows"] and row["recall"] == 0]
    if never:
        found.append(f"Never told right: {_listed(never)}.")
    if model.metrics.get("ece", 0.0) > MISCALIBRATED:
        found.append(
            f"Probabilities are off by {model.metrics['ece']:.1%} on average (calibration error)."
        )
    found += _against_guessing(judged)
    linear = linear_does(judged).strip()
    if linear:
        found.append(linear)
    if champion_incomparable:
        found.append(f"The champion was not asked, because {champion_incomparable}.")
    found.append(
        "The figures hold for rows like these; the service warns of values that training never saw."
    )
    return found


def _against_guessing(judged: Judged) -> list[str]:
    gain = judged.gains[GUESSING]
    if gain.low > 0:
        return []
    text = "It does not surely beat guessing"
    if not judged.regression:
        found = judged.scored
        if found[MODEL].metrics["log_loss"] < found[GUESSING].metrics["log_loss"]:
            text += (
                " by accuracy, though its probabilities say more (log-loss "
                f"{found[MODEL].metrics['log_loss']:.3g} against "
                f"{found[GUESSING].metrics['log_loss']:.3g}): with rare classes, let the gate "
                'compare those: data.gate: {metric: mean, label: "log-likelihood"}'
            )
    return [f"{text}."]


def data_sentences(judged: Judged, train_rows: int, how: str, features: Sequence[str]) -> list[str]:
    """Describe the training and test rows."""
    made_up = " (synthetic: made up by code)" if judged.synthetic else ""
    target = judged.schema.target
    named = "" if target is None else f" Target: {target.name}"
    classes = judged.schema.classes
    named += f" ({_listed(classes)})." if classes else "."
    rows = (
        f"{judged.dataset}{made_up}: {train_rows:,} training rows, {len(judged.truth):,} held-out "
        f"rows ({how}).{named}"
    )
    dates = [f"{column.name}: {column.reason}" for column in judged.schema.of_kind("date")]
    read = [f"Dates are read as follows. {'; '.join(dates)}."] if dates else []
    columns = f"{len(features)} columns: {_listed(features)}."
    return [rows, columns, *judged.schema.reading, *read]


def _listed(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _number(value: float) -> str:
    """Three or more significant digits, thousands parted.

    >>> _number(48216.77), _number(0.42345), _number(12.3456)
    ('48,217', '0.4234', '12.35')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _signed(value: float) -> str:
    return f"{value:+,.0f}" if abs(value) >= 1000 else f"{value:+.3g}"


def _short(value: Any) -> Any:
    """A number to four digits, NaN as nothing, everything else as it is."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return rounded({"": float(value)}, ("",))[""] if np.isfinite(value) else None
    return value
