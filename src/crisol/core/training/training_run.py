"""One training run: its epochs, and the state that is saved between two of them."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import torch
from torch import Tensor, nn

from crisol.core.progress import emit
from crisol.core.training.averaging import WeightAverage
from crisol.core.training.batches import count_rows
from crisol.core.training.checkpoints import Checkpoint, describe_network, fingerprint
from crisol.core.training.device import DeviceChoice
from crisol.core.training.loop_params import LoopParams
from crisol.core.training.loss_means import LossMeans, NonFiniteLossError
from crisol.core.training.processes import Processes
from crisol.core.training.progress_bar import ProgressBar
from crisol.core.training.progress_reporter import ProgressReporter
from crisol.core.training.schedules import Schedule, make_optimizer
from crisol.core.training.seeding import seed_everything

logger = logging.getLogger(__name__)

Batch = Any
"""A tensor, or a tuple or mapping of tensors whose first dimension is the row."""

Loss = Callable[[nn.Module, Batch], Tensor | Mapping[str, Tensor]]
"""The mean loss over the rows of a batch, as a scalar, or several scalars of which one is called
``loss`` (the others are recorded). It calls the network itself, ``network(...)``, not a method of
it: that call is where mixed precision and the synchronisation of processes happen."""

Evaluate = Callable[[nn.Module], Mapping[str, float]]
"""Further validation metrics of the network, which is in evaluation mode on its device."""

Stop = Callable[[], bool]
"""Called after every batch whether to stop; under several processes after every epoch, in the main
one."""


class StoppedTooSoonError(RuntimeError):
    """A training was stopped before the end of its first epoch: there is nothing to keep."""


class Batches(Protocol):
    """Anything with a length that can be iterated once per epoch."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...


@dataclass(frozen=True)
class TrainResult:
    """The outcome of a training run.

    Attributes:
        network: the network given to :func:`train`, in evaluation mode on its device, with the
            weights (averaged ones if ``ema_decay``) of the best epoch.
        history: one row an epoch: label, epoch (from 1), step (optimiser steps so far), train_loss,
            other train_* and valid_* values, learning_rate, seconds, samples_per_second.
        best_epoch: the epoch whose weights the network has.
        best_value: the monitored column in that epoch; ``None`` without ``monitor``.
        epochs_run: epochs of the whole run, those before a resume included.
        resumed_from_epoch: the epoch of the checkpoint it resumed from; ``None`` without one.
        seconds: time spent in all epochs.
        device: the device it ran on, and why.
    """

    network: nn.Module
    history: pd.DataFrame
    best_epoch: int
    best_value: float | None
    epochs_run: int
    resumed_from_epoch: int | None
    seconds: float
    device: DeviceChoice


class TrainingRun:
    """One call of :func:`crisol.core.training.loop.train`, with its arguments."""

    def __init__(
        self,
        network: nn.Module,
        loss: Loss,
        train_data: Batches,
        valid_data: Batches | None,
        params: LoopParams,
        evaluate: Evaluate | None,
        processes: Processes,
        label: str,
        stop: Stop | None = None,
    ) -> None:
        self._params, self._loss, self._evaluate = params, loss, evaluate
        self._stop, self._stopped = stop, False
        self._label, self._processes = label, processes
        self._network = network.to(processes.device.device)
        self._average = WeightAverage(network, params.ema_decay) if params.ema_decay else None
        if params.compile:
            network.compile()
        self._prepared = processes.prepare_network(network)
        if self._average is not None:
            processes.prepare_network(self._average.module, evaluation=True)
        self._train_data = processes.prepare_data(train_data, training=True)
        self._valid_data = None
        if valid_data is not None:
            self._valid_data = processes.prepare_data(valid_data, training=False)
        steps_per_epoch = -(-len(self._train_data) // params.gradient_accumulation)
        optimizer = make_optimizer(network, params)
        self._schedule = Schedule(optimizer, params, steps_per_epoch * params.epochs)
        self._optimizer = processes.prepare_optimizer(optimizer)
        self._trainable = [p for p in network.parameters() if p.requires_grad]
        self._epoch = self._step = self._stale_epochs = 0
        self._best_epoch = 0
        self._best_value: float | None = None
        self._best_weights: dict[str, Tensor] | None = None
        self._history: list[dict[str, Any]] = []

    @property
    def _evaluated(self) -> nn.Module:
        return self._network if self._average is None else self._average.module

    def run(self, folder: Path | None, given_fingerprint: str) -> TrainResult:
        """Train to the end, from the checkpoint in ``folder`` if there is one that belongs."""
        params = self._params
        identity = fingerprint(
            given=given_fingerprint,
            # The device and the intervals of checkpoints and logs do not change the weights.
            params=params.model_dump(
                mode="json", exclude={"device", "checkpoint_every_epochs", "log_every_steps"}
            ),
            network=describe_network(self._network),
        )
        checkpoint = None if folder is None else Checkpoint(folder, self._label)
        finished, resumed_from = self._restore(checkpoint, identity)
        batches, silent = len(self._train_data), not self._processes.is_first
        self._reporter = ProgressReporter(self._epoch, params.epochs, batches, silent=silent)
        if not finished:
            self._announce(resumed_from)
            with ProgressBar(
                self._label,
                self._epoch,
                params,
                batches,
                silent=silent,
            ) as bar:
                while self._epoch < params.epochs and not self._exhausted():
                    self._run_epoch(bar)
                    if self._stopped:
                        break
                    last = self._epoch == params.epochs or self._exhausted()
                    if self._epoch % params.checkpoint_every_epochs == 0 and not last:
                        self._save(checkpoint, identity)
                    if not last and self._ask_to_stop():
                        break
            self._finish(checkpoint, identity)
        self._network.eval()
        history = pd.DataFrame(self._history)
        return TrainResult(
            network=self._network,
            history=history,
            best_epoch=self._best_epoch,
            best_value=self._best_value,
            epochs_run=self._epoch,
            resumed_from_epoch=resumed_from,
            seconds=float(history["seconds"].sum()),
            device=self._processes.device,
        )

    def _exhausted(self) -> bool:
        patience = self._params.early_stopping_patience
        return patience is not None and self._stale_epochs >= patience

    def _run_epoch(self, bar: ProgressBar) -> None:
        started = time.perf_counter()
        self._epoch += 1
        seed_everything(self._params.seed, "train", self._epoch, self._processes.rank)
        if hasattr(self._train_data, "set_epoch"):
            self._train_data.set_epoch(self._epoch)
        losses = LossMeans("training", f"{self._label or 'training'}, epoch {self._epoch}")
        learning_rate = self._train_pass(losses, bar)
        if self._stopped:  # in the middle of the epoch, which does not count
            self._epoch -= 1
            return
        means = losses.means(self._processes.total)
        trained = time.perf_counter()
        row: dict[str, Any] = {"label": self._label, "epoch": self._epoch, "step": self._step}
        row |= {f"train_{name}": value for name, value in means.items()}
        row |= self._validate()
        row["learning_rate"] = learning_rate
        row["seconds"] = time.perf_counter() - started
        row["samples_per_second"] = losses.rows * self._processes.world / (trained - started)
        monitored = self._monitored(row)
        self._schedule.after_epoch(monitored)
        self._keep_best(monitored)
        self._history.append(row)
        self._emit(row)
        self._reporter.epoch(self._epoch, learning_rate, row["train_loss"])
        shown = {"train_loss": row["train_loss"]}
        if self._params.monitor and monitored is not None:
            shown[self._params.monitor] = monitored
        bar.show(self._epoch, **shown)

    def _ask_to_stop(self) -> bool:
        """Whether to stop, which the main process decides."""
        if self._stop is not None:
            asked = {"stop": float(self._stop())} if self._processes.is_first else None
            self._stopped = bool(self._processes.from_first(asked)["stop"])
        return self._stopped

    def _train_pass(self, losses: LossMeans, bar: ProgressBar) -> float:
        """One pass over the training data; returns the learning rate of its last step."""
        params, processes = self._params, self._processes
        accumulation, batches = params.gradient_accumulation, len(self._train_data)
        self._network.train()
        index = window_rows = 0
        learning_rate = self._schedule.learning_rate
        for index, batch in enumerate(self._train_data, start=1):
            rows = count_rows(batch)
            window_rows += rows
            complete = index % accumulation == 0 or index == batches
            with processes.gradients(self._prepared, synchronise=complete):
                value = losses.add(self._loss(self._prepared, batch), rows)
                processes.backward(value if accumulation == 1 else value * rows)
            if complete:
                learning_rate = self._schedule.learning_rate
                self._optimizer_step(window_rows if accumulation > 1 else None)
                window_rows = 0
            bar.advance()
            rows_of_all = rows * processes.world
            self._reporter.batch(self._epoch, index, rows_of_all, learning_rate, losses.peek)
            if index % params.log_every_steps == 0:
                losses.flush()
                bar.show(self._epoch, loss=losses.latest)
            if index < batches and processes.world == 1 and self._ask_to_stop():
                return learning_rate
        if index != batches:
            raise ValueError(f"train_data: says it has {batches} batches but gave {index}")
        return learning_rate

    def _optimizer_step(self, window_rows: int | None) -> None:
        if window_rows is not None:
            # Sums of row losses became gradients; the mean over the window's rows is wanted.
            gradients = [p.grad for p in self._trainable if p.grad is not None]
            torch._foreach_mul_(gradients, 1 / window_rows)
        if self._params.gradient_clip is not None:
            self._processes.clip(self._trainable, self._params.gradient_clip)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._schedule.after_step()
        self._step += 1
        if self._average is not None:
            self._average.update_parameters(self._network)

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        network, processes = self._evaluated, self._processes
        network.eval()
        values: dict[str, float] = {}
        if self._valid_data is not None:
            # The same draws in every epoch, so that epochs can be compared.
            seed_everything(self._params.seed, "valid", processes.rank)
            losses = LossMeans("validation", f"{self._label or 'training'}, epoch {self._epoch}")
            for batch in self._valid_data:
                losses.add(self._loss(network, batch), count_rows(batch))
            values |= {f"valid_{k}": v for k, v in losses.means(processes.total).items()}
        if self._evaluate is not None:
            seed_everything(self._params.seed, "evaluate")
            found = self._evaluate(network) if processes.is_first else None
            for name, value in processes.from_first(found).items():
                values[name if name.startswith("valid_") else f"valid_{name}"] = float(value)
        return values

    def _monitored(self, row: Mapping[str, Any]) -> float | None:
        name = self._params.monitor
        if name is None:
            return None
        if name not in row:
            there = ", ".join(k for k in row if k.startswith(("train_", "valid_")))
            raise ValueError(f"monitor: there is no {name!r} to watch; there are: {there}")
        value = float(row[name])
        if not math.isfinite(value):
            raise NonFiniteLossError(
                f"{self._label or 'training'}, epoch {self._epoch}: {name} became {value}, "
                "so there is no best epoch to choose"
            )
        return value

    def _keep_best(self, monitored: float | None) -> None:
        if monitored is not None and self._best_value is not None:
            sign = 1 if self._params.monitor_mode == "max" else -1
            if sign * monitored <= sign * self._best_value:
                self._stale_epochs += 1
                return
        self._best_epoch, self._best_value, self._stale_epochs = self._epoch, monitored, 0
        keep = monitored is not None or self._stop is not None
        self._best_weights = self._copied_weights() if keep else None

    def _copied_weights(self) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in self._evaluated.state_dict().items()}

    def _emit(self, row: Mapping[str, Any]) -> None:
        if self._processes.is_first:
            prefix = f"{self._label}." if self._label else ""
            measured = {k: v for k, v in row.items() if k not in {"label", "epoch", "step"}}
            emit({f"{prefix}{name}": value for name, value in measured.items()}, row["epoch"])

    def _state(self, identity: str, *, finished: bool) -> dict[str, Any]:
        state: dict[str, Any] = {
            "fingerprint": identity,
            "label": self._label,
            "finished": finished,
            "epoch": self._epoch,
            "step": self._step,
            "best_epoch": self._best_epoch,
            "best_value": self._best_value,
            "stale_epochs": self._stale_epochs,
            "history": self._history,
            "network": self._network.state_dict(),
        }
        if not finished:
            average, scaler = self._average, self._processes.scaler
            state["average"] = None if average is None else average.state_dict()
            state["best_weights"] = self._best_weights
            state["optimizer"] = self._optimizer.state_dict()
            state["schedule"] = self._schedule.state_dict()
            state["scaler"] = None if scaler is None else scaler.state_dict()
        return state

    def _save(self, checkpoint: Checkpoint | None, identity: str) -> None:
        if checkpoint is not None and self._processes.is_first:
            checkpoint.save(self._state(identity, finished=False))

    def _finish(self, checkpoint: Checkpoint | None, identity: str) -> None:
        """Take the best weights, and replace the checkpoint by a small record of the result.

        The last checkpoint of a run that was stopped stays, so that it can resume with more time.
        """
        if self._epoch == 0:
            raise StoppedTooSoonError(f"{self._label or 'training'}: stopped in its first epoch")
        best = self._best_weights or self._evaluated.state_dict()
        self._network.load_state_dict(best)
        if checkpoint is not None and self._processes.is_first and not self._stopped:
            checkpoint.save(self._state(identity, finished=True))
        self._processes.wait()
        if self._processes.is_first:
            best_value = "" if self._best_value is None else f" ({self._best_value:.5g})"
            logger.info(
                "%s: %d epochs%s, best %d%s, %.1f s",
                self._label or "training",
                self._epoch,
                " (stopped)" if self._stopped else "",
                self._best_epoch,
                best_value,
                sum(row["seconds"] for row in self._history),
            )

    def _restore(self, checkpoint: Checkpoint | None, identity: str) -> tuple[bool, int | None]:
        """Load the checkpoint; returns whether the run is finished, and the epoch it reached."""
        state = None if checkpoint is None else checkpoint.load(identity)
        self._processes.check_agreement(
            0 if state is None else state["epoch"],
            "checkpoints: the processes see different files; put them on a folder all can read",
        )
        if state is None:
            return False, None
        self._epoch, self._step = state["epoch"], state["step"]
        self._best_epoch, self._best_value = state["best_epoch"], state["best_value"]
        self._stale_epochs, self._history = state["stale_epochs"], state["history"]
        self._network.load_state_dict(state["network"])
        if not state["finished"]:
            if self._average is not None:
                self._average.load_state_dict(state["average"])
            if self._processes.scaler is not None:
                self._processes.scaler.load_state_dict(state["scaler"])
            self._best_weights = state["best_weights"]
            if self._best_weights is None and self._stop is not None:
                self._best_weights = self._copied_weights()
            self._optimizer.load_state_dict(state["optimizer"])
            self._schedule.load_state_dict(state["schedule"])
        for row in self._history:
            # The callbacks of this process have not had them: another process emitted them.
            self._emit(row)
        return state["finished"], self._epoch

    def _announce(self, resumed_from: int | None) -> None:
        if self._processes.is_first:
            logger.info(
                "%s: %s on %s",
                self._label or "training",
                "begins" if resumed_from is None else f"resumes after epoch {resumed_from}",
                self._processes.device,
            )
