"""The report's tables and sentences: what a person reads after a run."""

from typing import Any

import numpy as np
import pandas as pd

from crisol.core.metrics import Interval, bootstrap_interval, paired_bootstrap
from crisol.models.recommender.method_params import HYBRID, WITHOUT
from crisol.models.recommender.methods.ranking import Items
from crisol.models.recommender.report.results import StudyResult

Row = dict[str, Any]

MIN_GROUP_USERS = 20
"""Least number of users that share an attribute for a row of their own."""


def method_rows(result: StudyResult) -> list[Row]:
    """Every method on all tested users, the best headline first; intervals by resampling users."""
    k = result.study.k
    rows = []
    for method, found in result.summaries.items():
        if method.startswith(WITHOUT):
            continue
        metrics = found.metrics
        ndcg = metrics[result.metric]
        rows.append(
            {
                "model": method,
                f"NDCG@{k}": round(ndcg.value, 4),
                "95 % interval": f"{ndcg.low:.4f} to {ndcg.high:.4f}",
                f"Recall@{k}": round(metrics[f"recall@{k}"].value, 4),
                f"HR@{k}": round(metrics[f"hit@{k}"].value, 4),
                f"MRR@{k}": round(metrics[f"mrr@{k}"].value, 4),
                "coverage": round(found.coverage, 3),
                "diversity": round(metrics["diversity"].value, 3),
                "novelty (bits)": round(metrics["novelty"].value, 2),
                "popularity lift": round(found.popularity_lift, 2),
            }
        )
    return sorted(rows, key=lambda row: -row[f"NDCG@{k}"])


def difference_rows(result: StudyResult, others: list[str], resamples: int) -> list[Row]:
    """The hybrid against each of ``others`` on the same users (paired bootstrap)."""
    mine, rows = result.users(HYBRID), []
    for name in others:
        theirs = result.users(name)
        paired = paired_bootstrap(
            np.zeros(len(mine)),
            mine,
            theirs,
            groups=np.arange(len(mine)),
            metric="mean",
            resamples=resamples,
        )
        rows.append(
            {
                "against": name,
                f"NDCG@{result.study.k}": round(paired.value_b, 4),
                "hybrid's gain": round(paired.difference.value, 4),
                "95 % interval": paired.difference.signed,
                "probability": round(paired.probability, 3),
            }
        )
    return rows


def part_tables(parts: pd.DataFrame) -> dict[str, list[Row]]:
    """For each study, the methods that its hybrid holds and lacks, and why."""
    return {
        f"{name}: the hybrid's methods, chosen on validation": [
            {
                "method": row["part"],
                "in the hybrid": "yes" if row["kept"] else "no",
                f"hybrid's NDCG@{row['cutoff']} with it": round(row["ndcg"], 4),
                "its gain": round(row["gain"], 4),
                "95 % interval": _signed(row["low"], row["high"]),
                "why": row["reason"],
            }
            for row in table.to_dict("records")
        ]
        for name, table in parts.groupby("study", sort=False)
    }


def _signed(low: float, high: float) -> str:
    return "" if np.isnan(low) else f"{low:+.4f} to {high:+.4f}"


def order_limit(result: StudyResult) -> list[str]:
    """A sentence if the events have no order."""
    if result.order != "none":
        return []
    limit = (
        "The events had no order: it is tested on items drawn at random, not on the newest ones, "
        "and newer events of a request count no more than older ones."
    )
    return [limit]


def group_rows(result: StudyResult, resamples: int) -> list[Row]:
    """For whom the hybrid works: each attribute that enough tested users share, sorted."""
    best, rows = best_single(result), []
    for attribute, (having, hybrid) in _groups(result, resamples).items():
        rows.append(
            {
                "users with": attribute,
                "users": len(having),
                f"hybrid's NDCG@{result.study.k}": round(hybrid.value, 4),
                "95 % interval": f"{hybrid.low:.4f} to {hybrid.high:.4f}",
                "popularity": round(float(result.users("popularity")[having].mean()), 4),
                f"best single method ({best})": round(float(result.users(best)[having].mean()), 4),
            }
        )
    return rows


def group_limit(result: StudyResult, resamples: int) -> list[str]:
    """A sentence if the intervals of the worst and the best served users lie apart."""
    groups = {name: hybrid for name, (_, hybrid) in _groups(result, resamples).items()}
    if not groups:
        return []
    worst, best = (choose(groups, key=lambda name: groups[name].value) for choose in (min, max))
    if groups[worst].high >= groups[best].low:
        return []
    shown = [
        f"{name} (NDCG@{result.study.k} {groups[name].value:.4f}, "
        f"{groups[name].low:.4f} to {groups[name].high:.4f})"
        for name in (worst, best)
    ]
    return [f"Works worse for users with {shown[0]} than for those with {shown[1]}."]


def _groups(result: StudyResult, resamples: int) -> dict[str, tuple[Items, Interval]]:
    """Attribute to the rows of those who have it and their headline metric by the hybrid."""
    groups = {}
    for attribute, having in (result.attributes or {}).items():
        if len(having) >= MIN_GROUP_USERS:
            values = result.users(HYBRID)[having]
            interval = bootstrap_interval(values, values, metric="mean", resamples=resamples)
            groups[attribute] = having, interval
    return groups


def best_single(result: StudyResult) -> str:
    """The method that is best on its own for all tested users."""
    return max(
        single_methods(result), key=lambda m: result.summaries[m].metrics[result.metric].value
    )


def single_methods(result: StudyResult) -> list[str]:
    """The methods on their own."""
    return [m for m in result.measured if m != HYBRID and not m.startswith(WITHOUT)]


def ablations(result: StudyResult) -> list[str]:
    """The hybrids that lack one part."""
    return [m for m in result.measured if m.startswith(WITHOUT)]


def verdict(result: StudyResult) -> str:
    """One sentence on one study."""
    k, summaries = result.study.k, result.summaries
    hybrid = summaries[HYBRID].metrics
    best = best_single(result)
    value = hybrid[result.metric].value
    other = summaries[best].metrics[result.metric].value
    return (
        f"{result.study.name}: NDCG@{k} {value:.4f} and Recall@{k} "
        f"{hybrid[f'recall@{k}'].value:.4f} for {len(result.histories):,} users, "
        f"{'above' if value > other else 'not above'} the best single method "
        f"({best}, {other:.4f})."
    )


def describe(result: StudyResult, synthetic: bool) -> str:
    """A sentence on the data that a study was trained and tested on."""
    known = result.known
    return (
        f"{result.study.name}: {known.user_count:,} users, {known.item_count:,} items"
        f"{' (synthetic: nobody bought anything)' if synthetic else ''}, "
        f"{known.matrix.nnz:,} pairs known, {len(result.targets.items):,} held out "
        f"({_split_of(result)}), every item ranked for "
        f"{len(result.histories):,} users{_described(result)}."
    )


def _split_of(result: StudyResult) -> str:
    kind = result.study.split.kind
    told = "split derived from the events" if kind == "auto" else f"{kind.replace('_', ' ')} split"
    return told + (", drawn at random" if result.order == "none" else "")


def _described(result: StudyResult) -> str:
    if result.attributes is None:
        return ""
    described = {row for rows in result.attributes.values() for row in rows.tolist()}
    return f", {len(described):,} of whom tell something of themselves"


def limits(result: StudyResult, synthetic: bool) -> list[str]:
    """The limits of the registered predictor, a sentence each."""
    found = [
        "Ranks the items of its catalogue only; a new item needs a new version.",
        "Knows that somebody had an item, not whether they liked it.",
        "Tested on what users did without it: a list that changes behaviour is not measured here.",
        "Its served weights have seen training and validation events, not those it is tested on.",
    ]
    if not result.known.matrix.nnz:
        return found
    rare = float((result.known.item_counts == 0).mean())
    if rare:
        found.append(f"{rare:.1%} of the items have no event and rest on their attributes alone.")
    if synthetic:
        found.append("The events are made up; nothing measured on them says anything about a shop.")
    return found
