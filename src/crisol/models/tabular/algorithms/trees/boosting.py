"""The shared course of a fit of the boosting libraries: early stopping, and a deadline."""

import math
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.models.tabular.algorithm import Algorithm, Fit, FitContext, OutOfTime
from crisol.models.tabular.algorithms.target_scale import TargetScale, class_codes
from crisol.models.tabular.features.encoded_rows import Part
from crisol.models.tabular.features.tree_columns import TreeColumns
from crisol.models.tabular.settings import BoostingSettings

if TYPE_CHECKING:
    import pandas as pd

HISTORY_EVERY = 10
"""Iterations between two rows of the history."""


@dataclass(frozen=True)
class BoostingInputs:
    """The table and the target of a booster, whatever its library.

    Attributes:
        columns: makes the table.
        scale: of a number target; ``None`` for classes.
    """

    columns: TreeColumns
    scale: TargetScale | None

    @classmethod
    def fit(cls, train: Part, context: FitContext) -> tuple[Self, NDArray[Any]]:
        """Learn the columns and the scale; return them with the target of the training rows.

        Raises:
            MendableError: the rows have no columns or no target to learn from.
        """
        if context.task == "regression":
            scale = TargetScale.of(train)
            target: NDArray[Any] = scale.apply(train)
        else:
            scale, target = None, class_codes(train, context)
        return cls(TreeColumns.fit(train.features, seed=context.seed), scale), target

    def target(self, part: Part) -> NDArray[Any] | None:
        """Class codes [N], or the standardised numbers [N]."""
        return part.target if self.scale is None else self.scale.apply(part)

    @property
    def unit(self) -> float:
        """The factor from a loss of the standardised target to one of the target."""
        return 1.0 if self.scale is None else self.scale.spread

    def contributions(self, values: Floats) -> Floats:
        """SHAP values [N, columns, …] of the booster, by feature and in the target's unit."""
        return self.columns.by_feature(values * self.unit)

    def write(self, directory: Path) -> dict[str, Any]:
        """Write arrays into the folder; return the rest as JSON."""
        scale = None if self.scale is None else self.scale.state()
        return {"columns": self.columns.write(directory), "scale": scale}

    @classmethod
    def read(cls, directory: Path, state: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`write`."""
        scale = None if state["scale"] is None else TargetScale(**state["scale"])
        return cls(TreeColumns.read(directory, state["columns"]), scale)


class Table(NamedTuple):
    """Rows as a booster takes them: the numbers [N, columns] and the target [N]."""

    matrix: NDArray[Any]
    target: NDArray[Any] | None


class Booster(Protocol):
    """A booster that grows, whatever its library."""

    def grow(self, iteration: int) -> bool:
        """Add the iteration of a number, from 0; whether it found anything to learn."""

    def train_loss(self) -> float:
        """The loss of the training rows, in units of the booster's own target."""

    def valid_loss(self) -> float:
        """The loss of the validation rows; called only if there are any."""

    def stored(self, iterations: int) -> Any:
        """The first iterations as the library writes them."""


class BoostedTrees(Algorithm):
    """An algorithm around one booster.

    Args:
        stored: the booster as its library writes it.
        inputs: make its table and undo the scale of its target.
    """

    def __init__(self, stored: Any, inputs: BoostingInputs) -> None:
        self._stored, self.inputs, self.columns = stored, inputs, inputs.columns

    @classmethod
    @abstractmethod
    def start(
        cls,
        settings: Any,
        columns: TreeColumns,
        train: Table,
        valid: Table | None,
        context: FitContext,
    ) -> Booster:
        """A booster of no iterations."""

    @classmethod
    def fit(cls, settings: Any, train: Part, valid: Part | None, context: FitContext) -> Fit:
        """See :meth:`Algorithm.fit`."""
        inputs, label = BoostingInputs.fit(train, context)
        columns = inputs.columns
        watched = None
        if valid is not None:
            watched = Table(columns.matrix(valid.features), inputs.target(valid))
        learned = Table(columns.matrix(train.features), label)
        booster = cls.start(settings, columns, learned, watched, context)
        boosted = boost(
            grow=booster.grow,
            train_loss=lambda: booster.train_loss() * inputs.unit,
            valid_loss=None if valid is None else lambda: booster.valid_loss() * inputs.unit,
            settings=settings,
            context=context,
        )
        model = cls(booster.stored(boosted.iterations), inputs)
        return Fit(model, boosted.history, boosted.facts)


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
