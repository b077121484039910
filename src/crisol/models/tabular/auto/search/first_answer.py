"""A small model that is fitted first where time is short, as a fallback.

It is linear and is fitted in this process, whose libraries are loaded; a worker may take seconds to
load those of other algorithms.
"""

import logging

from crisol.models.tabular.auto.budget import Budget
from crisol.models.tabular.auto.search.search_trial import SearchTrial
from crisol.models.tabular.auto.workers.fitting import FitOrder, FitResult, Fitter
from crisol.models.tabular.auto.workers.worker import run_order
from crisol.models.tabular.features.encoded_rows import Features

logger = logging.getLogger(__name__)

ROWS, CELLS = 2000, 2_000_000
"""Limits of its training rows: rows, and rows times columns."""
MOST_CELLS, MOST_LETTERS = 5_000_000, 1_000_000
"""Limits of the whole table, which is scored on a fold without a deadline; a worker, which can be
killed, fits the model of a larger table."""
LINEAR = "linear"


def first_answer(fitter: Fitter, budget: Budget, seed: int) -> SearchTrial | None:
    """A linear model of few rows, judged on the first fold.

    Returns:
        A trial with one fit; ``None``: the table is large, or there was no time.
    """
    features = fitter.part.features
    columns = features.numbers.shape[1] + features.codes.shape[1]
    if budget.left <= 0 or len(features) * columns > MOST_CELLS or _letters(features):
        return None
    trial = SearchTrial(-1, LINEAR, {}, seed, 1)
    order = FitOrder(
        f"first-{trial.key}",
        LINEAR,
        {},
        0,
        seed,
        end=budget.end,
        sample=max(1, min(ROWS, CELLS // max(columns, 1))),
        label=trial.name,
    )
    answer = run_order(fitter, order)
    if answer["state"] != "complete":
        logger.warning("the quick first model: %s: %s", answer["state"], answer["reason"])
        return None
    trial.fits[0] = FitResult.read(order.folder(fitter.root))
    return trial


def _letters(features: Features) -> bool:
    """Whether the texts are too long to be read here."""
    total = 0
    for text in features.texts.ravel():
        total += len(text)
        if total > MOST_LETTERS:
            return True
    return False
