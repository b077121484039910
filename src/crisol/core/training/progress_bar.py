"""The progress bar of a running training, or log lines where nobody watches."""

import logging
import sys
import time
from types import TracebackType
from typing import Any, Self

from crisol.core.training.loop_params import LoopParams

LINE_EVERY_S = 10.0

logger = logging.getLogger(__name__)


def someone_is_watching() -> bool:
    """Whether standard error is a terminal, or this is a notebook."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return sys.stderr.isatty() or type(shell).__name__ == "ZMQInteractiveShell"


class ProgressBar:
    """A progress bar in a terminal or a notebook, elsewhere a log line every few seconds."""

    def __init__(
        self, label: str, epoch: int, params: LoopParams, batches: int, *, silent: bool
    ) -> None:
        self._label, self._params, self._batches = label or "training", params, batches
        self._silent = silent
        self._done = epoch * batches
        self._bar: Any = None
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        if not self._silent and someone_is_watching():
            from tqdm.auto import tqdm

            self._bar = tqdm(
                total=self._params.epochs * self._batches,
                initial=self._done,
                desc=self._label,
                unit="batch",
                leave=False,
                dynamic_ncols=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self) -> None:
        """One more batch is done."""
        self._done += 1
        if self._bar is not None:
            self._bar.update(1)

    def show(self, epoch: int, **values: float) -> None:
        """Show the newest values; a log line only if the last one is some seconds old."""
        if self._silent:
            return
        if self._bar is not None:
            shown = {name: f"{value:.4g}" for name, value in values.items()}
            # Not redrawn at once: epochs may last milliseconds.
            self._bar.set_postfix(epoch=epoch, **shown, refresh=False)
        elif time.monotonic() - self._last_line >= LINE_EVERY_S:
            self._last_line = time.monotonic()
            logger.info(
                "%s: epoch %d of %d, %d %% of the batches%s",
                self._label,
                epoch,
                self._params.epochs,
                100 * self._done // (self._params.epochs * self._batches),
                "".join(f", {name} {value:.4g}" for name, value in values.items()),
            )
