"""Fits what the parameters name, from the prepared tables to a predictor.

1. The encoder is fitted on the training rows; the test rows are not looked at.
2. The training rows are divided into folds.
3. One algorithm is fitted on them, or AutoML searches (:mod:`crisol.models.tabular.auto`).
4. The predictor answers a few training rows as its golden examples.
"""

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.errors import MendableError
from crisol.models.tabular.algorithm import algorithm
from crisol.models.tabular.auto.automl import (
    Problem,
    SearchResult,
    clear,
    fingerprint,
    fit_one,
    search,
    training_folder,
)
from crisol.models.tabular.auto.search.portfolio import BY_TASK
from crisol.models.tabular.auto.text_choice import choose, wanted_reference, with_vectors
from crisol.models.tabular.data.source_table import ROW
from crisol.models.tabular.data.tables import schema_of, select
from crisol.models.tabular.features.encoder import Encoder
from crisol.models.tabular.features.folds import Folds, divide
from crisol.models.tabular.params import DataParams, ModelParams, TrainParams
from crisol.models.tabular.predictor import BACKGROUND_ROWS, TabularPredictor, encode_rows
from crisol.models.tabular.schema import Schema

logger = logging.getLogger(__name__)

GOLDEN_ROWS = 4
LATENCY_ROWS = 20
SMALL_ROWS = 1000
"""Training parts below it are divided into folds twice: one division is a matter of luck."""
MANY_ROWS, HUGE_ROWS = 200_000, 1_000_000
"""Training parts above them get three folds, and one: folds are for judging, and few do then."""


@dataclass(frozen=True)
class Fitted:
    """The results of a training.

    Attributes:
        predictor: with golden examples.
        history: curves of the fits in the ensemble: label, epoch, train_loss, ….
        leaderboard: what was tried, see :data:`crisol.models.tabular.auto.leaderboard.COLUMNS`.
        forecasts: out-of-fold answers to the training rows that were held out: ``row``, ``truth``,
            ``answer`` (class, number or cluster) and for classes ``p_0`` … by class.
        workers: the work of each worker of a search.
    """

    predictor: TabularPredictor
    history: pd.DataFrame
    leaderboard: pd.DataFrame
    forecasts: pd.DataFrame
    workers: pd.DataFrame


def fit(
    rows: pd.DataFrame,
    images: pd.DataFrame,
    parts: pd.DataFrame,
    schema_table: pd.DataFrame,
    data: DataParams,
    model: ModelParams,
    train: TrainParams,
    checkpoints: Path,
) -> Fitted:
    """Fit on the training part.

    Args:
        rows: the prepared rows.
        images: their pictures.
        parts: which row is in which part.
        schema_table: what the columns are.
        data: how they were read.
        model: what is to learn.
        train: of networks.
        checkpoints: folder from which an interrupted training goes on; emptied at the end.

    Raises:
        MendableError: the algorithm does not suit the task, or nothing could be learned.
        BackboneError: ``text: sentences`` without the weights.
    """
    started = time.monotonic()
    schema = schema_of(schema_table)
    check_algorithm(model, schema)
    text = wanted_reference(model, schema)
    chosen = select(rows, parts, "train")
    encoder = Encoder.fit(chosen, schema, data.image_size, data.read.no_value)
    part = encoder.part(chosen, images)
    folds = fold_rows(chosen, schema, model, train.seed, part.target)
    if text.reference is not None and model.text == "auto":
        text = choose(text.reference, part, folds, encoder.schema, model, train.seed)
    if text.reference is not None:
        encoder = encoder.with_sentences(text.reference)
        part = replace(part, features=with_vectors(part.features, text.reference))
    if text.reason:
        logger.info("%s", text.reason)
        encoder.schema = encoder.schema.model_copy(update={"decisions": (text.reason,)})
    problem = Problem(schema.task, encoder.schema.classes, part, folds, train.seed)
    folder = training_folder(Path(checkpoints), fingerprint(problem, model, train))
    if model.algorithm == "auto":
        if model.auto.latency_limit_ms is not None:
            problem = replace(problem, encoding_ms=encoding_p95_ms(encoder, chosen, images))
        found = search(problem, model.auto, train, folder, started)
    else:
        found = fit_one(problem, model.algorithm, model.settings, train, folder)
    picked = np.sort(
        np.random.default_rng((train.seed, 5)).permutation(len(chosen))[:BACKGROUND_ROWS]
    )
    predictor = TabularPredictor(
        encoder, found.chosen.ensemble, part.features.take(picked), dataset=data.title
    )
    _record_golden(predictor, chosen.iloc[picked[:GOLDEN_ROWS]], images)
    clear(Path(checkpoints))
    forecasts = _forecasts(chosen, schema, encoder, found)
    return Fitted(predictor, found.history, found.leaderboard, forecasts, found.workers)


def encoding_p95_ms(encoder: Encoder, rows: pd.DataFrame, images: pd.DataFrame) -> float:
    """95th percentile of the milliseconds that turn one row, as it is sent, into features."""
    sent = encoder.requests(rows.head(LATENCY_ROWS).reset_index(drop=True), images)
    taken = []
    for at in range(2 * LATENCY_ROWS):
        began = time.perf_counter()
        encode_rows(encoder, [sent[at % len(sent)]])
        taken.append(1000 * (time.perf_counter() - began))
    return float(np.percentile(taken[LATENCY_ROWS:], 95))


def _record_golden(predictor: TabularPredictor, rows: pd.DataFrame, images: pd.DataFrame) -> None:
    """Several rows at once, each alone, and one with its explanation."""
    sent = predictor.encoder.requests(rows.reset_index(drop=True), images)
    asked: list[dict[str, object]] = [
        {"rows": sent},
        {"rows": sent[:1]},
        {"rows": sent[1:2]},
    ]
    if predictor.schema.task != "clustering":
        asked.append({"rows": sent[:1], "explain": True})
    predictor.record_golden([predictor.request_type.model_validate(each) for each in asked])


def check_algorithm(model: ModelParams, schema: Schema) -> None:
    """Say before training that an algorithm is of another task.

    Raises:
        MendableError: names the algorithms that suit.
    """
    asked = model.auto.algorithms if model.algorithm == "auto" else (model.algorithm,)
    field = "model.auto.algorithms" if model.algorithm == "auto" else "model.algorithm"
    for name in asked:
        if schema.task not in algorithm(name).tasks:
            able = ", ".join(dict.fromkeys(name for name, _ in BY_TASK[schema.task]))
            raise MendableError(
                f"{field}: {name!r} does not do {schema.task}; those that do: {able}"
            )


def fold_rows(
    rows: pd.DataFrame,
    schema: Schema,
    model: ModelParams,
    seed: int,
    target: NDArray[np.int64] | Floats | None,
) -> Folds:
    """Divide the training rows as the split divided all rows: by group, by time or at random."""
    auto = model.algorithm == "auto"
    folds = model.auto.folds if auto else model.folds
    if auto and len(rows) > MANY_ROWS:
        folds = 1 if len(rows) > HUGE_ROWS else min(folds, 3)
    groups, times = schema.named("group"), schema.named("time")
    made = divide(
        target,
        len(rows),
        folds,
        seed,
        groups=pd.factorize(rows[groups[0]], use_na_sentinel=False)[0] if groups else None,
        order=_ranks(rows[times[0]]) if times else None,
        repeats=2 if auto and len(rows) < SMALL_ROWS else 1,
    )
    if groups and schema.classes and target is not None:
        _check_classes(made, rows, groups[0], schema, target)
    return made


def _check_classes(
    folds: Folds,
    rows: pd.DataFrame,
    group: str,
    schema: Schema,
    codes: NDArray[np.int64] | Floats,
) -> None:
    """Say before training that a fold of whole groups leaves one class to be learned.

    Raises:
        MendableError: names the column of the groups, and a class that has one group alone.
    """
    for index in range(len(folds)):
        learned, held_out = folds.rows(index)
        if (codes[learned] != codes[learned[0]]).any():
            continue
        words = rows[schema.named("target")[0]].to_numpy(object)
        lost = sorted(set(words[held_out]) - set(words[learned]))
        where = rows.loc[words == lost[0], group].nunique(dropna=False) if lost else 0
        said = f"; all rows of {lost[0]!r} are in one group" if where == 1 else ""
        raise MendableError(
            f"data.group: with the groups of {group!r} of one fold held out, the training rows "
            f"are all of class {words[learned][0]!r}{said}; group by another column, or leave "
            "data.group out"
        )


def _ranks(times: "pd.Series[Any]") -> NDArray[np.int64]:
    """Places in time; rows without one come first."""
    return times.rank(method="first").fillna(0).to_numpy(np.float64).astype(np.int64)


def _forecasts(
    rows: pd.DataFrame, schema: Schema, encoder: Encoder, found: SearchResult
) -> pd.DataFrame:
    """See :attr:`Fitted.forecasts`."""
    answers = found.chosen.answers
    known = np.isfinite(answers).reshape(len(answers), -1).all(axis=1)
    table = pd.DataFrame({"row": rows[ROW].to_numpy()[known]})
    target = schema.target
    if target is not None:
        table["truth"] = rows[target.name].to_numpy()[known]
    classes = np.array(encoder.schema.classes, dtype=object)
    if answers.ndim == 2:
        table["answer"] = classes[answers[known].argmax(axis=1)]
        for code in range(answers.shape[1]):
            table[f"p_{code}"] = answers[known, code]
    else:
        table["answer"] = answers[known]
    return table
