"""Small tables, texts and pictures whose answer no linear model finds."""

import numpy as np

from crisol.models.tabular.algorithm import FitContext
from crisol.models.tabular.features.encoded_rows import Features, Part
from crisol.models.tabular.params import TrainParams


def features(numbers=None, codes=None, cardinalities=(), texts=None, images=None):
    """Features of what there is."""
    rows = next(len(b) for b in (numbers, codes, texts, images) if b is not None)
    numbers = np.zeros((rows, 0)) if numbers is None else numbers
    codes = np.zeros((rows, 0), np.int32) if codes is None else codes
    texts = np.empty((rows, 0), object) if texts is None else texts
    return Features(
        numbers,
        codes,
        texts,
        images,
        tuple(f"number_{i}" for i in range(numbers.shape[1])),
        tuple(f"code_{i}" for i in range(codes.shape[1])),
        cardinalities,
        tuple(f"text_{i}" for i in range(texts.shape[1])),
    )


def table(rows, seed=0, *, classes=2, turned=True):
    """Two numbers whose signs make a chequerboard; some numbers are missing.

    If ``turned``, it is another one where a category has a certain word. With ``classes`` of 3 a
    third class lies far out; with 0 the target is a number around 3e5.
    """
    draw = np.random.default_rng(seed)
    numbers = draw.normal(size=(rows, 3)) * [1, 100, 1] + [0, 500, 0]
    codes = draw.integers(2, 5, size=(rows, 2)).astype(np.int32)
    checked = (numbers[:, 0] > 0) ^ (numbers[:, 1] > 500) ^ ((codes[:, 0] == 3) & turned)
    target = checked.astype(np.int64)
    if classes == 3:
        target[np.abs(numbers[:, 2]) > 1] = 2
    if classes == 0:
        target = 300_000 + 50_000 * target + 20_000 * np.sin(numbers[:, 2])
    numbers[draw.random(rows) < 0.1, 2] = np.nan
    return Part(features(numbers, codes, (6, 6)), target)


def context(classes=("no", "yes"), *, task="classification", seed=0, **more):
    """Circumstances of a fit on one thread; ``train``: parameters of the loop."""
    train = TrainParams(**{"device": "cpu", **more.pop("train", {})})
    return FitContext(task, classes, seed, 1, train, **more)


def accuracy(model, part):
    """Share of the rows whose likeliest class is right."""
    return float((model.predict(part.features).argmax(1) == part.target).mean())
