"""Draws the figures of a run."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.decomposition import PCA

from crisol.core.classification import confusion_matrix, reliability_bins
from crisol.core.data.pictures import Pixels
from crisol.core.drawing import figures
from crisol.core.drawing.picture_grid import Tile, picture_grid
from crisol.core.drawing.style import COLOURS, MUTED, SEQUENTIAL, canvas, style
from crisol.models.products.data.records import ProductRecord
from crisol.models.products.predictor import ProductsPredictor
from crisol.models.products.report.ablations import BASELINE, ENSEMBLE, WHOLE, WITHOUT
from crisol.models.products.report.results import METRIC, StudyResult

MAP_PRODUCTS = 1500
QUERIES, SHOWN = 5, 6
MISTAKES = 12
BINS = 12


def draw(
    results: Sequence[StudyResult],
    registered: StudyResult,
    predictor: ProductsPredictor,
    tested: Sequence[ProductRecord],
    history: pd.DataFrame,
) -> dict[str, Figure]:
    """Every figure of a run, by its name.

    Args:
        results: of every study.
        registered: the study whose predictor is registered.
        predictor: that predictor.
        tested: the registered study's test products, in the order of its rows.
        history: of the transformers.
    """
    drawn: dict[str, Figure | None] = {"learning_curves": figures.learning_curves(history)}
    for result in results:
        name, table = result.study.name, result.of(ENSEMBLE)
        if "category" in result.heads():
            drawn[f"{name}_confusion"] = confusion(table, name)
            drawn[f"{name}_calibration"] = calibration(result)
        if "price" in result.heads():
            drawn[f"{name}_prices"] = prices(table, result)
        if result.heads():
            drawn[f"{name}_heads"] = heads(result)
    if "category" in registered.heads():
        drawn["mistakes"] = mistakes(registered.of(ENSEMBLE), tested)
    drawn["embedding_map"] = embedding_map(predictor, registered, tested)
    if any(record.image is not None for record in tested):
        drawn["retrieval"] = retrieval(predictor, tested)
    return {name: figure for name, figure in drawn.items() if figure is not None}


def confusion(table: pd.DataFrame, study: str) -> Figure:
    """The confusion matrix of the main categories."""
    known = table[table["true_main"] != ""]
    names = sorted(set(known["true_main"]) | set(known["main"]))
    matrix = confusion_matrix(known["true_main"], known["main"], names)
    return figures.confusion(matrix, names, title=f"Main categories of the test products ({study})")


def calibration(result: StudyResult) -> Figure:
    """The reliability diagram of the predicted categories."""
    bins = {}
    for method in (ENSEMBLE, "transformer"):
        table = result.of(method)
        known = table[table["true_leaf"] != ""]
        right = (known["true_leaf"] == known["leaf"]).to_numpy(np.int64)
        sure = known["confidence"].to_numpy(np.float64)
        bins[method] = reliability_bins(right, np.column_stack([1 - sure, sure]))
    return figures.reliability(
        bins, title=f"Is a category as sure as it says? ({result.study.name})"
    )


def prices(table: pd.DataFrame, result: StudyResult) -> Figure:
    """Estimates against prices, with the line of equality."""
    known = table[table["true_log_price"].notna()]
    truth, predicted = known["true_log_price"], known["log_price"]
    figure = canvas(5.6, 5.0)
    axes = figure.subplots()
    low, high = float(min(truth.min(), predicted.min())), float(max(truth.max(), predicted.max()))
    if len(known) > MAP_PRODUCTS:
        axes.hexbin(truth, predicted, gridsize=45, cmap=SEQUENTIAL, bins="log", mincnt=1)
    else:
        axes.scatter(truth, predicted, s=12, color=COLOURS[0], alpha=0.5, linewidths=0)
    axes.plot([low, high], [low, high], color=MUTED, linestyle="--", linewidth=1)
    ticks = np.arange(np.ceil(low / np.log(10)), high / np.log(10)) * np.log(10)
    names = [f"{np.exp(tick):,.0f}" for tick in ticks]
    axes.set_xticks(ticks, names)
    axes.set_yticks(ticks, names)
    currency = result.currency or "no currency named"
    style(
        axes,
        title=f"Prices and their estimates ({result.study.name})",
        x=f"price ({currency}, logarithmic)",
        y="estimate, made without the price",
    )
    return figure


def heads(result: StudyResult) -> Figure:
    """The score of every method for the first head."""
    head = result.heads()[0]
    values, intervals = {}, {}
    for method, view in result.methods():
        found = result.measured(head, method, view)
        shown = view == WHOLE and not method.startswith(WITHOUT)
        if found is not None and (shown or (method, view) == (ENSEMBLE, "without image")):
            name = "TF-IDF + linear" if method == BASELINE else method
            name = name if view == WHOLE else f"{name}, {view}"
            values[name], intervals[name] = found.value, (found.low, found.high)
    ordered = dict(sorted(values.items(), key=lambda item: item[1]))
    return figures.bars(
        ordered,
        title=f"{head}: who answers how well ({result.study.name})",
        x=METRIC[head],
        intervals=intervals,
        highlight=[ENSEMBLE],
    )


def mistakes(table: pd.DataFrame, tested: Sequence[ProductRecord]) -> Figure | None:
    """The mistakes of highest confidence, with their pictures."""
    numbered = table.assign(place=np.arange(len(table)))
    wrong = numbered[(numbered["true_leaf"] != "") & (numbered["true_leaf"] != numbered["leaf"])]
    surest = wrong.sort_values("confidence", ascending=False).head(MISTAKES)
    if surest.empty:
        return None
    columns = (surest[name].tolist() for name in ("place", "true_leaf", "leaf", "confidence"))
    tiles = [
        Tile(
            _pixels(tested[place]),
            [tested[place].title, f"is {_last(true)}", f"said {_last(leaf)} {confidence:.0%}"],
            "bad",
        )
        for place, true, leaf, confidence in zip(*columns, strict=True)
    ]
    half = (len(tiles) + 1) // 2
    return picture_grid(
        [tiles[:half], tiles[half:]] if len(tiles) > 2 else [tiles], title="The surest mistakes"
    )


def embedding_map(
    predictor: ProductsPredictor, registered: StudyResult, tested: Sequence[ProductRecord]
) -> Figure | None:
    """The embeddings of test products in their first two principal components."""
    if len(tested) < 3:
        return None
    shown = list(tested)[:MAP_PRODUCTS]
    components = PCA(2, svd_solver="full").fit_transform(predictor.embed(shown))
    groups = registered.of(ENSEMBLE)["true_main"].to_numpy()[:MAP_PRODUCTS]
    return figures.scatter(
        components,
        title="Embeddings of the test products",
        groups=[group or "no category" for group in groups],
        subtitle="the two directions in which they differ most (principal components)",
    )


def retrieval(predictor: ProductsPredictor, tested: Sequence[ProductRecord]) -> Figure | None:
    """Pictures found by the titles of some test products; the product's own picture is framed."""
    pictured = [record for record in tested if record.image is not None and record.title]
    if len(pictured) < 2:
        return None
    outputs = predictor.transformer.outputs(pictured)
    rows = []
    for at in np.linspace(0, len(pictured) - 1, min(QUERIES, len(pictured))).astype(int):
        best = np.argsort(-(outputs.image @ outputs.text[at]), kind="stable")[:SHOWN]
        query = Tile(None, [], text=pictured[at].title)
        rows.append([query, *(_found(pictured[other], other == at) for other in best)])
    return picture_grid(
        rows,
        title="Pictures found by a title",
        subtitle="left: the title; green: the picture that belongs to it",
    )


def _found(record: ProductRecord, own: bool) -> Tile:
    return Tile(_pixels(record), [record.title], "good" if own else "")


def _pixels(record: ProductRecord) -> Pixels | None:
    return None if record.image is None else record.image.pixels


def _last(name: str) -> str:
    return name.rpartition(" > ")[2]
