"""Whether texts are read as words alone or as sentences, too; ``auto`` decides on training rows.

A linear model is fitted on some of the folds with TF-IDF words, and with sentence vectors beside
them. The vectors stay where the held-out loss is surely lower: by more than two standard errors of
the difference between rows.
"""

import time
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.backbone_reference import BackboneReference, Precision
from crisol.core.backbones import store
from crisol.core.backbones.cached import text_vectors
from crisol.models.tabular.algorithm import FitContext
from crisol.models.tabular.algorithms.linear import Linear
from crisol.models.tabular.features.encoded_rows import Features, Part
from crisol.models.tabular.features.folds import Folds
from crisol.models.tabular.params import ModelParams, TrainParams
from crisol.models.tabular.schema import Schema
from crisol.models.tabular.settings import LinearSettings

MOST_ROWS, FEWEST_ROWS, MOST_FOLDS = 2000, 100, 3
"""Rows that a trial looks at, at most and at least, and folds."""
TIMED_ROWS = 16
"""Rows whose vectors are computed to learn what all of them cost."""
BUDGET_SHARE = 0.25
"""Largest share of a search's time that the vectors of all training rows may take."""
PRECISION: Precision = "int8"
"""The graph that computes one text at a time: a vector does not depend on the texts beside it."""


@dataclass(frozen=True)
class TextChoice:
    """How texts are read.

    Attributes:
        reference: of the backbone; ``None``: words alone.
        reason: one sentence for the report; empty where nothing was to be decided.
    """

    reference: BackboneReference | None = None
    reason: str = ""


def wanted_reference(model: ModelParams, schema: Schema) -> TextChoice:
    """The backbone that the parameters ask for, where it is on this machine.

    Raises:
        BackboneError: ``text: sentences`` without its weights.
    """
    if model.text == "words" or schema.task == "clustering" or not schema.of_kind("text"):
        return TextChoice()
    try:
        return TextChoice(store.named(model.text_backbone, "text").reference(PRECISION))
    except store.BackboneError as error:
        if model.text == "sentences":
            raise
        return TextChoice(None, f"Texts are read as words, not as sentences: {error}")


def choose(
    reference: BackboneReference,
    part: Part,
    folds: Folds,
    schema: Schema,
    model: ModelParams,
    seed: int,
) -> TextChoice:
    """Decide for ``text: auto`` by out-of-fold losses of a linear model.

    Args:
        reference: of the backbone.
        part: the training rows, read as words.
        folds: their division.
        schema: with the classes of the training rows.
        model: the parameters.
        seed: of the sample of rows.

    Raises:
        BackboneError: the backbone is damaged.
    """
    order = np.random.default_rng((seed, 11)).permutation(len(part))
    row_s = _seconds_of_a_row(part.features.take(order[:TIMED_ROWS]), reference)
    if model.algorithm == "auto" and row_s * len(part) > BUDGET_SHARE * model.auto.time_budget_s:
        return TextChoice(
            None,
            f"Texts are read as words: their sentence vectors would take about "
            f"{row_s * len(part):.0f} s, more than {BUDGET_SHARE:.0%} of model.auto.time_budget_s",
        )
    rows = np.sort(order[:MOST_ROWS])
    if len(rows) < FEWEST_ROWS:
        return TextChoice(None, f"Texts are read as words: {len(rows)} rows are too few to judge")
    words, both = _losses(part, rows, folds, schema, reference, seed)
    gain = words - both
    error = float(gain.std() / np.sqrt(max(len(gain), 1)))
    sure = len(gain) > 0 and float(gain.mean()) > 2 * error
    unit = "squared error" if schema.task == "regression" else "log-loss"
    told = (
        f"{unit} of a linear model on {len(gain):,} held-out training rows: words "
        f"{words.mean():.4g}, with {reference.name} {both.mean():.4g} "
        f"(gain {gain.mean():.3g} ± {2 * error:.2g})"
    )
    if sure:
        return TextChoice(reference, f"Texts are read as words and sentences; {told}")
    return TextChoice(None, f"Texts are read as words, sentences are not surely better; {told}")


def with_vectors(features: Features, reference: BackboneReference) -> Features:
    """The same rows with sentence vectors of their texts."""
    return features.with_sentences(partial(text_vectors, reference))


def _seconds_of_a_row(features: Features, reference: BackboneReference) -> float:
    """Seconds of a row's vectors, without the cache; the encoder is loaded before."""
    from crisol.core.backbones.text_encoder import text_encoder

    encoder = text_encoder(reference)
    began = time.monotonic()
    encoder.encode([text for column in features.texts.T for text in column])
    return (time.monotonic() - began) / max(len(features), 1)


def _losses(
    part: Part,
    rows: NDArray[np.intp],
    folds: Folds,
    schema: Schema,
    reference: BackboneReference,
    seed: int,
) -> tuple[Floats, Floats]:
    """Losses of held-out rows with words, and with sentence vectors beside them."""
    chosen = np.zeros(len(part), bool)
    chosen[rows] = True
    sampled = part.take(rows)
    place = np.cumsum(chosen) - 1
    both = replace(sampled, features=with_vectors(sampled.features, reference))
    context = FitContext(schema.task, schema.classes, seed, 1, TrainParams())
    losses: tuple[list[Floats], list[Floats]] = ([], [])
    for index in range(min(len(folds), MOST_FOLDS)):
        learned, judged = (place[some[chosen[some]]] for some in folds.rows(index))
        if not len(learned) or not len(judged):
            continue
        for kept, read in zip(losses, (sampled, both), strict=True):
            fitted = Linear.fit(LinearSettings(), read.take(learned), None, context).model
            kept.append(_row_losses(read.take(judged), fitted.predict(read.take(judged).features)))
    words, sentences = (np.concatenate(kept) if kept else np.zeros(0) for kept in losses)
    return words, sentences


def _row_losses(part: Part, answers: Floats) -> Floats:
    """Squared errors, or minus the logarithm of the true class's probability, of each row."""
    assert part.target is not None
    if answers.ndim == 1:
        squared: Floats = (answers - part.target) ** 2
        return squared
    there = answers[np.arange(len(answers)), part.target.astype(np.int64)]
    return -np.log(np.clip(there, 1e-15, 1.0))
