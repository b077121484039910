"""The drivers of a category: the effects of each part of a product and of its strongest words.

Occlusion (arXiv:1311.2901, there of pixels): the effect of a part is the log-probability that the
category loses without it. The words are proposed by the linear member, whose contributions are
exact; their effects are measured like those of the parts, on the whole ensemble, so that all
effects have the same scale. A deletion test (:func:`deletion_test`) measures whether the proposed
words matter more than other words.

Legend: V variants of a record, C leaves.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from crisol.core.arrays import Floats
from crisol.core.deletion import Deletion, deletion_figures
from crisol.models.products.answers.facts import has
from crisol.models.products.contract import Driver
from crisol.models.products.data.records import PARTS, ProductRecord
from crisol.models.products.member import Forecast

Forecaster = Callable[[Sequence[ProductRecord]], Forecast]
"""Predicts records; only ``leaf`` of the forecast is used."""
WordEffects = Sequence[tuple[str, float]]
"""Words or runs of words, and their contributions to the log-odds of a leaf."""

MOST_WORDS = 3
"""Most words whose effect is measured, those of largest absolute contribution."""
DRAWS = 3
"""Random deletions with which the deletion of the named words is compared."""

_WORD = re.compile(r"[^\W_]+")


def variants(
    record: ProductRecord, words: WordEffects, most_words: int = MOST_WORDS
) -> dict[str, ProductRecord]:
    """The record without each of its parts, and without each of its strongest words.

    The given category is not removed, because no leaf uses it.

    Returns:
        The variants, by the name of their driver.
    """
    parts = [part for part in PARTS if part != "category" and has(record, part)]
    without: dict[str, ProductRecord] = {part: record.without(part) for part in parts}
    strongest = sorted(words, key=lambda word: -abs(word[1]))
    for word, _ in strongest:
        changed = without_words(record, [word])
        if changed != record and len(without) < len(parts) + most_words:
            without[f"word: {word}"] = changed
    return without


def drivers(
    record: ProductRecord,
    leaf: int,
    forecast: Forecaster,
    words: WordEffects = (),
    most_words: int = MOST_WORDS,
) -> tuple[Driver, ...]:
    """The drivers of a leaf.

    Args:
        record: the product.
        leaf: the predicted category.
        forecast: the model; it is called once, for all variants.
        words: the contributions of the record's words to this leaf in the linear member.
        most_words: the most words that are measured.

    Returns:
        The drivers, strongest first, without effects of exactly 0.
    """
    without = variants(record, words, most_words)
    leaves_VC = _leaves(forecast([record, *without.values()]))
    effects = leaves_VC[0, leaf] - leaves_VC[1:, leaf]
    found = [
        Driver(part=name, effect=float(effect))
        for name, effect in zip(without, effects, strict=True)
        if effect != 0
    ]
    return tuple(sorted(found, key=lambda driver: -abs(driver.effect)))


def without_words(record: ProductRecord, words: Sequence[str]) -> ProductRecord:
    """The record without some words in all of its texts; case is ignored.

    >>> without_words(ProductRecord("Red bag, red strap", brand="Redstone"), ["red"]).title
    'bag, strap'
    """
    if not words:
        return record
    longest_first = sorted(words, key=len, reverse=True)
    runs = (r"[\W_]+".join(map(re.escape, word.split())) for word in longest_first)
    pattern = re.compile(rf"(?<![^\W_])(?:{'|'.join(runs)})(?![^\W_])", re.IGNORECASE)

    def cut(text: str) -> str:
        return " ".join(pattern.sub(" ", text).split()) if pattern.search(text) else text

    return replace(
        record,
        title=cut(record.title),
        description=cut(record.description),
        brand=cut(record.brand),
        attributes={name: cut(value) for name, value in record.attributes.items()},
    )


def deletions(
    records: Sequence[ProductRecord],
    leaves: Sequence[int],
    forecast: Forecaster,
    words: Callable[[ProductRecord, int], WordEffects],
    count: int = 3,
    seed: int = 0,
) -> list[Deletion]:
    """Delete the words with the largest weight for each product's category, and others at random.

    Args:
        records: products.
        leaves: the category that is explained, of each.
        forecast: the model; asked once, for everything.
        words: the linear member's contributions of a record's words to a leaf.
        count: words that are deleted.
        seed: of the random deletions.

    Returns:
        One deletion for each product with ``count`` such words and as many others.
    """
    rng = np.random.default_rng(seed)
    asked: list[ProductRecord] = []
    asked_leaves: list[int] = []
    for record, leaf in zip(records, leaves, strict=True):
        present = sorted(set(_WORD.findall(_text(record).lower())))
        weights = dict(words(record, leaf))
        positive = [word for word in present if weights.get(word, 0.0) > 0]
        named = sorted(positive, key=lambda word: -weights[word])[:count]
        others = [word for word in present if word not in named]
        if len(named) < count or len(others) < count:
            continue
        draws = [rng.choice(others, count, replace=False).tolist() for _ in range(DRAWS)]
        asked += [record, *(without_words(record, deleted) for deleted in (named, *draws))]
        asked_leaves += [leaf] * (DRAWS + 2)
    if not asked:
        return []
    values = _leaves(forecast(asked))[np.arange(len(asked)), asked_leaves]
    falls = values.reshape(-1, DRAWS + 2)[:, :1] - values.reshape(-1, DRAWS + 2)[:, 1:]
    return [Deletion.from_falls(product, one) for product, one in enumerate(falls)]


def deletion_test(
    records: Sequence[ProductRecord],
    leaves: Sequence[int],
    forecast: Forecaster,
    words: Callable[[ProductRecord, int], WordEffects],
    count: int = 3,
    seed: int = 0,
) -> dict[str, float] | None:
    """The deletion test in figures; nothing where no product has enough words.

    Args: as of :func:`deletions`.

    Returns:
        See :func:`crisol.core.deletion.deletion_figures`; falls are of log-probability.
    """
    return deletion_figures(deletions(records, leaves, forecast, words, count, seed))


def _text(record: ProductRecord) -> str:
    return f"{record.title}\n{record.description}"


def _leaves(forecast: Forecast) -> Floats:
    """[V, C] the log-probabilities of a forecast."""
    if forecast.leaf is None:
        raise ValueError("drivers of a category: the model answers none")
    return forecast.leaf
