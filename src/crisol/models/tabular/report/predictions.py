"""Predictions of the model, its members, the baselines and the champion for the held-out rows.

Legend: N held-out rows, K classes.
"""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crisol.core.arrays import Floats
from crisol.models.tabular.features.encoded_rows import Features, Part
from crisol.models.tabular.report import baselines

if TYPE_CHECKING:
    import pandas as pd

    from crisol.models.tabular.algorithms.linear import Linear
    from crisol.models.tabular.ensemble import Ensemble
    from crisol.models.tabular.features.encoder import Encoder
    from crisol.models.tabular.predictor import TabularPredictor

CHUNK = 10_000
"""Rows that are answered at once, at most."""
MOST_MEMBERS = 12
"""Members that are reported at most, the heaviest first."""
WORDS = 12
"""Words of each class that are reported."""


@dataclass(frozen=True)
class HeldOutPredictions:
    """Probabilities [N, K] or numbers [N] of everything that is compared.

    Attributes:
        candidate: of the whole model.
        members: of its members by name, the heaviest first, where it has several.
        guessing: without a look at the row.
        linear: of a linear model; ``None`` where there is none.
        words: class to its words with the largest weights in the linear model of texts.
        champion: of the promoted model; ``None`` where there is none or it answers other questions.
        champion_incomparable: the reason why the champion does not answer; empty if it does.
        row_seconds: seconds of the whole model for one row in a batch.
    """

    candidate: Floats
    members: dict[str, Floats]
    guessing: Floats
    linear: Floats | None
    words: dict[str, str]
    champion: Floats | None
    champion_incomparable: str
    row_seconds: float


def predict_all(
    predictor: "TabularPredictor",
    champion: "TabularPredictor | None",
    train: Part,
    test: Part,
    rows: "pd.DataFrame",
    images: "pd.DataFrame",
) -> HeldOutPredictions:
    """Predict the held-out rows with every model that is compared.

    Args:
        predictor: the candidate.
        champion: the promoted model, if there is one.
        train: the rows that the baselines learn from.
        test: the held-out rows, encoded by the candidate.
        rows: the same rows, typed.
        images: the pictures.
    """
    schema = predictor.encoder.schema
    began = time.perf_counter()
    candidate, members = _of_ensemble(predictor.ensemble, test.features)
    seconds = (time.perf_counter() - began) / max(len(test), 1)
    linear = baselines.fit_linear(train, schema.task, schema.classes)
    incomparable = "" if champion is None else why_incomparable(champion.encoder, predictor.encoder)
    predicted = None
    if champion is not None and not incomparable:
        features = champion.encoder.transform(rows, images if len(images) else None)
        predicted = in_chunks(champion.ensemble.predict, features)
        predicted = _in_order(predicted, champion.encoder.schema.classes, schema.classes)
    return HeldOutPredictions(
        candidate,
        members,
        baselines.guess(train, schema.classes, len(test)),
        None if linear is None else linear.predict(test.features),
        {} if linear is None or schema.task != "text" else _words(linear, schema.classes),
        predicted,
        incomparable,
        seconds,
    )


def _words(linear: "Linear", classes: tuple[str, ...]) -> dict[str, str]:
    told = zip(classes, linear.words(WORDS), strict=True)
    return {name: ", ".join(word for word, _ in words) for name, words in told}


def why_incomparable(theirs: "Encoder", ours: "Encoder") -> str:
    """The reason why the champion cannot answer the candidate's rows; empty if it can."""
    champion, candidate = theirs.schema, ours.schema
    if champion.task != candidate.task:
        return f"its task is {champion.task}"
    own, other = champion.target, candidate.target
    if own is not None and other is not None and own.name != other.name:
        return f"its target is {own.name!r}"
    if champion.classes and not set(champion.classes) & set(candidate.classes):
        return "it knows none of the classes"
    kinds = {column.name: column.kind for column in candidate.columns if column.role != "ignore"}
    for column in champion.features:
        if column.name not in kinds:
            return f"it needs the column {column.name!r}"
        if kinds[column.name] != column.kind:
            return f"its column {column.name!r} is of kind {column.kind}"
    if champion.of_kind("image") and theirs.image_size != ours.image_size:
        return f"its pictures are of {theirs.image_size} pixels"
    return ""


def _of_ensemble(ensemble: "Ensemble", features: Features) -> tuple[Floats, dict[str, Floats]]:
    """Predictions of the ensemble and of each member; each member predicts once."""
    if len(ensemble.members) == 1:
        return in_chunks(ensemble.predict, features), {}
    predicted = np.stack([in_chunks(member.predict, features) for member in ensemble.members])
    order = sorted(range(len(predicted)), key=lambda place: -ensemble.members[place].weight)
    names = {ensemble.members[place].name: predicted[place] for place in order[:MOST_MEMBERS]}
    return ensemble.combine(predicted), names


def in_chunks(answer: Callable[[Features], Floats], features: Features) -> Floats:
    """Answer many rows on all cores; a model answers on one thread."""
    cores = os.cpu_count() or 1
    size = max(1, min(CHUNK, -(-len(features) // cores)))
    chunks = [features.take(slice(at, at + size)) for at in range(0, len(features), size)]
    with ThreadPoolExecutor(cores) as threads:
        return np.concatenate(list(threads.map(answer, chunks)))


def _in_order(predicted: Floats, own: tuple[str, ...], wanted: tuple[str, ...]) -> Floats:
    """Probabilities in the order of the wanted classes; 0 for those that it does not know."""
    if own == wanted:
        return predicted
    answer = np.zeros((len(predicted), len(wanted)))
    for place, name in enumerate(wanted):
        if name in own:
            answer[:, place] = predicted[:, own.index(name)]
    total = answer.sum(axis=1, keepdims=True)
    even = np.full_like(answer, 1 / len(wanted))
    shares: Floats = np.divide(answer, total, out=even, where=total > 0)
    return shares
