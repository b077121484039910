"""A small model first, where time is short: then there is something, whatever comes after.

It is linear and is fitted here, not in a worker: what it needs is loaded already, while a worker
may be busy for seconds with the libraries of others.
"""

import logging

from crisol.models.tabular.auto.budget import Budget
from crisol.models.tabular.auto.fitting import Bench, FitResult, Order
from crisol.models.tabular.auto.search_trial import Trial
from crisol.models.tabular.auto.worker import obey
from crisol.models.tabular.features.encoded_rows import Features

logger = logging.getLogger(__name__)

ROWS, CELLS = 2000, 2_000_000
"""What it learns from at most: rows, and rows times columns."""
MOST_CELLS, MOST_LETTERS = 5_000_000, 1_000_000
"""Of the whole table. It is judged on a fold, and nothing ends that early: of more a worker makes
it, which can be killed."""
LINEAR = "linear"


def first_answer(bench: Bench, budget: Budget, seed: int) -> Trial | None:
    """A linear model of few rows, judged on the first fold.

    Returns:
        A trial with one fit; ``None``: the table is large, or there was no time.
    """
    features = bench.part.features
    columns = features.numbers.shape[1] + features.codes.shape[1]
    if budget.left <= 0 or len(features) * columns > MOST_CELLS or _letters(features):
        return None
    trial = Trial(-1, LINEAR, {}, seed, 1)
    order = Order(
        f"first-{trial.key}",
        LINEAR,
        {},
        0,
        seed,
        end=budget.end,
        sample=max(1, min(ROWS, CELLS // max(columns, 1))),
        label=trial.name,
    )
    answer = obey(bench, order)
    if answer["state"] != "complete":
        logger.warning("the quick first model: %s: %s", answer["state"], answer["reason"])
        return None
    trial.fits[0] = FitResult.read(order.folder(bench.root))
    return trial


def _letters(features: Features) -> bool:
    """Whether the texts are too long to be read here."""
    total = 0
    for text in features.texts.ravel():
        total += len(text)
        if total > MOST_LETTERS:
            return True
    return False
