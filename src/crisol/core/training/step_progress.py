"""Progress of work that has steps but no batches, such as ranking lists or learning weights."""

import logging
import time
from types import TracebackType
from typing import Any, Self

from crisol.core.progress import emit
from crisol.core.training.progress_bar import LINE_EVERY_S, someone_is_watching

EMIT_EVERY_S = 1.0

logger = logging.getLogger(__name__)


class StepProgress:
    """Shows a bar in a terminal or a notebook, elsewhere a log line every few seconds.

    It also emits ``progress.fraction`` of the node, at most once a second and at both ends.

    Args:
        label: the work, such as ``shop: ranks lists``.
        total: steps that are planned.
        begins: the fraction of the node that was done before.
        ends: the fraction that is done after the last step.
    """

    def __init__(self, label: str, total: int, begins: float = 0.0, ends: float = 1.0) -> None:
        self._label, self._total = label, max(total, 1)
        self._begins, self._ends = begins, ends
        self._done = 0
        self._bar: Any = None
        self._last_line = self._emitted = time.monotonic()

    def __enter__(self) -> Self:
        if someone_is_watching():
            from tqdm.auto import tqdm

            self._bar = tqdm(total=self._total, desc=self._label, leave=False, dynamic_ncols=True)
        self._emit()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        if kind is None:
            self._done = self._total
            self._emit()

    def advance(self, steps: int = 1) -> None:
        """So many more steps are done; beyond the planned ones they no longer count."""
        self._done = min(self._done + steps, self._total)
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._done - self._bar.n)
        elif now - self._last_line >= LINE_EVERY_S:
            self._last_line = now
            logger.info("%s: %d of %d", self._label, self._done, self._total)
        if now - self._emitted >= EMIT_EVERY_S:
            self._emit()

    def _emit(self) -> None:
        self._emitted = time.monotonic()
        share = self._done / self._total
        emit({"progress.fraction": self._begins + (self._ends - self._begins) * share}, self._done)
