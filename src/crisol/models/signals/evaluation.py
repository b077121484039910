"""From forecasts to evidence: metrics with intervals, figures, a plain verdict, the gate's rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from crisol.core.candidate import GateRule, Report
from crisol.core.metrics import (
    accuracy,
    bootstrap_interval,
    expected_calibration_error,
    information_coefficient,
    log_loss,
    macro_f1,
    mcc,
    paired_bootstrap,
)
from crisol.models.signals import runtimes
from crisol.models.signals.backtest import Backtest, trade
from crisol.models.signals.data import windows
from crisol.models.signals.forecasts import BASELINES, ENSEMBLE, MEMBER, PROBABILITIES, SHUFFLED
from crisol.models.signals.params import DataParams, StudyParams
from crisol.models.signals.plots import draw
from crisol.models.signals.predictor import SignalsPredictor

_METRICS = ("accuracy", "macro_f1", "mcc", "ic", "log_loss", "ece")


@dataclass(frozen=True)
class Evaluation:
    """What evaluation hands on.

    Attributes:
        report: what a person reads.
        scores: the gate's rows: ``row, group, truth, candidate``, a column per baseline, and
            ``champion`` if there is one.
        figures: by name.
        metrics: flat dotted names; equal on every run of the same inputs.
    """

    report: Report
    scores: pd.DataFrame
    figures: dict[str, Figure]
    metrics: dict[str, float]


@dataclass(frozen=True)
class StudyResult:
    """One study's tested samples with everything measured on them."""

    study: StudyParams
    tested: pd.DataFrame
    """Samples of all test folds, in the order of ``row``."""
    probabilities: dict[str, np.ndarray]
    """Model to [R, 3] in the order of ``tested``; members are ``lstm#<seed>``."""
    metrics: dict[str, dict[str, float]]
    backtests: dict[str, Backtest]


def evaluate(
    predictor: SignalsPredictor,
    champion: SignalsPredictor | None,
    bars: pd.DataFrame,
    samples: pd.DataFrame,
    forecasts: pd.DataFrame,
    baseline_forecasts: pd.DataFrame,
    history: pd.DataFrame,
    data: DataParams,
) -> Evaluation:
    """Judge a training beside its baselines on rows that no model had seen.

    Args:
        predictor: the candidate.
        champion: the promoted predictor, if there is one.
        bars: the canonical bars.
        samples: every study's samples.
        forecasts: of the networks.
        baseline_forecasts: of the baselines.
        history: learning curves.
        data: the studies.
    """
    everything = pd.concat([forecasts, baseline_forecasts], ignore_index=True)
    results = [_study_result(study, bars, samples, everything) for study in data.studies]
    registered = next(r for r in results if r.study.name == data.register_study)
    scores = _scores(registered, bars, champion)
    last = registered.tested[registered.tested.fold == registered.tested.fold.max()]
    newest = windows(bars, last, predictor.description.network)
    runtime_rows = runtimes.measure(predictor, newest, last["label"].to_numpy())
    metrics = _flat_metrics(results, predictor)
    leakage = _leakage(registered, forecasts)
    if leakage is not None:
        metrics[f"{data.register_study}.shuffled_labels.macro_f1"] = leakage["macro_f1"]
    verdicts = [_verdict(result) for result in results]
    tables = {
        f"{r.study.name}: held-out results": [_row(r, name) for name in _models(r)] for r in results
    }
    tables["registered study: network against each baseline"] = _comparisons(scores, data.gate)
    if leakage is not None:
        tables["leakage self-test: one network trained on shuffled labels"] = [leakage]
    tables["runtimes of the predictor"] = runtime_rows
    report = Report(
        family="signals",
        headline=("On made-up bars: " if data.synthetic else "") + " ".join(verdicts),
        metrics=metrics,
        tables=tables,
        data=[_describe(result, data.synthetic) for result in results],
        limits=_limits(registered, predictor, data.synthetic),
        synthetic=data.synthetic,
    )
    figures = draw(results, registered, predictor, newest, history)
    return Evaluation(report, scores, figures, metrics)


def _study_result(
    study: StudyParams, bars: pd.DataFrame, samples: pd.DataFrame, forecasts: pd.DataFrame
) -> StudyResult:
    mine = samples[(samples.study == study.name) & (samples.fold >= 0)]
    tested = mine.sort_values("row").reset_index(drop=True)
    own = forecasts[(forecasts.study == study.name) & (forecasts.model != SHUFFLED)]
    probabilities = {}
    for (model, seed), part in own.groupby(["model", "seed"]):
        part = part.sort_values("row")
        if not np.array_equal(part["row"].to_numpy(), tested["row"].to_numpy()):
            raise ValueError(
                f"study {study.name!r}: the forecasts of {model} cover other rows than the "
                "samples; run the nodes from the samples on"
            )
        name = f"{MEMBER}#{seed}" if model == MEMBER else str(model)
        probabilities[name] = part[PROBABILITIES].to_numpy()
    metrics = {name: _measure(tested, p) for name, p in probabilities.items()}
    backtests = {}
    if not study.drop_hold:  # which bars barely moved is known only afterwards: nothing to trade
        for name in (ENSEMBLE, *BASELINES):
            positions = probabilities[name].argmax(1) - 1
            backtests[name] = trade(bars, tested, positions, study)
            free = trade(bars, tested, positions, study, cost_bps=0.0)
            metrics[name] |= {
                "sharpe_after_costs": backtests[name].sharpe(study.bars_per_year),
                "return_after_costs": float(backtests[name].equity[-1] - 1),
                "sharpe_before_costs": free.sharpe(study.bars_per_year),
                "turnover_per_bar": backtests[name].turnover,
            }
    return StudyResult(study, tested, probabilities, metrics, backtests)


def _measure(tested: pd.DataFrame, p: np.ndarray) -> dict[str, float]:
    truth = tested["label"].to_numpy()
    values = {
        "accuracy": accuracy(truth, p.argmax(1)),
        "macro_f1": macro_f1(truth, p.argmax(1)),
        "mcc": mcc(truth, p.argmax(1)),
        "log_loss": log_loss(truth, p),
        "ece": expected_calibration_error(truth, p),
    }
    score, folds = p[:, 2] - p[:, 0], tested["fold"].to_numpy()
    returns = tested["next_return"].to_numpy()
    # Within each fold, since scores of different folds come from different networks.
    parts = [
        information_coefficient(returns[folds == fold], score[folds == fold])
        for fold in np.unique(folds)
        if np.ptp(score[folds == fold]) > 0
    ]
    if parts:
        values["ic"] = float(np.mean(parts))
    return values


def _models(result: StudyResult) -> list[str]:
    members = [name for name in result.probabilities if name.startswith(f"{MEMBER}#")]
    return [ENSEMBLE, *([MEMBER] if members else []), *BASELINES]


def _members(result: StudyResult) -> list[dict[str, float]]:
    return [m for name, m in result.metrics.items() if name.startswith(f"{MEMBER}#")]


def _row(result: StudyResult, name: str) -> dict[str, Any]:
    """One line of a study's table; the members' line is their mean with the spread beside it."""
    if name == MEMBER:
        members = _members(result)
        cells = {
            metric: _spread([m[metric] for m in members if metric in m]) for metric in _METRICS
        }
        return {
            "model": f"one network (mean ± sd of {len(members)} seeds)",
            **cells,
            "95 % interval": "",
            "sharpe_after_costs": "",
            "return_after_costs": "",
        }
    metrics = result.metrics[name]
    headline = "mcc" if result.study.drop_hold else "macro_f1"
    interval = bootstrap_interval(
        result.tested["label"].to_numpy(),
        result.probabilities[name].argmax(1),
        result.tested["group"].to_numpy(),
        headline,
    )
    return {
        "model": _title(result, name),
        **{metric: _number(metrics.get(metric)) for metric in _METRICS},
        "95 % interval": f"{headline} {interval.low:.3f} to {interval.high:.3f}",
        "sharpe_after_costs": _number(metrics.get("sharpe_after_costs"), 2),
        "return_after_costs": _percent(metrics.get("return_after_costs")),
    }


def _title(result: StudyResult, name: str) -> str:
    if name != ENSEMBLE:
        return name.replace("_", " ")
    members = result.study.ensemble or result.study.seeds
    return f"network ({members} of {result.study.seeds} seeds, chosen on validation)"


def _flat_metrics(results: list[StudyResult], predictor: SignalsPredictor) -> dict[str, float]:
    metrics = {
        "trainable_share": predictor.description.trainable_share,
        "temperature": predictor.description.temperature,
        "members": float(predictor.description.members),
    }
    for result in results:
        for name in (ENSEMBLE, *BASELINES):
            for metric, value in result.metrics[name].items():
                metrics[f"{result.study.name}.{name}.{metric}"] = float(value)
        members = _members(result)
        for metric in _METRICS:
            values = [m[metric] for m in members if metric in m]
            if values:
                metrics[f"{result.study.name}.{MEMBER}.{metric}_mean"] = float(np.mean(values))
                metrics[f"{result.study.name}.{MEMBER}.{metric}_sd"] = float(np.std(values))
    return metrics


def _scores(
    result: StudyResult, bars: pd.DataFrame, champion: SignalsPredictor | None
) -> pd.DataFrame:
    tested = result.tested
    scores = pd.DataFrame(
        {
            "row": tested["row"],
            "group": tested["group"],
            "truth": tested["label"],
            "candidate": result.probabilities[ENSEMBLE].argmax(1),
        }
    )
    for name in BASELINES:
        scores[name] = result.probabilities[name].argmax(1)
    if champion is not None:
        scores["champion"] = champion_classes(champion, bars, tested)
    return scores


def champion_classes(
    champion: SignalsPredictor, bars: pd.DataFrame, tested: pd.DataFrame
) -> np.ndarray:
    """What the champion said of each row before the answer was known.

    Where it was tested on the row itself, that forecast is taken; its served weights would have
    seen the rows of earlier folds. The other rows it answers now.
    """
    recorded = pd.Series(champion.record.classes, index=champion.record.rows)
    classes = recorded.reindex(tested["row"]).to_numpy(float, copy=True)
    unknown = np.flatnonzero(np.isnan(classes))
    if len(unknown):
        x = windows(bars, tested.iloc[unknown], champion.description.network)
        classes[unknown] = champion.probabilities(x).argmax(1)
    return classes.astype(np.int64)


def _comparisons(scores: pd.DataFrame, rule: GateRule) -> list[dict[str, Any]]:
    rows = []
    for name in [*BASELINES, *(["champion"] if "champion" in scores else [])]:
        result = paired_bootstrap(
            scores["truth"].to_numpy(),
            scores["candidate"].to_numpy(),
            scores[name].to_numpy(),
            scores["group"].to_numpy(),
            rule.metric,
            rule.resamples,
            rule.seed,
        )
        low, high = np.quantile(result.differences, [0.025, 0.975])
        rows.append(
            {
                "against": name.replace("_", " "),
                "metric": rule.metric,
                "network": _number(result.value_a),
                "other": _number(result.value_b),
                "gain": _number(result.value_a - result.value_b),
                "95 % interval": f"{low:+.4f} to {high:+.4f}",
                "probability of a gain": _number(float((result.differences > 0).mean()), 3),
            }
        )
    return rows


def _leakage(result: StudyResult, forecasts: pd.DataFrame) -> dict[str, Any] | None:
    """How far the network that learned shuffled labels is above chance.

    What it learned is a random direction, which by luck may lie along a true one; so the limit is
    not 0 but half of what the true labels gave, and at least 0.05.
    """
    shuffled = forecasts[(forecasts.study == result.study.name) & (forecasts.model == SHUFFLED)]
    if shuffled.empty:
        return None
    joined = shuffled.merge(result.tested[["row", "label"]], on="row")
    predicted = joined[PROBABILITIES].to_numpy().argmax(1)
    truth = joined["label"].to_numpy()
    found, limit = mcc(truth, predicted), max(0.05, result.metrics[ENSEMBLE]["mcc"] / 2)
    return {
        "macro_f1": round(macro_f1(truth, predicted), 4),
        "mcc": round(found, 4),
        "mcc of true labels": round(result.metrics[ENSEMBLE]["mcc"], 4),
        "limit": round(limit, 4),
        "passed": bool(found <= limit),
    }


def _verdict(result: StudyResult) -> str:
    """One plain sentence: does it forecast, and would it have earned anything."""
    name, mine = result.study.name, result.metrics[ENSEMBLE]
    metric = "mcc" if result.study.drop_hold else "macro_f1"
    rival = max(BASELINES, key=lambda b: result.metrics[b][metric])
    compared = paired_bootstrap(
        result.tested["label"].to_numpy(),
        result.probabilities[ENSEMBLE].argmax(1),
        result.probabilities[rival].argmax(1),
        result.tested["group"].to_numpy(),
        metric,
    )
    sure = float((compared.differences > 0).mean())
    text = (
        f"{name}: the network reaches {metric} {mine[metric]:.3f} against "
        f"{result.metrics[rival][metric]:.3f} of the best baseline ({rival.replace('_', ' ')}; "
        f"probability of a gain {sure:.2f})"
    )
    if ENSEMBLE not in result.backtests:
        return text + "; not traded, since the study leaves out days known only afterwards."
    sharpe = mine["sharpe_after_costs"]
    returned = mine["return_after_costs"]
    edge = "an edge" if _has_edge(result) else "no edge"
    return (
        f"{text}; after costs of {result.study.cost_bps:g} bp there is {edge}: "
        f"return {returned:+.1%}, Sharpe {sharpe:.2f}."
    )


def _has_edge(result: StudyResult) -> bool:
    """Whether the mean return after costs is above 0 with 95 % of the resampled days."""
    path = result.backtests[ENSEMBLE]
    days = pd.DatetimeIndex(path.times).normalize().to_numpy()
    zeros = np.zeros_like(path.returns)
    found = paired_bootstrap(zeros, path.returns, zeros, days, "mean")
    return bool(np.quantile(found.differences, 0.05) > 0)


def _describe(result: StudyResult, synthetic: bool) -> str:
    tested, study = result.tested, result.study
    kind = "synthetic bars" if synthetic else "bars"
    share = tested["label"].value_counts(normalize=True)
    shares = ", ".join(
        f"{share.get(i, 0.0):.0%} {name}" for i, name in enumerate(("sell", "hold", "buy"))
    )
    return (
        f"{study.name}: {len(tested):,} held-out {kind} of {tested['symbol'].nunique()} "
        f"instrument(s) on {', '.join(study.exchanges)}, {tested['target_time'].min():%Y-%m-%d} to "
        f"{tested['target_time'].max():%Y-%m-%d}, {tested['fold'].nunique()} fold(s); {shares}."
    )


def _limits(result: StudyResult, predictor: SignalsPredictor, synthetic: bool) -> list[str]:
    limits = [
        "A research model, not investment advice; past bars say little about future ones.",
        (
            f"Learned from {', '.join(sorted(result.tested['symbol'].unique())[:5])} at one bar "
            "interval; bars of others may look familiar and still behave otherwise."
        ),
        (
            "The backtest knows a fixed cost per trade, but no spread, no impact, no funding "
            "and no limits on shorting."
        ),
    ]
    if any(abs(value) > 0 for value in predictor.description.offset):
        limits.append(
            "Probabilities are stated as if sell, hold and buy were about equally frequent, so "
            "that hold, the most frequent, does not always win."
        )
    if synthetic:
        limits.insert(0, "Trained on made-up bars: it knows nothing about any market.")
    return limits


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.4f} ± {np.std(values):.4f}" if values else ""


def _number(value: float | None, digits: int = 4) -> float | str:
    return "" if value is None else round(float(value), digits)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:+.1%}"
