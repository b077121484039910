"""From forecasts to evidence: metrics with intervals, figures, a plain verdict, the gate's rows."""

from typing import Any

import numpy as np
import pandas as pd

from crisol.core.candidate import Evaluation, Report
from crisol.core.metrics import macro_f1, mcc
from crisol.core.study_verdicts import study_verdicts
from crisol.models.signals.data.forecasts import (
    BASELINES,
    BUY_AND_HOLD,
    ENSEMBLE,
    MEMBER,
    PROBABILITIES,
    SHUFFLED,
)
from crisol.models.signals.data.own_study import resolved
from crisol.models.signals.data.prepare import windows
from crisol.models.signals.params import DataParams
from crisol.models.signals.predictor import SignalsPredictor
from crisol.models.signals.report import runtimes, tables
from crisol.models.signals.report.plots import draw
from crisol.models.signals.report.results import METRICS, StudyResult, study_result


def evaluate(
    predictor: SignalsPredictor,
    champion: SignalsPredictor | None,
    bars: pd.DataFrame,
    samples: pd.DataFrame,
    forecasts: pd.DataFrame,
    baseline_forecasts: pd.DataFrame,
    history: pd.DataFrame,
    data: DataParams,
    notes: pd.DataFrame | None = None,
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
        notes: what was assumed of the bars; column ``note``.
    """
    data = resolved(data, bars)
    everything = pd.concat([forecasts, baseline_forecasts], ignore_index=True)
    results = [study_result(study, bars, samples, everything) for study in data.studies]
    registered = next(r for r in results if r.study.name == data.register_study)
    scores = _scores(registered, bars, champion)
    last = registered.tested[registered.tested.fold == registered.tested.fold.max()]
    newest = windows(bars, last, predictor.description.network)
    runtime_rows = runtimes.measure(predictor, newest, last["label"].to_numpy())
    metrics = _flat_metrics(results, predictor)
    leakage = _leakage(registered, forecasts)
    if leakage is not None:
        metrics[f"{data.register_study}.shuffled_labels.macro_f1"] = leakage["macro_f1"]
    verdicts = [tables.verdict(result) for result in results]
    shown = {f"{r.study.name}: held-out forecasts": tables.forecast_rows(r) for r in results}
    shown |= {
        f"{r.study.name}: trading the next bar at {r.study.cost_bps:g} bp": tables.trading_rows(r)
        for r in results
        if r.backtests
    }
    shown["registered study: networks against each other model"] = tables.comparisons(
        scores, data.gate
    )
    judged = {r.study.name: _scores(r, bars, None) for r in results}
    shown |= study_verdicts(judged, data.rule, data.register_study)
    if leakage is not None:
        shown["leakage self-test: one network trained on shuffled labels"] = [leakage]
    shown["runtimes of the predictor"] = runtime_rows
    report = Report(
        family="signals",
        headline=("On made-up bars: " if data.synthetic else "") + " ".join(verdicts),
        metrics=metrics,
        tables=shown,
        data=[
            *(tables.describe(result, data.synthetic) for result in results),
            *([] if notes is None else notes["note"].tolist()),
        ],
        limits=tables.limits(registered, predictor, data.synthetic),
        synthetic=data.synthetic,
    )
    figures = draw(results, registered, predictor, newest, history)
    return Evaluation(report, scores, figures, metrics)


def _flat_metrics(results: list[StudyResult], predictor: SignalsPredictor) -> dict[str, float]:
    metrics = {
        "trainable_share": predictor.description.trainable_share,
        "temperature": predictor.description.temperature,
        "members": float(predictor.description.members),
    }
    for result in results:
        for name in (ENSEMBLE, *BASELINES, BUY_AND_HOLD):
            for metric, value in result.metrics.get(name, {}).items():
                metrics[f"{result.study.name}.{name}.{metric}"] = float(value)
        members = tables.members(result)
        for metric in METRICS:
            values = [m[metric] for m in members if metric in m]
            if values:
                metrics[f"{result.study.name}.{MEMBER}.{metric}_mean"] = float(np.mean(values))
                metrics[f"{result.study.name}.{MEMBER}.{metric}_sd"] = float(
                    np.std(values, ddof=len(values) > 1)
                )
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
    """The champion's class of each row, as it forecast it before the answer was known.

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


def _leakage(result: StudyResult, forecasts: pd.DataFrame) -> dict[str, Any] | None:
    """The margin above chance of the network that was trained on shuffled labels.

    It learns a random direction, which by chance may be close to a true one. The limit is therefore
    not 0 but half of the margin with the true labels, and at least 0.05.
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
