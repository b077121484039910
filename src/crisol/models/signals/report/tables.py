"""The text of an evaluation's report: tables, verdicts, limits."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from crisol.core.candidate import GateRule
from crisol.core.metrics import bootstrap_interval, paired_bootstrap
from crisol.models.signals.data.forecasts import BASELINES, BUY_AND_HOLD, ENSEMBLE, MEMBER
from crisol.models.signals.predictor import SignalsPredictor
from crisol.models.signals.report.results import METRICS, StudyResult


def models(result: StudyResult) -> list[str]:
    """The models of a study in the order in which they are shown."""
    return [ENSEMBLE, *([MEMBER] if len(members(result)) > 1 else []), *BASELINES]


def members(result: StudyResult) -> list[dict[str, float]]:
    """The metrics of each single network."""
    return [m for name, m in result.metrics.items() if name.startswith(f"{MEMBER}#")]


def forecast_rows(result: StudyResult) -> list[dict[str, Any]]:
    """How well each model forecast; the single networks share a line, their mean and spread."""
    headline = "mcc" if result.study.drop_hold else "macro_f1"
    rows = []
    for name in models(result):
        if name == MEMBER:
            found = members(result)
            cells: dict[str, Any] = {
                metric: _spread([m[metric] for m in found if metric in m]) for metric in METRICS
            }
            interval = ""
        else:
            cells = {metric: _number(result.metrics[name].get(metric)) for metric in METRICS}
            bounds = bootstrap_interval(
                result.tested["label"].to_numpy(),
                result.probabilities[name].argmax(1),
                result.tested["group"].to_numpy(),
                headline,
            )
            interval = f"{bounds.low:.3f} to {bounds.high:.3f}"
        rows.append({"model": _title(result, name), **cells, f"{headline}, 95 %": interval})
    return rows


def trading_rows(result: StudyResult) -> list[dict[str, Any]]:
    """The return of each model, the next bar's for its signal less the costs, and of holding."""
    return [
        {
            "model": _title(result, name),
            "return after costs": _percent(result.metrics[name]["return_after_costs"]),
            "95 % interval": _return_interval(result.metrics[name]),
            "Sharpe after costs": _number(result.metrics[name]["sharpe_after_costs"], 2),
            "Sharpe before costs": _number(result.metrics[name]["sharpe_before_costs"], 2),
            "turnover a bar": _number(result.metrics[name]["turnover_per_bar"], 3),
        }
        for name in result.backtests
    ]


def _title(result: StudyResult, name: str) -> str:
    seeds = result.study.seeds
    if name == MEMBER:
        return f"one network, {seeds} seeds"
    if name == ENSEMBLE and seeds == 1:
        return "network"
    if name == ENSEMBLE:
        chosen = result.study.ensemble
        return f"networks, best {chosen} of {seeds}" if chosen else f"networks, {seeds} together"
    return name.replace("_", " ")


def comparisons(scores: pd.DataFrame, rule: GateRule) -> list[dict[str, Any]]:
    """The candidate beside each baseline and the champion, row by row."""
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
        rows.append(
            {
                "against": name.replace("_", " "),
                "metric": rule.metric,
                "network": _number(result.value_a),
                "other": _number(result.value_b),
                "gain": _number(result.difference.value),
                "95 % interval": result.difference.signed,
                "probability of a gain": _number(result.probability, 3),
            }
        )
    return rows


def verdict(result: StudyResult) -> str:
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
    text = (
        f"{name}: the network reaches {metric} {mine[metric]:.3f} against "
        f"{result.metrics[rival][metric]:.3f} of the best baseline ({rival.replace('_', ' ')}; "
        f"probability of a gain {compared.probability:.2f})"
    )
    if ENSEMBLE not in result.backtests:
        return text + "; not traded, since the study leaves out days known only afterwards."
    return f"{text}. {_trading_verdict(result)}"


def _trading_verdict(result: StudyResult) -> str:
    """Whether the return after costs is above 0 for sure, beside that of buying and holding."""
    mine, held = result.metrics[ENSEMBLE], result.metrics[BUY_AND_HOLD]
    if mine["return_after_costs_low"] > 0:
        sure = "surely above zero"
    elif mine["return_after_costs_high"] < 0:
        sure = "surely below zero"
    else:
        sure = "not surely above zero"
    return (
        f"After costs of {result.study.cost_bps:g} bp the return is "
        f"{_percent(mine['return_after_costs'])} (95 % interval {_return_interval(mine)}, Sharpe "
        f"{mine['sharpe_after_costs']:.2f}), {sure}; buying and holding returned "
        f"{_percent(held['return_after_costs'])} (Sharpe {held['sharpe_after_costs']:.2f})."
    )


def _return_interval(metrics: Mapping[str, float]) -> str:
    low, high = metrics["return_after_costs_low"], metrics["return_after_costs_high"]
    return f"{_percent(low)} to {_percent(high)}"


def describe(result: StudyResult, synthetic: bool) -> str:
    """A sentence on the data that a study was tested on."""
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


def limits(result: StudyResult, predictor: SignalsPredictor, synthetic: bool) -> list[str]:
    """The limits of the predictor, a sentence each."""
    sentences = [
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
        sentences.append(
            "Probabilities are stated as if sell, hold and buy were about equally frequent, so "
            "that hold, the most frequent, does not always win."
        )
    if synthetic:
        sentences.insert(0, "Trained on made-up bars: it knows nothing about any market.")
    return sentences


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.4f} ± {np.std(values, ddof=len(values) > 1):.4f}" if values else ""


def _number(value: float | None, digits: int = 4) -> float | str:
    return "" if value is None else round(float(value), digits)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:+.1%}"
