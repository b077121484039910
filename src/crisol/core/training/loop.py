"""One training loop for every family, on Hugging Face Accelerate.

A family gives a network, a loss and batches; the loop brings mixed precision, gradient accumulation
and clipping, schedules with warm-up, weight averaging, early stopping, exact resume after a kill,
progress, and several processes under ``accelerate launch``.

>>> import torch
>>> x = torch.linspace(-1, 1, 64)[:, None]
>>> result = train(
...     torch.nn.Linear(1, 1),
...     loss=lambda network, batch: (network(batch[0]) - batch[1]).square().mean(),
...     train_data=TensorBatches((x, 2 * x), batch_size=16, shuffle=True),
...     params=LoopParams(
...         epochs=50, batch_size=16, learning_rate=0.1, monitor="train_loss", device="cpu"
...     ),
... )
>>> round(result.network.weight.item(), 1)
2.0
"""

from pathlib import Path

import torch
from torch import nn

from crisol.core.training.batches import TensorBatches
from crisol.core.training.checkpoints import clear, fingerprint
from crisol.core.training.device import choose_device, cpu_threads
from crisol.core.training.loop_params import LoopParams
from crisol.core.training.loss_means import NonFiniteLossError
from crisol.core.training.processes import training_processes
from crisol.core.training.seeding import preserved_randomness, seeded
from crisol.core.training.training_run import (
    Batch,
    Batches,
    Evaluate,
    Loss,
    Stop,
    StoppedTooSoonError,
    TrainingRun,
    TrainResult,
)

__all__ = [
    "Batch",
    "Batches",
    "Evaluate",
    "Loss",
    "LoopParams",
    "NonFiniteLossError",
    "Stop",
    "StoppedTooSoonError",
    "TensorBatches",
    "TrainResult",
    "clear",
    "fingerprint",
    "seeded",
    "train",
]


def train(
    network: nn.Module,
    *,
    loss: Loss,
    train_data: Batches,
    valid_data: Batches | None = None,
    params: LoopParams,
    evaluate: Evaluate | None = None,
    checkpoints: Path | None = None,
    fingerprint: str = "",
    label: str = "",
    stop: Stop | None = None,
) -> TrainResult:
    """Train ``network`` and return it with the weights of its best epoch.

    The same network, data and parameters give bit-identical weights on a CPU, also when a killed
    training resumes from its checkpoint. Global random generators are seeded inside and restored
    afterwards. Of trainings in several threads one runs at a time.

    Args:
        network: moved to the chosen device and changed in place.
        loss: see :data:`crisol.core.training.training_run.Loss`.
        train_data: :class:`TensorBatches`, a torch ``DataLoader``, or any sized iterable (which
            must bring ``set_epoch(epoch)`` itself if its order is to differ by epoch).
        valid_data: the same; without it there is no ``valid_loss``.
        params: see :class:`LoopParams`.
        evaluate: see :data:`crisol.core.training.training_run.Evaluate`; its names get the prefix
            ``valid_``. Of several processes only the first calls it.
        checkpoints: folder for the state at the end of each epoch; a finished run's file stays,
            so that calling again returns its result at once. Remove with :func:`clear`.
        fingerprint: identifies the data and whatever else decides the result
            (:func:`crisol.core.training.checkpoints.fingerprint`); parameters and network are added
            to it.
        label: names this run in the history, the log, the progress and the checkpoint folder.
        stop: see :data:`crisol.core.training.training_run.Stop`; an epoch it interrupts does
            not count, the weights are the best ones until then, and a checkpoint can still be
            resumed from.

    Raises:
        ValueError: the parameters do not fit the data, the device or the metrics there are.
        NonFiniteLossError: a loss became NaN or infinite; names epoch and step.
        StoppedTooSoonError: ``stop`` came before the end of the first epoch.
    """
    device = choose_device(params.device)
    _check_batch_size(train_data, params)
    with (
        training_processes(params, device) as processes,
        preserved_randomness(),
        cpu_threads(params.cpu_threads),
    ):
        if params.mixed_precision == "bf16" and processes.device.device.type == "cpu":
            _check_bf16_lstm(network)
        try:
            run = TrainingRun(
                network, loss, train_data, valid_data, params, evaluate, processes, label, stop
            )
            return run.run(None if checkpoints is None else Path(checkpoints), fingerprint)
        finally:
            processes.release()
            network._compiled_call_impl = None


def _check_bf16_lstm(network: nn.Module) -> None:
    """Refuse bf16 LSTMs on a processor without AVX-512, before oneDNN does so obscurely."""
    if not any(isinstance(module, nn.LSTM) for module in network.modules()):
        return
    try:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            nn.LSTM(1, 1)(torch.zeros(1, 1, 1))
    except RuntimeError as error:
        raise ValueError(
            "mixed_precision: 'bf16' does not work for an LSTM on this processor; use 'no'"
        ) from error


def _check_batch_size(data: Batches, params: LoopParams) -> None:
    given = getattr(data, "batch_size", None)
    if given is not None and given != params.batch_size:
        raise ValueError(
            f"batch_size: the training data comes in batches of {given}, "
            f"the parameters say {params.batch_size}"
        )
    if len(data) == 0:
        raise ValueError("train_data: there are no batches")
