"""Evaluates every method on the test products: metrics, tables, figures and the gate's rows."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.candidate import Evaluation, Report
from crisol.core.errors import MendableError
from crisol.core.study_verdicts import study_verdicts
from crisol.models.products.answers.drivers import deletion_test
from crisol.models.products.data.prepare import records_from_tables
from crisol.models.products.data.records import ProductRecord
from crisol.models.products.data.taxonomy import Taxonomy
from crisol.models.products.params import DataParams
from crisol.models.products.predictor import ProductsPredictor
from crisol.models.products.report import plots, tables
from crisol.models.products.report.ablations import BASELINE, ENSEMBLE, WHOLE
from crisol.models.products.report.gating import gate_head, gate_rule
from crisol.models.products.report.matching import match_products
from crisol.models.products.report.results import StudyResult, study_results

EXPLAINED = 40
"""Test products whose drivers are tested by deleting them."""


def evaluate(
    predictor: ProductsPredictor,
    champion: ProductsPredictor | None,
    products: pd.DataFrame,
    images: pd.DataFrame,
    parts: pd.DataFrame,
    pairs: pd.DataFrame,
    answers: pd.DataFrame,
    ranks: pd.DataFrame,
    history: pd.DataFrame,
    data: DataParams,
    notes: pd.DataFrame | None = None,
) -> Evaluation:
    """Evaluate every method on products that none of them was trained on.

    Args:
        predictor: the candidate.
        champion: the promoted predictor, if there is one.
        products: the canonical table.
        images: its pictures.
        parts: the role of every product in every fold.
        pairs: products to be matched; may be empty.
        answers: the predictions of every method.
        ranks: the ranks of pictures searched by words.
        history: learning curves.
        data: the studies.
        notes: what was read, assumed and left out, see
            :class:`crisol.models.products.data.run_files.CleanFiles`.

    Raises:
        MendableError: the gate compares what the registered study has not learned.
    """
    results = study_results(products, parts, answers, ranks, data)
    registered = next(r for r in results if r.study.name == data.register_study)
    rows = registered.of(ENSEMBLE).index.to_numpy()
    tested = _Tested(
        rows,
        records_from_tables(
            products.iloc[rows], images, hide_category_words=registered.study.hide_category_words
        ),
    )
    matched = _matched(predictor, pairs, data)
    metrics = tables.flat_metrics(results, matched)
    shown = _tables(results, matched)
    if notes is not None and len(notes):
        shown["the files: what was read, assumed and left out"] = tables.frame_rows(notes)
    shown |= study_verdicts(
        _by_study(results, tested, data), gate_rule(data, registered.heads()), data.register_study
    )
    limits = tables.limits(predictor, data)
    deletion = _deletion(predictor, tested)
    if deletion is not None:
        shown["drivers: what is lost when the named words are deleted"] = [dict(deletion)]
        metrics |= {f"drivers.{name}": float(value) for name, value in deletion.items()}
    if champion is not None and (why := _incomparable(champion, predictor, registered)):
        limits.append(f"It was not compared with the champion, {why}.")
        champion = None
    report = Report(
        family="products",
        headline=("On made-up products: " if data.synthetic else "")
        + " ".join(tables.verdict(result) for result in results),
        metrics=metrics,
        tables=shown,
        data=[
            *(tables.describe(result, data.synthetic) for result in results),
            tables.sizes(predictor, history),
        ],
        limits=limits,
        synthetic=data.synthetic,
    )
    figures = plots.draw(results, registered, predictor, tested.records, history)
    return Evaluation(report, _scores(registered, champion, tested, data), figures, metrics)


@dataclass(frozen=True)
class _Tested:
    """The registered study's test products: rows of the canonical table, and their records."""

    rows: NDArray[np.int64]
    records: list[ProductRecord]


def _tables(
    results: list[StudyResult], matched: pd.DataFrame | None
) -> dict[str, list[dict[str, Any]]]:
    shown = {"every head, every study, every baseline": tables.overview_rows(results)}
    if found := tables.retrieval_rows(results):
        shown["pictures found by words, among the test products"] = found
    if matched is not None:
        shown["the same product in two shops (pairs)"] = tables.frame_rows(matched)
    if found := tables.price_rows(results):
        shown["prices"] = found
    for result in results:
        shown[f"{result.study.name}: every method"] = tables.method_rows(result)
        if found := tables.part_rows(result):
            shown[f"{result.study.name}: what each part brings to the ensemble"] = found
    return shown


def _matched(
    predictor: ProductsPredictor, pairs: pd.DataFrame, data: DataParams
) -> pd.DataFrame | None:
    sources = data.matching
    if data.pairs and "matching" not in data.model_fields_set:
        sources = tuple(sorted(set(pairs["source"])))
    wanted = pairs[pairs["source"].isin(sources)]
    missing = [name for name in sources if name not in set(pairs["source"])]
    if missing:
        raise MendableError(
            f"products.data.matching: there are no pairs of {missing[0]!r}; there are: "
            + (", ".join(sorted(set(pairs["source"]))) or "none")
        )
    return None if wanted.empty else match_products(wanted, predictor.embed)


def _deletion(predictor: ProductsPredictor, tested: _Tested) -> Mapping[str, float] | None:
    """The deletion test of the drivers' words; ``None`` where there are no categories."""
    if predictor.taxonomy is None:
        return None
    records = tested.records[:EXPLAINED]
    leaves = predictor.forecast(records).leaf
    assert leaves is not None
    best = predictor.taxonomy.best(np.exp(leaves)).tolist()
    return deletion_test(records, best, predictor.forecast, predictor.linear.contributions)


def _scores(
    result: StudyResult, champion: ProductsPredictor | None, tested: _Tested, data: DataParams
) -> pd.DataFrame:
    """The gate's rows: classes of the category, or logarithms of the price."""
    head = gate_head(data, result.heads())
    truth_name, predicted_name = (
        ("true_leaf", "leaf") if head == "category" else ("true_log_price", "log_price")
    )
    mine = result.of(ENSEMBLE)
    known = mine[truth_name] != "" if head == "category" else mine[truth_name].notna()
    columns = {
        "truth": mine[truth_name],
        "candidate": mine[predicted_name],
        "guessing": pd.Series(result.constants[head], index=mine.index),
        "TF-IDF + linear": result.of(BASELINE, WHOLE)[predicted_name],
    }
    if champion is not None and (theirs := _champion(champion, tested, head)) is not None:
        columns["champion"] = pd.Series(theirs, index=tested.rows)
    table = pd.DataFrame(columns)[known]
    if head == "category":
        codes = {name: code for code, name in enumerate(sorted(set(table.to_numpy().ravel())))}
        table = table.map(codes.__getitem__)
    rows = table.index.astype(str)
    return table.reset_index(drop=True).assign(row=rows, group=rows)


def _by_study(
    results: list[StudyResult], tested: _Tested, data: DataParams
) -> dict[str, pd.DataFrame]:
    """The gate's rows of each study that learned what the gate compares."""
    found = {}
    for result in results:
        with contextlib.suppress(MendableError):
            found[result.study.name] = _scores(result, None, tested, data)
    return found


def _incomparable(
    champion: ProductsPredictor, predictor: ProductsPredictor, registered: StudyResult
) -> str:
    """The reason why the champion cannot predict the test products; empty where it can."""
    mine, theirs = predictor.description, champion.description
    if registered.study.split.kind == "cross_validation":
        return "which has learned from all the products that cross-validation tests on"
    if mine.pictures and mine.image_size != theirs.image_size:
        return (
            f"which sees pictures of {theirs.image_size} pixels a side: those of the test products "
            f"are stored with {mine.image_size}"
        )
    if mine.currency != theirs.currency:
        names = [about.currency or "no currency" for about in (theirs, mine)]
        return "whose prices are in {}, where these are in {}".format(*names)
    return ""


def _champion(
    champion: ProductsPredictor, tested: _Tested, head: str
) -> Sequence[str] | Floats | None:
    """The champion's predictions for the same products; ``None`` where it has none."""
    forecast = champion.forecast(tested.records)
    if head == "price":
        return forecast.log_price
    taxonomy: Taxonomy | None = champion.taxonomy
    if forecast.leaf is None or taxonomy is None:
        return None
    return [taxonomy.names[leaf] for leaf in taxonomy.best(np.exp(forecast.leaf))]
