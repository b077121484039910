"""Where a running training says how far it is, without knowing who listens.

The training loop calls :func:`emit`; whoever runs it (the MLflow run hook, a notebook, a test)
listens with :func:`listening`. Listeners are bound to the current context, so that two families
training in two threads do not hear one another.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[Mapping[str, float], int], None]

_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("crisol_progress", default=())


def emit(metrics: Mapping[str, float], step: int) -> None:
    """Tell every listener of this context the metrics reached at ``step``."""
    for listener in _listeners.get():
        listener(metrics, step)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Hear what is emitted inside the block.

    >>> heard = []
    >>> with listening(lambda metrics, step: heard.append((step, dict(metrics)))):
    ...     emit({"loss": 0.5}, step=1)
    >>> heard
    [(1, {'loss': 0.5})]
    """
    token = _listeners.set((*_listeners.get(), listener))
    try:
        yield
    finally:
        _listeners.reset(token)
