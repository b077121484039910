"""The tables and sentences of the report."""

from typing import Any

import numpy as np
import pandas as pd

from crisol.core.metrics import paired_bootstrap
from crisol.models.products.params import DataParams
from crisol.models.products.predictor import ProductsPredictor
from crisol.models.products.report.ablations import BASELINE, ENSEMBLE, WHOLE, WITHOUT
from crisol.models.products.report.results import (
    METRIC,
    RESAMPLES,
    Head,
    HeadScore,
    StudyResult,
    truth_and_answer,
)

TableRow = dict[str, Any]
NOTHING = "-"
BASELINE_NAME = "TF-IDF + linear"


def overview_rows(results: list[StudyResult]) -> list[TableRow]:
    """The overview: one row per head of a study, with the ensemble and its baselines."""
    return [
        {
            "study": result.study.name,
            "head": head,
            "metric": METRIC[head],
            "ensemble": _text(result.measured(head, ENSEMBLE)),
            "95 % interval": _interval(result.measured(head, ENSEMBLE)),
            "without image": _text(result.measured(head, ENSEMBLE, "without image")),
            "transformer": _text(result.measured(head, "transformer")),
            "transformer without image": _text(
                result.measured(head, "transformer", "without image")
            ),
            "linear": _text(result.measured(head, "linear")),
            BASELINE_NAME: _text(result.measured(head, BASELINE)),
            "guessing": _guess(result, head),
            "test products": _rows(result.measured(head, ENSEMBLE)),
        }
        for result in results
        for head in result.heads()
    ]


def method_rows(result: StudyResult) -> list[TableRow]:
    """One row per method and view of one study, the ensemble first."""
    heads, rows = result.heads(), []
    for method, view in result.methods():
        if method.startswith(WITHOUT):
            continue
        name = BASELINE_NAME if method == BASELINE else method
        row: TableRow = {"model": name, "products": view}
        for head in heads:
            found = result.measured(head, method, view)
            row[f"{head}: {METRIC[head]}"] = _text(found)
            row[f"{head}: 95 % interval"] = _interval(found)
        rows.append(row)
    order = {ENSEMBLE: 0, BASELINE_NAME: 2}
    return sorted(rows, key=lambda row: order.get(row["model"], 1))


def part_rows(result: StudyResult) -> list[TableRow]:
    """The loss of the ensemble without each member, and without each part of the products."""
    rows = []
    for method, view in result.methods():
        if method.startswith(WITHOUT):
            name = method.removeprefix(WITHOUT)
        elif method == ENSEMBLE and view != WHOLE:
            taken = view.startswith("without ")
            name = view.removeprefix("without ") if taken else "all but the title"
        else:
            continue
        for head in result.heads():
            row = _loss(result, head, method, view)
            if row:
                rows.append({"without": name, "head": head, **row})
    return rows


def _loss(result: StudyResult, head: Head, method: str, view: str) -> TableRow | None:
    whole = truth_and_answer(result.of(ENSEMBLE), head)
    other = truth_and_answer(result.of(method, view), head)
    if whole is None or other is None:
        return None
    (truth, mine), (_, theirs) = whole, other
    if head == "rating":
        a, b = result.measured(head, ENSEMBLE), result.measured(head, method, view)
        assert a is not None
        assert b is not None
        return _loss_row(a.value, a.value - b.value, NOTHING)
    metric = "r2" if head == "price" else "accuracy"
    paired = paired_bootstrap(truth, mine, theirs, metric=metric, resamples=RESAMPLES)
    return _loss_row(paired.value_a, paired.difference.value, paired.difference.signed)


def _loss_row(value: float, lost: float, interval: str) -> TableRow:
    return {"ensemble": round(value, 4), "is lost": round(lost, 4), "95 % interval": interval}


def retrieval_rows(results: list[StudyResult]) -> list[TableRow]:
    """The recall of test products' pictures searched by their words."""
    rows = []
    for result in results:
        for method, found in result.ranks.groupby("method", sort=False):
            rank, of = found["rank"].to_numpy(), int(found["of"].iloc[0])
            rows.append(
                {
                    "study": result.study.name,
                    "method": method,
                    "recall@1": round(float((rank <= 1).mean()), 4),
                    "recall@10": round(float((rank <= 10).mean()), 4),
                    "mean reciprocal rank": round(float((1 / rank).mean()), 4),
                    "chance of recall@10": round(min(1.0, 10 / of), 4),
                    "pictures": of,
                }
            )
    return rows


def price_rows(results: list[StudyResult]) -> list[TableRow]:
    """The errors of price estimates, and the share of prices inside their interval."""
    rows = []
    for result in results:
        table = result.of(ENSEMBLE)
        known = table[table["true_log_price"].notna() & table["log_price"].notna()]
        if len(known) < 5 or known["low"].isna().all():
            continue
        residuals = (known["log_price"] - known["true_log_price"]).to_numpy(np.float64)
        error = np.median(np.abs(np.expm1(residuals)))
        inside = known["true_log_price"].between(known["low"], known["high"])
        rows.append(
            {
                "study": result.study.name,
                "currency": result.currency or NOTHING,
                "median error": f"{error:.1%}",
                "in the interval of 80 %": f"{inside.mean():.1%}",
                "interval's width (high / low)": round(
                    float(np.exp((known["high"] - known["low"]).median())), 2
                ),
                "test products": len(known),
            }
        )
    return rows


def verdict(result: StudyResult) -> str:
    """One sentence on the results of one study."""
    scores = []
    for head in result.heads():
        mine, other = result.measured(head, ENSEMBLE), result.measured(head, BASELINE)
        assert mine is not None
        beside = "" if other is None else f" (TF-IDF + linear {other.value:.3f})"
        scores.append(f"{head} {METRIC[head]} {mine.value:.3f}{beside}")
    return f"{result.study.name}: {', '.join(scores) if scores else 'nothing could be measured'}."


def describe(result: StudyResult, synthetic: bool) -> str:
    """One sentence on the training and test products of one study."""
    tested = result.answers["row"].nunique()
    split = result.study.split.kind.replace("_", " ")
    made = " (synthetic: made by a program)" if synthetic else ""
    helped = f", helped by {', '.join(result.study.helped_by)}" if result.study.helped_by else ""
    return (
        f"{result.study.name}: {result.trained:,} products{made} to learn from"
        f"{' in each fold' if split == 'cross validation' else ''}{helped}, {tested:,} to be "
        f"tested on ({split} split)."
    )


def sizes(predictor: ProductsPredictor, history: pd.DataFrame) -> str:
    """One sentence on the network and its training."""
    width = predictor.transformer.embedding_size
    return (
        f"The network makes embeddings of {width} numbers and was trained for "
        f"{int(history['epoch'].max()):,} epochs; what products.model.network.preset and "
        "products.train leave open follows from the number of products."
    )


def limits(predictor: ProductsPredictor, data: DataParams) -> list[str]:
    """The limits of the registered predictor, one sentence each."""
    about = predictor.description
    sentences = [
        "Knows the categories of its training catalogue; anything else is called one of them.",
        "The quality rules ask if an entry is complete and consistent, not if a product is good.",
        "The sentiment is that of the words of the description, by a word list; no customer's.",
        "Drivers say what the model looked at, not why a product is what it is.",
    ]
    if about.rated:
        sentences.append(
            f"The expected rating is learned from {about.rated:,} products with enough votes; "
            "what is rated well elsewhere, or later, may differ."
        )
    else:
        sentences.append(
            "It was trained without ratings: the quality score is that of the rules alone."
        )
    if predictor.intervals is not None:
        sentences.append(
            f"Prices are those of the training catalogue ({about.currency or 'no currency named'}) "
            "when it was collected; nothing is converted or adjusted for inflation."
        )
    if not about.pictures:
        sentences.append("It was trained without pictures: a picture has no effect.")
    if data.synthetic:
        sentences.append(
            "The products are made up; nothing measured on them says anything about a shop."
        )
    return sentences


def flat_metrics(results: list[StudyResult], pairs: pd.DataFrame | None) -> dict[str, float]:
    """Every score under a dotted name; equal inputs give equal scores."""
    flat: dict[str, float] = {}
    names = {"category": "accuracy", "main category": "main_accuracy"}
    names |= {"price": "log_price_r2", "rating": "rating_spearman"}
    for result in results:
        study = result.study.name
        for head in result.heads():
            for method, view in result.methods():
                found = result.measured(head, method, view)
                if found is None or (view != WHOLE and method != ENSEMBLE):
                    continue
                where = method if view == WHOLE else f"{method} {view}"
                flat[f"{study}.{where.replace(' ', '_')}.{names[head]}"] = found.value
        for searcher, ranks in result.ranks.groupby("method", sort=False):
            hit = float((ranks["rank"] <= 10).mean())
            flat[f"{study}.{str(searcher).replace(' ', '_')}.text_to_image_recall_at_10"] = hit
    if pairs is not None:
        for row in pairs.to_dict("records"):
            flat[f"matching.{row['source']}.{row['method']}.f1".replace(" ", "_")] = float(
                row["f1"]
            )
    return flat


def frame_rows(frame: pd.DataFrame) -> list[TableRow]:
    """The rows of a data frame, each as column to value."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _text(found: HeadScore | None) -> str:
    return NOTHING if found is None else f"{found.value:.4f}"


def _interval(found: HeadScore | None) -> str:
    return NOTHING if found is None else f"{found.low:.4f} to {found.high:.4f}"


def _rows(found: HeadScore | None) -> int:
    return 0 if found is None else found.rows


def _guess(result: StudyResult, head: Head) -> str:
    value = result.guesses.get(head, 0.0)
    return NOTHING if np.isnan(value) else f"{value:.4f}"
