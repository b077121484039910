"""Progress of a running training, given to callbacks that the training does not know.

The training loop calls :func:`emit`, a search :func:`emit_trial`. Their caller (the MLflow run
hook, a notebook, a test) registers callbacks with :func:`callbacks`. Callbacks belong to the
current context: two families that train in two threads do not reach each other's.

Names that begin with ``progress.`` say how far the run is and are no result: they have a callback
of their own. The training loop emits those of
:class:`crisol.core.training.progress_reporter.ProgressReporter`, the run hook
``progress.nodes_done`` and ``progress.nodes``; anyone may emit ``progress.fraction`` (0 to 1, of
the node that runs) and ``progress.seconds_left``.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

PREFIX = "progress."

OnMetrics = Callable[[Mapping[str, float], int], None]
OnProgress = Callable[[Mapping[str, float]], None]


@dataclass(frozen=True)
class TrialResult:
    """One attempt of a search that has ended.

    Attributes:
        number: within its search, from 0.
        algorithm: the algorithm that was tried.
        settings: of the algorithm, flat.
        state: how it ended.
        value: of the validation metric that the search optimises; ``None`` if there is none.
        metrics: further ones.
        seconds: that it took.
        fold_values: ``value`` of each fold, in order.
    """

    number: int
    algorithm: str
    settings: Mapping[str, Any]
    state: Literal["complete", "pruned", "failed", "timeout"]
    value: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    fold_values: tuple[float, ...] = ()


OnTrial = Callable[[TrialResult], object]


@dataclass(frozen=True)
class _Callbacks:
    """The callbacks of one block, and the number of the next training run within it."""

    on_metrics: OnMetrics
    on_progress: OnProgress | None
    on_trial: OnTrial | None
    numbers: Iterator[int] = field(default_factory=lambda: count(1))


_registered: ContextVar[tuple[_Callbacks, ...]] = ContextVar("crisol_progress", default=())


def emit(metrics: Mapping[str, float], step: int) -> None:
    """Give the metrics reached at ``step`` to the callbacks of this context.

    Names that begin with ``progress.`` go to ``on_progress`` alone, without the step.
    """
    registered = _registered.get()
    if not registered:
        return
    progress = {name: value for name, value in metrics.items() if name.startswith(PREFIX)}
    results = {name: value for name, value in metrics.items() if name not in progress}
    for each in registered:
        if results:
            each.on_metrics(results, step)
        if progress and each.on_progress is not None:
            each.on_progress(progress)


def emit_trial(trial: TrialResult) -> None:
    """Give a trial that has ended to the callbacks for trials."""
    for each in _registered.get():
        if each.on_trial is not None:
            each.on_trial(trial)


def next_training_run() -> int:
    """The number, from 1, of a training run that begins, within the outermost block."""
    registered = _registered.get()
    return next(registered[0].numbers) if registered else 1


@contextmanager
def callbacks(
    on_metrics: OnMetrics,
    *,
    on_progress: OnProgress | None = None,
    on_trial: OnTrial | None = None,
) -> Iterator[None]:
    """Call back with everything that is emitted inside the block.

    Args:
        on_metrics: called with metrics and their step.
        on_progress: called with the values whose names begin with ``progress.``.
        on_trial: called with each trial that has ended.

    >>> seen = []
    >>> with callbacks(lambda metrics, step: seen.append((step, dict(metrics)))):
    ...     emit({"loss": 0.5, "progress.fraction": 0.1}, step=1)
    >>> seen
    [(1, {'loss': 0.5})]
    """
    token = _registered.set((*_registered.get(), _Callbacks(on_metrics, on_progress, on_trial)))
    try:
        yield
    finally:
        _registered.reset(token)
