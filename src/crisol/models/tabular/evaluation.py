"""From held-out rows to evidence: figures with intervals, a plain verdict, the gate's rows."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.candidate import Evaluation, GateRule, Report
from crisol.models.tabular.data import leakage
from crisol.models.tabular.data.parts import TEST, TRAIN
from crisol.models.tabular.data.source_table import PART, ROW
from crisol.models.tabular.data.tables import schema_of, select
from crisol.models.tabular.features.encoded_rows import Part
from crisol.models.tabular.params import DataParams
from crisol.models.tabular.report import clustering, importance, plots, supervised
from crisol.models.tabular.report.predictions import HeldOutPredictions, predict_all
from crisol.models.tabular.report.scoring import (
    Scored,
    rounded,
    row_log_loss,
    score_classes,
    score_numbers,
)
from crisol.models.tabular.report.supervised import CHAMPION, GUESSING, LINEAR, MODEL, Judged
from crisol.models.tabular.schema import Schema

if TYPE_CHECKING:
    from crisol.models.tabular.predictor import TabularPredictor

LATENCY_CALLS = 100
MEAN = "mean"
"""The gate's metric that compares a number a row: log-likelihood, or silhouette."""


def gate_rule(schema: Schema, data: DataParams) -> GateRule:
    """The gate's rule: the one that was set, or a default by the task.

    Numbers are compared by R², which orders models on the same rows as RMSE does, and for which a
    tolerance means the same whatever the unit.
    """
    if data.gate is not None:
        return data.gate
    if schema.task == "clustering":
        return GateRule(metric=MEAN, label="silhouette", tolerance=0.02)
    if schema.task == "regression":
        return GateRule(metric="r2", label="R²")
    return GateRule(metric="accuracy")


def evaluate(
    predictor: "TabularPredictor",
    champion: "TabularPredictor | None",
    rows: pd.DataFrame,
    images: pd.DataFrame,
    parts: pd.DataFrame,
    schema_table: pd.DataFrame,
    forecasts: pd.DataFrame,
    leaderboard: pd.DataFrame,
    history: pd.DataFrame,
    data: DataParams,
    workers: pd.DataFrame | None = None,
) -> Evaluation:
    """Judge a training on the rows that were held out.

    Args:
        predictor: the candidate.
        champion: the promoted predictor, if there is one.
        rows: the prepared rows.
        images: their pictures.
        parts: which row is in which part.
        schema_table: what the columns are.
        forecasts: out-of-fold answers to training rows.
        leaderboard: what was tried.
        history: learning curves.
        data: how the rows were read, and the gate.
        workers: the work of each worker of a search.
    """
    schema = schema_of(schema_table).model_copy(
        update={"columns": predictor.encoder.schema.columns}
    )
    held_out = select(rows, parts, TEST)
    pictures = images if len(images) else None
    train = predictor.encoder.part(select(rows, parts, TRAIN), pictures)
    test = predictor.encoder.part(held_out, pictures)
    names = _names(held_out, schema)
    speed = _one_row(predictor, held_out, pictures)
    if schema.task == "clustering":
        return _clustering(
            predictor, champion, train, test, held_out, schema, data, names, speed, workers
        )
    answers = predict_all(predictor, champion, train, test, held_out, images)
    judged = _judged(predictor, schema, data, test, names["group"], answers)
    permuted, shap = _importance(predictor, test, answers)
    metrics = _metrics(judged, speed)
    tables = _tables(judged, leaderboard, permuted, shap, predictor, speed)
    tables |= supervised.worker_tables(workers)
    tables |= _optimism(judged, forecasts)
    if answers.words:
        tables["Words that speak for a class (linear model)"] = [
            {"class": name, "words": words} for name, words in answers.words.items()
        ]
    left_out = int((~parts["part"].isin([TRAIN, TEST])).sum())
    made = Report(
        family="tabular",
        headline=supervised.headline(judged),
        metrics=metrics,
        tables=tables,
        data=supervised.data_sentences(
            judged, len(train), how_held_out(rows, schema, data), list(predictor.encoder.columns)
        ),
        limits=[
            *leakage.across(rows, parts, schema),
            *supervised.short_search(leaderboard),
            *supervised.busy_machine(workers),
            *supervised.limits(judged, left_out, answers.champion_incomparable),
        ],
        synthetic=data.is_synthetic,
    )
    drawn = plots.supervised(judged, history, leaderboard, permuted, shap)
    return Evaluation(made, _scores(judged, names, data), drawn, metrics)


def how_held_out(rows: pd.DataFrame, schema: Schema, data: DataParams) -> str:
    """Describe in a few words how the rows were split."""
    kind = data.split.kind
    if kind == "auto":
        given = set(rows[PART].dropna()) >= {TRAIN, TEST}
        by = [role for role in ("time", "group") if schema.named(role)]
        kind = "given" if given else by[0] if by else "random"  # type: ignore[assignment]
    return {
        "given": "the source's own test part",
        "time": "the latest",
        "group": "whole groups, drawn at random",
        "random": "drawn at random",
    }[kind]


def _names(rows: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """``row`` and ``group`` of the held-out rows: rows of one group are resampled together."""
    row = rows[ROW].astype(str)
    grouped = schema.named("group")
    group = (
        row if not grouped else rows[grouped[0]].astype(str).where(rows[grouped[0]].notna(), row)
    )
    return pd.DataFrame({"row": row.to_numpy(str), "group": group.to_numpy(str)})


def _judged(
    predictor: "TabularPredictor",
    schema: Schema,
    data: DataParams,
    test: Part,
    groups: pd.Series,
    answers: HeldOutPredictions,
) -> Judged:
    others = {
        LINEAR: answers.linear,
        GUESSING: answers.guessing,
        CHAMPION: answers.champion,
    }
    predicted = {MODEL: answers.candidate, **answers.members}
    predicted |= {name: found for name, found in others.items() if found is not None}
    assert test.target is not None  # every task but clustering has one
    grouped = groups.to_numpy(str)
    scored: dict[str, Scored] = {}
    for name, found in predicted.items():
        chief = name == MODEL
        if schema.task == "regression":
            truth = test.target.astype(np.float64)
            scored[name] = score_numbers(truth, found, grouped, intervals=chief)
        else:
            codes = test.target.astype(np.int64)
            scored[name] = score_classes(codes, found, schema.classes, grouped, intervals=chief)
    members = predictor.ensemble.members
    single = members[0].algorithm if len(members) == 1 else ""
    return Judged(
        schema, data.title, data.is_synthetic, test.target, grouped, predicted, scored, single
    )


def _importance(
    predictor: "TabularPredictor", test: Part, answers: HeldOutPredictions
) -> tuple[importance.Permuted | None, importance.Shap | None]:
    """Permutation importance of the whole, SHAP values of a member; neither of a single column."""
    columns = predictor.encoder.columns
    if len(columns) < 2:
        return None, None
    permuted = importance.permute_ensemble(
        predictor.ensemble, test, columns, _loss, row_seconds=answers.row_seconds
    )
    return permuted, importance.shap_of(predictor.ensemble, test.features)


def _loss(truth: NDArray[Any], predicted: Floats) -> float:
    if predicted.ndim == 1:
        return float(np.sqrt(np.mean((predicted - truth) ** 2)))
    return float(row_log_loss(truth.astype(np.int64), predicted).mean())


def _one_row(
    predictor: "TabularPredictor", rows: pd.DataFrame, images: pd.DataFrame | None
) -> dict[str, float]:
    """Milliseconds from a row as it is sent to its answer, on one thread, and how they spread."""
    requests = predictor.encoder.requests(rows.head(20), images)
    asked = [predictor.request_type.model_validate({"rows": [row]}) for row in requests]
    encoded = [predictor.encode(request) for request in asked]
    predictor.infer(encoded[:1])
    taken = []
    for call in range(LATENCY_CALLS):
        began = time.perf_counter()
        predictor.infer([predictor.encode(asked[call % len(asked)])])
        taken.append((time.perf_counter() - began) * 1000)
    p50, p95 = np.quantile(taken, [0.5, 0.95])
    return {"latency_p50_ms": float(p50), "latency_p95_ms": float(p95)}


def _metrics(judged: Judged, speed: Mapping[str, float]) -> dict[str, float]:
    found = dict(judged.scored[MODEL].metrics)
    for name, span in judged.scored[MODEL].intervals.items():
        found |= {f"{name}_low": span.low, f"{name}_high": span.high}
    for other in (LINEAR, GUESSING, CHAMPION):
        if other in judged.scored:
            known = judged.scored[other].metrics
            found |= {f"{other}.{name}": value for name, value in known.items()}
    return found | {"held_out_rows": float(len(judged.truth))} | dict(speed)


def _tables(
    judged: Judged,
    leaderboard: pd.DataFrame,
    permuted: importance.Permuted | None,
    shap: importance.Shap | None,
    predictor: "TabularPredictor",
    speed: Mapping[str, float],
) -> dict[str, list[dict[str, Any]]]:
    tables = {
        "Held-out rows": supervised.comparison(judged),
        "95 % intervals": supervised.interval_rows(judged.scored[MODEL]),
    }
    if judged.scored[MODEL].classes:
        tables["Classes"] = supervised.class_rows(judged.scored[MODEL])
    if permuted is not None:
        title = f"What the answers depend on ({permuted.how})"
        tables[title] = supervised.importance_rows(permuted, shap, predictor.encoder.columns)
        if shap is not None:
            agreed = importance.agreement(permuted, shap, predictor.encoder.columns)
            if np.isfinite(agreed):
                tables["Do permutation and SHAP agree"] = [
                    {
                        "SHAP values of": shap.member,
                        "its weight": round(shap.weight, 4),
                        "rank correlation": round(agreed, 3),
                    }
                ]
    if len(leaderboard):
        tables["What was tried"] = supervised.leaderboard_rows(leaderboard)
    tables["One row, on one thread"] = [{name: round(value, 3) for name, value in speed.items()}]
    return tables


def _optimism(judged: Judged, forecasts: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """The out-of-fold figures beside the held-out ones: far apart, the rows differ in kind."""
    if not len(forecasts):
        return {}
    names: tuple[str, ...]
    if judged.regression:
        numbers = (forecasts[name].to_numpy(np.float64) for name in ("truth", "answer"))
        inside, names = score_numbers(*numbers, intervals=False), supervised.NUMBER_COLUMNS
    else:
        classes = judged.schema.classes
        known = {word: code for code, word in enumerate(classes)}
        codes = np.asarray(forecasts["truth"].astype(object).map(known), np.int64)
        probabilities = forecasts[[f"p_{code}" for code in range(len(classes))]].to_numpy(float)
        inside = score_classes(codes, probabilities, classes, intervals=False)
        names = supervised.CLASS_COLUMNS
    outside = judged.scored[MODEL]
    return {
        "Training rows out of fold, and held-out rows": [
            {"rows": supervised.OUT_OF_FOLD, **rounded(inside.metrics, names)},
            {"rows": "held out", **rounded(outside.metrics, names)},
        ]
    }


def _scores(judged: Judged, names: pd.DataFrame, data: DataParams) -> pd.DataFrame:
    """The gate's rows: decided classes or numbers, or each row's log-likelihood."""
    rule = gate_rule(judged.schema, data)
    likelihood = rule.metric == MEAN and not judged.regression
    scores = names.assign(truth=judged.truth)
    for column, name in (("candidate", MODEL), ("guessing", GUESSING), ("champion", CHAMPION)):
        if name not in judged.predicted:
            continue
        if likelihood:
            scores[column] = -row_log_loss(judged.truth.astype(np.int64), judged.predicted[name])
        elif rule.metric == MEAN:
            scores[column] = -np.abs(judged.predicted[name] - judged.truth)
        else:
            scores[column] = judged.decided(name)
    return scores


def _clustering(
    predictor: "TabularPredictor",
    champion: "TabularPredictor | None",
    train: Part,
    test: Part,
    rows: pd.DataFrame,
    schema: Schema,
    data: DataParams,
    names: pd.DataFrame,
    speed: Mapping[str, float],
    workers: pd.DataFrame | None,
) -> Evaluation:
    judged = clustering.judge(predictor, champion, train, test, rows, names, data)
    metrics = judged.metrics | dict(speed)
    tables = judged.tables | supervised.worker_tables(workers)
    tables |= {"One row, on one thread": [{name: round(value, 3) for name, value in speed.items()}]}
    made = Report(
        family="tabular",
        headline=judged.headline,
        metrics=metrics,
        tables=tables,
        data=[*judged.data, *schema.reading],
        limits=[*schema.warnings, *judged.limits],
        synthetic=data.is_synthetic,
    )
    return Evaluation(made, judged.scores, judged.figures, metrics)
