"""Optimisers and learning-rate schedules."""

import math
from collections.abc import Callable
from functools import partial

from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from crisol.core.training.loop_params import LoopParams

ONECYCLE_START = 1 / 25
"""Start of OneCycle, as a share of the highest learning rate (Smith, arXiv:1708.07120)."""
ONECYCLE_END = 1 / 25e4
"""End of OneCycle, as a share of the highest learning rate."""


def make_optimizer(network: nn.Module, params: LoopParams) -> Optimizer:
    """The optimiser of every trainable parameter; weight decay is for matrices only.

    Raises:
        ValueError: the network has nothing to train.
    """
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not trainable:
        raise ValueError("network: every parameter is frozen, there is nothing to train")
    matrices = [parameter for parameter in trainable if parameter.ndim >= 2]
    vectors = [parameter for parameter in trainable if parameter.ndim < 2]
    groups = [
        {"params": parameters, "weight_decay": weight_decay}
        for parameters, weight_decay in ((matrices, params.weight_decay), (vectors, 0.0))
        if parameters
    ]
    if params.optimizer == "sgd":
        return SGD(groups, lr=params.learning_rate, momentum=0.9, nesterov=True)
    fused = trainable[0].device.type in {"cpu", "cuda"}
    return AdamW(groups, lr=params.learning_rate, fused=fused)


def learning_rate_factor(params: LoopParams, total_steps: int) -> Callable[[int], float]:
    """The learning rate as a share of its highest value, by optimiser step (0-based).

    ``plateau`` gives its warm-up only: the rest depends on the monitored value.
    """
    warmup_steps = round(params.warmup_fraction * total_steps)
    shape = {"constant": _flat, "plateau": _flat, "cosine": _cosine, "onecycle": _onecycle}
    return partial(shape[params.schedule], warmup_steps=warmup_steps, total_steps=total_steps)


def _flat(step: int, *, warmup_steps: int, total_steps: int) -> float:
    del total_steps
    return (step + 1) / warmup_steps if step < warmup_steps else 1.0


def _cosine(step: int, *, warmup_steps: int, total_steps: int) -> float:
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return _anneal(1.0, 0.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))


def _onecycle(step: int, *, warmup_steps: int, total_steps: int) -> float:
    # Same curve as torch's OneCycleLR, whose division by zero for short runs it avoids; Adam's
    # momentum is left alone.
    top = warmup_steps - 1
    if step < top:
        return _anneal(ONECYCLE_START, 1.0, step / top)
    top = max(top, 0)
    return _anneal(1.0, ONECYCLE_END, (step - top) / max(1, total_steps - 1 - top))


def _anneal(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(share, 1.0))) / 2


class Schedule:
    """Sets an optimiser's learning rate, by step and (``plateau``) by epoch."""

    def __init__(self, optimizer: Optimizer, params: LoopParams, total_steps: int) -> None:
        self._optimizer = optimizer
        self._warmup_steps = round(params.warmup_fraction * total_steps)
        self._plateau: ReduceLROnPlateau | None = None
        self._by_step = LambdaLR(optimizer, learning_rate_factor(params, total_steps))
        if params.schedule == "plateau":
            self._plateau = ReduceLROnPlateau(
                optimizer,
                mode=params.monitor_mode,
                factor=params.plateau_factor,
                patience=params.plateau_patience,
                threshold=0.0,
            )
        self._moves = params.schedule in {"cosine", "onecycle"}

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return float(self._optimizer.param_groups[0]["lr"])

    def after_step(self) -> None:
        """Set the learning rate of the next optimiser step."""
        if self._moves or self._by_step.last_epoch < self._warmup_steps:
            self._by_step.step()

    def after_epoch(self, monitored: float | None) -> None:
        """Step the ``plateau`` schedule with the monitored value of the epoch."""
        warming_up = self._by_step.last_epoch < self._warmup_steps
        if self._plateau is not None and monitored is not None and not warming_up:
            self._plateau.step(monitored)

    def state_dict(self) -> dict[str, object]:
        """The state of the schedule, for :meth:`load_state_dict`."""
        return {
            "by_step": self._by_step.state_dict(),
            "plateau": None if self._plateau is None else self._plateau.state_dict(),
        }

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Restore a state of :meth:`state_dict`."""
        self._by_step.load_state_dict(state["by_step"])  # type: ignore[arg-type]
        if self._plateau is not None:
            self._plateau.load_state_dict(state["plateau"])  # type: ignore[arg-type]
