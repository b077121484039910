"""Where a running training says how far it is, without knowing who listens.

The training loop calls :func:`emit`, a search :func:`tell_trial`; whoever runs them (the MLflow run
hook, a notebook, a test) listens with :func:`listening`. Listeners are bound to the current
context, so that two families training in two threads do not hear one another.

Names that begin with ``progress.`` say how far the run is and are no result: they are heard
apart. The training loop tells those of :class:`crisol.core.training.pace.Pace`, the run hook
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

Listener = Callable[[Mapping[str, float], int], None]
AheadListener = Callable[[Mapping[str, float]], None]


@dataclass(frozen=True)
class Trial:
    """One attempt of a search, told when it has ended.

    Attributes:
        number: within its search, from 0.
        algorithm: what was tried.
        settings: of the algorithm, flat.
        state: how it ended.
        value: of the validation metric the search looks at; ``None`` if it came to none.
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


TrialListener = Callable[[Trial], object]


@dataclass(frozen=True)
class _Ears:
    """What one :func:`listening` wants to hear, and how many trainings began within it."""

    metrics: Listener
    ahead: AheadListener | None
    trial: TrialListener | None
    units: Iterator[int] = field(default_factory=lambda: count(1))


_listeners: ContextVar[tuple[_Ears, ...]] = ContextVar("crisol_progress", default=())


def emit(metrics: Mapping[str, float], step: int) -> None:
    """Tell every listener of this context the metrics reached at ``step``.

    Names beginning with ``progress.`` go to those who asked for them alone, without the step.
    """
    ears = _listeners.get()
    if not ears:
        return
    ahead = {name: value for name, value in metrics.items() if name.startswith(PREFIX)}
    results = {name: value for name, value in metrics.items() if name not in ahead}
    for listener in ears:
        if results:
            listener.metrics(results, step)
        if ahead and listener.ahead is not None:
            listener.ahead(ahead)


def tell_trial(trial: Trial) -> None:
    """Tell who asked for trials that one has ended."""
    for listener in _listeners.get():
        if listener.trial is not None:
            listener.trial(trial)


def next_unit() -> int:
    """The number, from 1, of a training that begins among those of the outermost block."""
    ears = _listeners.get()
    return next(ears[0].units) if ears else 1


@contextmanager
def listening(
    listener: Listener,
    *,
    ahead: AheadListener | None = None,
    trial: TrialListener | None = None,
) -> Iterator[None]:
    """Hear what is emitted inside the block.

    Args:
        listener: called with metrics and their step.
        ahead: called with what begins with ``progress.``.
        trial: called with each trial that has ended.

    >>> heard = []
    >>> with listening(lambda metrics, step: heard.append((step, dict(metrics)))):
    ...     emit({"loss": 0.5, "progress.fraction": 0.1}, step=1)
    >>> heard
    [(1, {'loss': 0.5})]
    """
    token = _listeners.set((*_listeners.get(), _Ears(listener, ahead, trial)))
    try:
        yield
    finally:
        _listeners.reset(token)
