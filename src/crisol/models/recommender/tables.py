"""The report's tables and sentences: what a person reads after a run."""

from typing import Any

import numpy as np

from crisol.core.metrics import paired_bootstrap
from crisol.models.recommender.results import StudyResult
from crisol.models.recommender.training import HYBRID, WITHOUT

Row = dict[str, Any]


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
        low, high = np.percentile(paired.differences, [2.5, 97.5])
        rows.append(
            {
                "against": name,
                f"NDCG@{result.study.k}": round(paired.value_b, 4),
                "hybrid's gain": round(paired.value_a - paired.value_b, 4),
                "95 % interval": f"{low:+.4f} to {high:+.4f}",
                "probability": round(float((paired.differences > 0).mean()), 3),
            }
        )
    return rows


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
    best = max(single_methods(result), key=lambda m: summaries[m].metrics[result.metric].value)
    value = hybrid[result.metric].value
    other = summaries[best].metrics[result.metric].value
    return (
        f"{result.study.name}: NDCG@{k} {value:.4f} and Recall@{k} "
        f"{hybrid[f'recall@{k}'].value:.4f} for {len(result.histories):,} users, "
        f"{'above' if value > other else 'not above'} the best single method "
        f"({best}, {other:.4f})."
    )


def describe(result: StudyResult, synthetic: bool) -> str:
    """What a study was trained and tested on."""
    known = result.known
    return (
        f"{result.study.name}: {known.user_count:,} users, {known.item_count:,} items"
        f"{' (synthetic: nobody bought anything)' if synthetic else ''}, "
        f"{known.matrix.nnz:,} pairs known, {len(result.targets.items):,} held out "
        f"({result.study.split.kind.replace('_', ' ')} split), every item ranked for "
        f"{len(result.histories):,} users."
    )


def limits(result: StudyResult, synthetic: bool) -> list[str]:
    """What the registered predictor cannot do."""
    said = [
        "Ranks the items of its catalogue only; a new item needs a new version.",
        "Knows that somebody had an item, not whether they liked it.",
        "Tested on what users did without it: a list that changes behaviour is not measured here.",
        "Its served weights have seen training and validation events, not those it is tested on.",
    ]
    if not result.known.matrix.nnz:
        return said
    rare = float((result.known.item_counts == 0).mean())
    if rare:
        said.append(f"{rare:.1%} of the items have no event and rest on their attributes alone.")
    if synthetic:
        said.append("The events are made up; nothing measured on them says anything about a shop.")
    return said
