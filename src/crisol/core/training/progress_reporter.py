"""Progress and speed of one training run, emitted while it runs."""

import time
from collections.abc import Callable

from crisol.core.progress import emit, next_training_run

EMIT_EVERY_S = 1.0


class ProgressReporter:
    """Emits the progress of a training run at most once a second and at the end of each epoch.

    The names are ``progress.unit`` (the number of the run in its node, from 1), ``progress.epoch``
    and ``progress.epochs``, ``progress.batch`` and ``progress.batches`` (of the epoch),
    ``progress.loss``, ``progress.learning_rate``, ``progress.samples_per_second`` and
    ``progress.unit_seconds_left``: at the speed measured so far, to the last epoch that is planned.

    Args:
        epoch: the number of epochs that a stopped process has done before.
        epochs: planned.
        batches: of an epoch.
        silent: for a further process of a distributed training, which emits nothing.
    """

    def __init__(self, epoch: int, epochs: int, batches: int, *, silent: bool = False) -> None:
        self._before, self._epochs, self._batches = epoch * batches, epochs, batches
        self._silent = silent
        self._number = 0 if silent else next_training_run()
        self._began = self._emitted = time.monotonic()
        self._rows = 0

    def batch(
        self, epoch: int, index: int, rows: int, learning_rate: float, loss: Callable[[], float]
    ) -> None:
        """Batch ``index`` of ``epoch`` (both from 1) is done; it had ``rows`` rows.

        ``loss`` is called only when something is emitted: it may have to wait for the device.
        """
        self._rows += rows
        now = time.monotonic()
        if now - self._emitted >= EMIT_EVERY_S:
            self._emit(epoch, index, learning_rate, loss(), now)

    def epoch(self, epoch: int, learning_rate: float, loss: float) -> None:
        """An epoch is done; ``loss`` is the mean of its training."""
        self._emit(epoch, self._batches, learning_rate, loss, time.monotonic())

    def _emit(self, epoch: int, index: int, learning_rate: float, loss: float, now: float) -> None:
        if self._silent:
            return
        done = (epoch - 1) * self._batches + index
        each_s = (now - self._began) / max(done - self._before, 1)
        values = {
            "unit": self._number,
            "epoch": epoch,
            "epochs": self._epochs,
            "batch": index,
            "batches": self._batches,
            "loss": loss,
            "learning_rate": learning_rate,
            "unit_seconds_left": (self._epochs * self._batches - done) * each_s,
        }
        if self._rows and now > self._emitted:  # at an epoch's end no rows may be left
            values["samples_per_second"] = self._rows / (now - self._emitted)
        self._emitted, self._rows = now, 0
        emit({f"progress.{name}": value for name, value in values.items()}, epoch)
