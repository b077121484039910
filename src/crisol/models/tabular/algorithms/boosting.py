"""The boosting loop of every library: early stopping, and a deadline."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crisol.models.tabular.algorithm import FitContext, OutOfTime
from crisol.models.tabular.settings import BoostingSettings

if TYPE_CHECKING:
    import pandas as pd

HISTORY_EVERY = 10
"""Iterations between two rows of the history."""


@dataclass(frozen=True)
class Boosted:
    """The outcome of a boosting loop.

    Attributes:
        iterations: how many are worth keeping.
        history: see :attr:`crisol.models.tabular.algorithm.Fit.history`.
        facts: figures for the report.
    """

    iterations: int
    history: "pd.DataFrame"
    facts: dict[str, float]


def boost(
    grow: Callable[[int], bool],
    train_loss: Callable[[], float],
    valid_loss: Callable[[], float] | None,
    settings: BoostingSettings,
    context: FitContext,
) -> Boosted:
    """Grow until the validation loss no longer falls, the iterations are done or time is up.

    Args:
        grow: adds the iteration of a number, from 0; whether it found anything to learn.
        train_loss: of what has been grown, on the training rows.
        valid_loss: on the validation rows, if there are any.
        settings: iterations and patience.
        context: the deadline.

    Raises:
        OutOfTime: the deadline came before the first iteration.
    """
    import pandas as pd

    best, best_loss, done, rows = 0, math.inf, 0, []
    began = time.monotonic()
    in_time = context.seconds_left > 0
    while in_time and done < settings.max_iterations:
        found = grow(done)
        done += 1
        loss = valid_loss() if valid_loss is not None else None
        if loss is not None and loss < best_loss:
            best, best_loss = done, loss
        stop = not found or (loss is not None and done - best >= settings.stopping_rounds)
        in_time = context.seconds_left > 0
        if done % HISTORY_EVERY == 1 or stop or not in_time or done == settings.max_iterations:
            row = {"label": context.label, "epoch": done, "train_loss": train_loss()}
            rows.append(row if loss is None else row | {"valid_loss": loss})
        if stop:
            break
    if done == 0:
        raise OutOfTime("no time was left for a first tree")
    kept = (best or 1) if valid_loss is not None else done
    facts = {
        "iterations": float(kept),
        "seconds": time.monotonic() - began,
        "out_of_time": float(not in_time),
    }
    return Boosted(kept, pd.DataFrame(rows), facts)
