"""The importance of columns for a model's answers.

Permutation importance (Breiman 2001; Fisher, Rudin and Dominici, arXiv:1801.01489): how much worse
the answers to held-out rows become when one column's cells are dealt out anew. SHAP values
(arXiv:1705.07874, TreeSHAP arXiv:1802.03888) where a member computes them itself.

Legend: N rows, F features.
"""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.models.tabular.features.encoded_rows import Features, Part

if TYPE_CHECKING:
    from crisol.models.tabular.ensemble import Ensemble

REPEATS = 3
MOST_ROWS = 2000
FEWEST_ROWS = 125
SECONDS = 10.0
"""Time limit of permutation importance, estimated from the measured time of one row."""
SHAP_ROWS = 300

Answer = Callable[[Features], Floats]
Loss = Callable[[NDArray[np.generic], Floats], float]


@dataclass(frozen=True)
class Permuted:
    """The increase of the loss when each column is permuted.

    Attributes:
        how: how many held-out rows were looked at, and by what of the model.
        increase: column to mean increase of the loss, largest first.
        spread: column to the standard deviation over the repeats.
    """

    how: str
    increase: dict[str, float]
    spread: dict[str, float]


@dataclass(frozen=True)
class Shap:
    """SHAP values of one member.

    Attributes:
        member: its name.
        weight: its share in the ensemble.
        values: [N, F], of several classes those of the predicted class of each row.
        names: F.
        features: the N rows.
    """

    member: str
    weight: float
    values: Floats
    names: tuple[str, ...]
    features: Features

    @property
    def strength(self) -> dict[str, float]:
        """Mean absolute value of each feature."""
        means = np.abs(self.values).mean(axis=0)
        return {name: float(mean) for name, mean in zip(self.names, means, strict=True)}


def affordable_rows(rows: int, columns: int, row_seconds: float) -> int:
    """The rows that :data:`SECONDS` allow: :data:`MOST_ROWS`, halved until the estimate fits.

    Halving keeps the number, and with it the result, the same on machines of like speed.

    >>> affordable_rows(16281, 14, 0.0005)
    250
    """
    chosen = MOST_ROWS
    while chosen > FEWEST_ROWS and chosen * columns * REPEATS * row_seconds > SECONDS:
        chosen //= 2
    return min(rows, chosen)


def permute_ensemble(
    ensemble: "Ensemble",
    part: Part,
    columns: Mapping[str, tuple[str, ...]],
    loss: Loss,
    *,
    row_seconds: float,
) -> Permuted:
    """Permutation importance, by one fold model of each member where the whole is too slow.

    Args:
        ensemble: the model.
        part: held-out rows.
        columns: each column's features.
        loss: of answers; more is worse.
        row_seconds: seconds of the ensemble for one row.
    """
    many = min(len(part), MOST_ROWS)
    models = sum(len(member.models) for member in ensemble.members)
    if affordable_rows(many, len(columns), row_seconds) == many or models == len(ensemble.members):
        return permute(ensemble.predict, part, columns, loss, row_seconds=row_seconds)
    thin = type(ensemble)(
        ensemble.task,
        [replace(member, models=member.models[:1]) for member in ensemble.members],
        ensemble.stack,
    )
    seconds = row_seconds * len(ensemble.members) / models
    found = permute(thin.predict, part, columns, loss, row_seconds=seconds)
    return replace(found, how=f"{found.how}, one fold model of each member")


def permute(
    answer: Answer,
    part: Part,
    columns: Mapping[str, tuple[str, ...]],
    loss: Loss,
    *,
    row_seconds: float,
    seed: int = 0,
) -> Permuted:
    """Permutation importance of each column on held-out rows.

    Args:
        answer: of the model.
        part: held-out rows.
        columns: each column's features, which are dealt out together.
        loss: of answers; more is worse.
        row_seconds: seconds of the model for one row.
        seed: of the sample and the dealing.
    """
    random = np.random.default_rng(seed)
    count = affordable_rows(len(part), len(columns), row_seconds)
    part = part.take(np.sort(random.choice(len(part), count, replace=False)))
    assert part.target is not None  # clustering has other ways
    target = part.target
    base = loss(target, answer(part.features))
    orders = {column: [random.permutation(count) for _ in range(REPEATS)] for column in columns}

    def losses(column: str) -> Floats:
        dealt = (dealt_anew(part.features, columns[column], order) for order in orders[column])
        return np.array([loss(target, answer(features)) for features in dealt])

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found = dict(zip(columns, threads.map(losses, columns), strict=True))
    order = sorted(columns, key=lambda column: -found[column].mean())
    return Permuted(
        f"{count:,} held-out rows",
        {column: float(found[column].mean() - base) for column in order},
        {column: float(found[column].std()) for column in order},
    )


def dealt_anew(features: Features, names: tuple[str, ...], order: NDArray[np.intp]) -> Features:
    """The rows with some features taken from other rows."""
    numbers, codes, texts = features.numbers.copy(), features.codes.copy(), features.texts.copy()
    for block, known in (
        (numbers, features.number_names),
        (codes, features.code_names),
        (texts, features.text_names),
    ):
        places = np.flatnonzero([name in names for name in known])
        block[:, places] = block[np.ix_(order, places)]
    tabular = {*features.number_names, *features.code_names, *features.text_names}
    images = features.images
    if images is not None and not set(names) <= tabular:  # the picture column has no other name
        images = images[order]
    vectors = features.vectors
    if vectors is not None:
        vectors = vectors.copy()
        places = np.flatnonzero([name in names for name in features.vector_owners])
        vectors[:, places] = vectors[np.ix_(order, places)]
    return replace(
        features, numbers=numbers, codes=codes, texts=texts, images=images, vectors=vectors
    )


def shap_of(ensemble: "Ensemble", features: Features, *, seed: int = 0) -> Shap | None:
    """SHAP values of the heaviest member that knows its own; ``None`` where none does."""
    random = np.random.default_rng(seed)
    count = min(SHAP_ROWS, len(features))
    sample = features.take(np.sort(random.choice(len(features), count, replace=False)))
    for member in sorted(ensemble.members, key=lambda m: -m.weight):
        model = member.models[0]
        found = model.shap(sample)
        if found is None:
            continue
        values, names = found
        if values.ndim == 3:
            predicted = model.predict(sample).argmax(axis=1)
            values = values[np.arange(count), :, predicted]
        return Shap(member.name, member.weight, values, names, sample)
    return None


def agreement(permuted: Permuted, shap: Shap, columns: Mapping[str, tuple[str, ...]]) -> float:
    """Spearman's rank correlation of the two, over the columns; NaN with fewer than three."""
    from scipy.stats import spearmanr

    strength = shap.strength
    if len(columns) < 3:
        return float("nan")
    by_column = [sum(strength.get(name, 0.0) for name in columns[c]) for c in permuted.increase]
    return float(spearmanr(list(permuted.increase.values()), by_column).statistic)
