"""Small made-up tables with known structure, as algorithms see them."""

from dataclasses import replace

import numpy as np

from crisol.models.tabular.algorithm import FitContext
from crisol.models.tabular.features.encoded_rows import MISSING, Features, Part
from crisol.models.tabular.params import TrainParams

WORDS = np.array(["red", "green", "blue", "very", "large", "small", "broken", "new"])


def features(rows: int, seed: int = 0, *, texts: bool = True, missing: bool = True) -> Features:
    """Four numbers (one constant, one all missing), two categories, one text."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, 4)) * [1, 50, 0, 1] + [0, 1000, 7, 0]
    numbers[:, 3] = np.nan
    if missing:
        numbers[rng.random(rows) < 0.15, 0] = np.nan
    codes = np.column_stack([rng.integers(0, 6, rows), rng.integers(0, 40, rows)])
    said = [" ".join(rng.choice(WORDS, 4)) for _ in range(rows)]
    return Features(
        numbers,
        codes.astype(np.int32),
        np.array(said, dtype=object).reshape(-1, 1) if texts else np.empty((rows, 0), object),
        None,
        ("age", "price", "constant", "empty"),
        ("colour", "town"),
        (6, 40),
        ("note",) if texts else (),
    )


def score(table: Features) -> np.ndarray:
    """What the targets are made of: a number, a category, and a step at a missing cell."""
    age = np.where(np.isnan(table.numbers[:, 0]), 1.5, table.numbers[:, 0])
    colour = np.where(table.codes[:, 0] == MISSING, 1.0, (table.codes[:, 0] % 3) - 1.0)
    return age + 1.5 * colour + (table.numbers[:, 1] - 1000) / 50


def part(rows: int, task: str, seed: int = 0, **what: bool) -> Part:
    """Rows with a target: two classes, ``three`` of them, or a number around 300,000."""
    table = features(rows, seed, **what)
    noise = np.random.default_rng(seed + 1000).normal(size=rows) * 0.3
    value = score(table) + noise
    if task == "regression":
        return Part(table, value * 50_000 + 300_000)
    edges = [0.0] if task == "classification" else [-1.0, 1.0]
    return Part(table, np.digitize(value, edges).astype(np.int64))


def context(task: str, **changes: object) -> FitContext:
    """One thread, seed 0, no deadline."""
    classes = {"classification": ("no", "yes"), "three": ("a", "b", "c"), "regression": ()}[task]
    kind = "regression" if task == "regression" else "classification"
    base = FitContext(kind, classes, seed=0, threads=1, train=TrainParams(), label="fit")
    return replace(base, **changes)
