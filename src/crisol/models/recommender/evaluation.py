"""From lists to evidence: metrics with intervals, figures, a plain verdict, the gate's rows."""

from typing import Any

import numpy as np
import pandas as pd

from crisol.core.arrays import Floats
from crisol.core.candidate import Evaluation, Report
from crisol.core.study_verdicts import study_verdicts
from crisol.models.recommender.answers.diversity import diversify
from crisol.models.recommender.answers.hybrid import Ranked
from crisol.models.recommender.contract import RecommendationRequest
from crisol.models.recommender.method_params import HYBRID
from crisol.models.recommender.methods.item_cosine import ITEM_COSINE
from crisol.models.recommender.methods.ranking import Items
from crisol.models.recommender.params import DataParams
from crisol.models.recommender.predictor import RecommenderPredictor
from crisol.models.recommender.report import plots, tables
from crisol.models.recommender.report.champion import champion_scores, incomparable
from crisol.models.recommender.report.deletion import deletion_test
from crisol.models.recommender.report.results import StudyResult, measured_lists, study_results
from crisol.models.recommender.report.summary import list_diversity

BATCH_USERS = 512
DIVERSITIES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
DIVERSITY_USERS = 2000
GATE_BASELINES = ("popularity", ITEM_COSINE)
"""The alternatives that a team would use instead of the hybrid, which must beat them."""
EXPLAINED_USERS = 60
SEED = 0


def evaluate(
    predictor: RecommenderPredictor,
    champion: RecommenderPredictor | None,
    events: pd.DataFrame,
    items: pd.DataFrame,
    rankings: pd.DataFrame,
    history: pd.DataFrame,
    data: DataParams,
    users: pd.DataFrame | None = None,
    parts: pd.DataFrame | None = None,
    assumptions: pd.DataFrame | None = None,
    adjustments: pd.DataFrame | None = None,
) -> Evaluation:
    """Judge every method on users whose held-out items none of them had seen.

    Args:
        predictor: the candidate.
        champion: the promoted predictor, if there is one.
        events: every study's events, each in its part.
        items: the canonical items.
        rankings: every method's lists.
        history: learning curves.
        data: the studies.
        users: the canonical users, if there are any; no method has seen them.
        parts: what validation says of each method in the hybrids, if it was asked.
        assumptions: what was assumed of the files and the studies; see
            :mod:`crisol.models.recommender.data.studies`.
        adjustments: parameters that did not fit the data and were changed, likewise.
    """
    results = study_results(events, items, rankings, data, users)
    registered = next(r for r in results if r.study.name == data.register_study)
    curve = diversity_curve(predictor, registered)
    deletion = deletion_test(predictor, _explained(predictor, registered), SEED)
    shown = _tables(results, data)
    judged = {result.study.name: _scores(result, None) for result in results}
    shown |= study_verdicts(judged, data.rule, data.register_study)
    shown |= {} if parts is None else tables.part_tables(parts)
    shown["diversity against accuracy (predictor)"] = curve
    metrics = _flat_metrics(results)
    limits = tables.limits(registered, data.synthetic)
    limits += tables.order_limit(registered)
    limits += tables.group_limit(registered, data.gate.resamples)
    if deletion is None:
        limits.append("Explanations were not tested: histories are too short to delete from.")
    else:
        shown["explanations: what is lost when the named events are deleted"] = [deletion]
        metrics |= {f"explanations.{name}": float(value) for name, value in deletion.items()}
    if notes := _sentences(adjustments):
        shown["parameters that did not fit the data"] = [{"changed": note} for note in notes]
    if champion is not None and (why := incomparable(champion, predictor, registered)):
        limits.append(f"It was not compared with the champion, {why}.")
        champion = None
    verdicts = [tables.verdict(result) for result in results]
    report = Report(
        family="recommender",
        headline=("On made-up events: " if data.synthetic else "") + " ".join(verdicts),
        metrics=metrics,
        tables=shown,
        data=[tables.describe(result, data.synthetic) for result in results]
        + _sentences(assumptions)
        + notes,
        limits=limits,
        synthetic=data.synthetic,
    )
    figures = plots.draw(results, registered, predictor, curve, history)
    return Evaluation(report, _scores(registered, champion), figures, metrics)


def _sentences(notes: pd.DataFrame | None) -> list[str]:
    return [] if notes is None else notes["note"].tolist()


def _tables(results: list[StudyResult], data: DataParams) -> dict[str, list[dict[str, Any]]]:
    shown = {}
    for result in results:
        name, resamples = result.study.name, data.gate.resamples
        shown[f"{name}: every item ranked for every tested user"] = tables.method_rows(result)
        shown[f"{name}: the hybrid against each method"] = tables.difference_rows(
            result, tables.single_methods(result), resamples
        )
        if without := tables.ablations(result):
            shown[f"{name}: what each part brings to the hybrid"] = tables.difference_rows(
                result, without, resamples
            )
        if groups := tables.group_rows(result, resamples):
            shown[f"{name}: for whom the hybrid works"] = groups
    return shown


def _flat_metrics(results: list[StudyResult]) -> dict[str, float]:
    metrics = {}
    for result in results:
        for method, found in result.summaries.items():
            prefix = f"{result.study.name}.{method.replace(' ', '_')}"
            for name, interval in found.metrics.items():
                metrics[f"{prefix}.{name.split('@')[0]}"] = interval.value
            metrics[f"{prefix}.coverage"] = found.coverage
            metrics[f"{prefix}.popularity_lift"] = found.popularity_lift
    return metrics


def _scores(result: StudyResult, champion: RecommenderPredictor | None) -> pd.DataFrame:
    users = result.histories.users
    scores = pd.DataFrame({"row": users, "group": users, "truth": 1.0})
    scores["candidate"] = result.users(HYBRID)
    for name in GATE_BASELINES:
        scores[name] = result.users(name)
    if champion is not None:
        scores["champion"] = champion_scores(champion, result)
    return scores


def diversity_curve(predictor: RecommenderPredictor, result: StudyResult) -> list[dict[str, Any]]:
    """Accuracy and variety of the first users' lists at several values of ``diversity``.

    ``diversity`` is measured twice: by the predictor's own vectors, along which it diversifies, and
    by the study's (:func:`crisol.models.recommender.report.results.taste_vectors`), which it never
    saw.
    """
    rows = np.arange(min(DIVERSITY_USERS, len(result.histories)))
    histories, targets = result.histories.take(rows), result.targets.take(rows)
    k, vectors = result.study.k, predictor.space
    asked = predictor.encode(RecommendationRequest(history=(), num_recs=k))
    best = min(asked.count, len(predictor.catalogue))
    ranked = [predictor.hybrid.rank(part, best) for part in histories.batches(BATCH_USERS)]
    lists = {
        value: np.concatenate([_diverse(part, vectors, k, value) for part in ranked])
        for value in DIVERSITIES
    }
    table = []
    for value, items in lists.items():
        ndcg = measured_lists(items, histories, targets, k).mean(result.metric)
        table.append(
            {
                "diversity": value,
                f"NDCG@{k}": round(ndcg, 4),
                "intra-list diversity": round(float(np.nanmean(list_diversity(items, vectors))), 4),
                "by the study's vectors": round(
                    float(np.nanmean(list_diversity(items, result.vectors))), 4
                ),
            }
        )
    plain = table[0]
    for row in table:
        row["NDCG change"] = round(row[f"NDCG@{k}"] / max(plain[f"NDCG@{k}"], 1e-9) - 1, 4)
        row["diversity change"] = round(
            row["intra-list diversity"] / max(plain["intra-list diversity"], 1e-9) - 1, 4
        )
    return table


def _diverse(ranked: Ranked, vectors: Floats, k: int, diversity: float) -> Items:
    """[B, k] lists as the predictor gives them at this diversity."""
    there = ranked.items >= 0
    chosen = diversify(ranked.scores, vectors[ranked.items], k, diversity, valid=there)
    lists = np.take_along_axis(ranked.items, np.maximum(chosen, 0), axis=1)
    lists[chosen < 0] = -1
    short = k - lists.shape[1]
    return np.pad(lists, ((0, 0), (0, short)), constant_values=-1) if short else lists


def _explained(predictor: RecommenderPredictor, result: StudyResult) -> list[RecommendationRequest]:
    """Requests of known users with enough events to delete some."""
    users = result.histories.users[result.histories.sizes >= 2][:EXPLAINED_USERS]
    return [RecommendationRequest(user_id=predictor.users[user]) for user in users]
