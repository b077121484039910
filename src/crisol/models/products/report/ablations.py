"""The predictions of every method for test products, whole and with parts removed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crisol.models.products.answers.facts import has
from crisol.models.products.data.records import Part, ProductRecord
from crisol.models.products.data.taxonomy import Taxonomy
from crisol.models.products.member import Forecast, Member
from crisol.models.products.methods.blend import Blend
from crisol.models.products.predictor import ProductsPredictor

ENSEMBLE, BASELINE = "ensemble", "baseline"
WITHOUT = "ensemble without "
WITHOUT_BACKBONE = "without backbone"
WHOLE = "whole"
ABLATIONS: Mapping[str, tuple[Part, ...]] = {
    "without image": ("image",),
    "without category": ("category",),
    "without price": ("price",),
    "title alone": ("description", "image", "brand", "attributes", "price", "category"),
}
"""The parts removed in each view; :data:`WHOLE` removes none."""


@dataclass(frozen=True)
class Ensemble:
    """Some members of an ensemble, and the blend of all."""

    members: Mapping[str, Member]
    blend: Blend


def relevant(records: Sequence[ProductRecord]) -> dict[str, tuple[Part, ...]]:
    """The views that remove a part which at least one of the records has."""
    return {
        view: parts
        for view, parts in ABLATIONS.items()
        if any(has(record, part) for record in records for part in parts)
    }


def forecast_table(
    predictor: ProductsPredictor,
    baseline: Member,
    records: Sequence[ProductRecord],
    ablations: Mapping[str, tuple[Part, ...]],
    without_backbone: Ensemble | None = None,
) -> pd.DataFrame:
    """The predictions: one row per method, view and record.

    Args:
        predictor: the ensemble and its members.
        baseline: predicts the whole records only.
        records: test products.
        ablations: those of :func:`relevant`, the same for every fold of a study, because the
            figures of different views are compared on the same products.
        without_backbone: the members that were fitted again without backbones, and the blend of
            them and the others; they predict the whole records.

    Returns:
        ``method, view, row`` (position among the records), ``leaf, main`` (names; empty where
        a method predicts none), ``confidence, main_confidence, log_price, low, high`` (logarithms;
        the last two for the ensemble only), ``rating``; NaN where a method predicts none.
    """
    tables = [_table(predictor, BASELINE, WHOLE, baseline.forecast(records))]
    for view, parts in {WHOLE: (), **ablations}.items():
        reduced = [record.without(*parts) for record in records]
        predicted = predictor.forecasts(reduced)
        methods = {ENSEMBLE: predictor.blend.combine(predicted), **predicted}
        if view == WHOLE and len(predicted) > 1:
            methods |= {
                WITHOUT + name: predictor.blend.without(name).combine(
                    {other: forecast for other, forecast in predicted.items() if other != name}
                )
                for name in predicted
            }
        if view == WHOLE and without_backbone is not None:
            methods |= _plain_methods(without_backbone, predicted, records)
        tables += [_table(predictor, name, view, given) for name, given in methods.items()]
    return pd.concat(tables, ignore_index=True)


def _plain_methods(
    plain: Ensemble, predicted: Mapping[str, Forecast], records: Sequence[ProductRecord]
) -> dict[str, Forecast]:
    """The forecasts without backbones: of each member that has one, and of the ensemble."""
    mine = {name: member.forecast(records) for name, member in plain.members.items()}
    return {
        **{f"{name} {WITHOUT_BACKBONE}": forecast for name, forecast in mine.items()},
        f"{ENSEMBLE} {WITHOUT_BACKBONE}": plain.blend.combine({**predicted, **mine}),
    }


def _table(
    predictor: ProductsPredictor, method: str, view: str, forecast: Forecast
) -> pd.DataFrame:
    columns = _category(predictor.taxonomy, forecast)
    if forecast.log_price is not None:
        columns["log_price"] = forecast.log_price
        if method == ENSEMBLE and predictor.intervals is not None:
            columns["low"], columns["high"] = predictor.intervals.bounds(forecast.log_price)
    if forecast.rating is not None:
        columns["rating"] = forecast.rating
    size = max((len(values) for values in columns.values()), default=0)
    table = pd.DataFrame({"method": method, "view": view, "row": np.arange(size), **columns})
    for name in ("leaf", "main"):
        if name not in table:
            table[name] = ""
    for name in ("confidence", "main_confidence", "log_price", "low", "high", "rating"):
        if name not in table:
            table[name] = np.nan
    return table


def _category(taxonomy: Taxonomy | None, forecast: Forecast) -> dict[str, NDArray[Any]]:
    if taxonomy is None or forecast.leaf is None:
        return {}
    leaves = np.exp(forecast.leaf.astype(np.float64))
    mains = taxonomy.main_probabilities(leaves)
    best = taxonomy.best(leaves)
    return {
        "leaf": np.array(taxonomy.names, object)[best],
        "main": np.array(taxonomy.mains, object)[taxonomy.main_of[best]],
        "confidence": leaves[np.arange(len(best)), best],
        "main_confidence": mains.max(axis=1),
    }
