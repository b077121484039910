"""Accelerate, set up for one training run and removed after it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from itertools import count
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.data_loader import prepare_data_loader
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.state import AcceleratorState, GradientState, PartialState
from accelerate.utils import broadcast_object_list, send_to_device
from torch import Tensor, nn
from torch.distributed import DistStoreError
from torch.distributed.rendezvous import rendezvous
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from crisol.core.training.batches import TensorBatches
from crisol.core.training.device import DeviceChoice
from crisol.core.training.loop_params import LoopParams
from crisol.core.training.seeding import PROCESS_STATE

_SHARED = (PartialState, AcceleratorState, GradientState)

_block_numbers = count()
_PATIENCE = timedelta(minutes=10)


@contextmanager
def main_process_first() -> Iterator[None]:
    """A block that the main process of ``accelerate launch`` leaves before the others enter.

    It protects work that may be done only once, such as creating a database. Every process must
    enter its blocks in the same order. It needs no process group (Accelerate's block of this name
    makes one), so that the training can choose its own.

    Raises:
        RuntimeError: the main process did not leave its block in time.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    store, rank, _ = next(iter(rendezvous("env://", timeout=_PATIENCE)))
    key = f"crisol/main_process_first/{next(_block_numbers)}"
    if rank > 0:
        try:
            store.wait([key], _PATIENCE)
        except DistStoreError as error:
            raise RuntimeError(
                f"process {rank} waited {_PATIENCE} for the main process; look at its log"
            ) from error
        yield
        return
    yield
    store.set(key, "done")


@contextmanager
def training_processes(params: LoopParams, device: DeviceChoice) -> Iterator["Processes"]:
    """The processes of this training: one, or those of ``accelerate launch``.

    Raises:
        ValueError: ``mixed_precision`` does not work on the device.
    """
    launched = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if params.device == "auto" and os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true":
        device = DeviceChoice(torch.device("cpu"), "accelerate launch --cpu")
    if params.mixed_precision == "fp16" and device.device.type == "cpu":
        raise ValueError(
            f"mixed_precision: 'fp16' needs a GPU, the device is {device}; use 'bf16' or 'no'"
        )
    with PROCESS_STATE, _own_state():
        accelerator = Accelerator(
            cpu=device.device.type == "cpu",
            mixed_precision=params.mixed_precision,
            device_placement=False,
        )
        if launched:
            rank, world = accelerator.process_index, accelerator.num_processes
            reason = f"process {rank + 1} of {world} under accelerate launch"
            # Accelerate numbers the one CPU there is.
            own = device.device if accelerator.device.type == "cpu" else accelerator.device
            device = DeviceChoice(own, reason)
        yield Processes(accelerator, device, params)


@contextmanager
def _own_state() -> Iterator[None]:
    """Give this training run Accelerate's process-wide state for itself.

    Accelerate keeps its first settings otherwise.
    """
    saved = [dict(shared._shared_state) for shared in _SHARED]
    try:
        for shared in _SHARED:
            shared._shared_state.clear()
        yield
    finally:
        for shared, state in zip(_SHARED, saved, strict=True):
            shared._shared_state.clear()
            shared._shared_state.update(state)


class Processes:
    """The operations of Accelerate that the training loop needs."""

    def __init__(self, accelerator: Accelerator, device: DeviceChoice, params: LoopParams) -> None:
        self._accelerator, self._params = accelerator, params
        self.device = device
        self.rank: int = accelerator.process_index
        self.world: int = accelerator.num_processes
        self.is_first: bool = accelerator.is_main_process
        self.scaler = accelerator.scaler
        self.backward = accelerator.backward
        self._prepared: list[tuple[nn.Module, Any]] = []

    def prepare_network(self, network: nn.Module, *, evaluation: bool = False) -> nn.Module:
        """The network with mixed precision and, for training, synchronised gradients."""
        self._prepared.append((network, network.__dict__.get("forward")))
        prepared: nn.Module = self._accelerator.prepare_model(network, evaluation_mode=evaluation)
        return prepared

    def prepare_optimizer(self, optimizer: Optimizer) -> AcceleratedOptimizer:
        """The optimiser with loss scaling for fp16."""
        return self._accelerator.prepare_optimizer(optimizer)

    def prepare_data(self, data: Any, *, training: bool) -> Any:
        """This process's share of the data, on its device.

        Raises:
            TypeError: several processes, and data that cannot be divided among them.
        """
        if isinstance(data, TensorBatches):
            share = data.shard(self.rank, self.world, even=training) if self.world > 1 else data
            return share.to(self.device.device)
        if isinstance(data, DataLoader):
            return prepare_data_loader(
                data,
                device=self.device.device,
                num_processes=self.world,
                process_index=self.rank,
                put_on_device=True,
                split_batches=True,
                even_batches=training,
                use_seedable_sampler=True,
                data_seed=self._params.seed,
            )
        if self.world > 1:
            raise TypeError(
                f"{type(data)} cannot be divided among {self.world} processes; "
                "give TensorBatches or a DataLoader"
            )
        return _OnDevice(data, self.device.device)

    def gradients(self, network: nn.Module, *, synchronise: bool) -> AbstractContextManager[Any]:
        """A block whose backward pass exchanges gradients between processes, or does not yet."""
        if synchronise or self.world == 1:
            return nullcontext()
        return self._accelerator.no_sync(network)  # type: ignore[no-any-return]

    def clip(self, parameters: list[nn.Parameter], norm: float) -> None:
        """Scale all gradients so that their norm together is at most ``norm``."""
        self._accelerator.clip_grad_norm_(parameters, norm)

    def total(self, vector: Tensor) -> Tensor:
        """The sum of a vector over all processes."""
        if self.world == 1:
            return vector
        summed: Tensor = self._accelerator.reduce(vector.to(self.device.device), reduction="sum")
        return summed.cpu()

    def from_first(self, values: Mapping[str, float] | None) -> dict[str, float]:
        """The values of the main process, in all of them."""
        shared = [dict(values) if values is not None else None]
        if self.world > 1:
            broadcast_object_list(shared)
        if shared[0] is None:
            raise RuntimeError("the main process gave no values")
        return shared[0]

    def check_agreement(self, number: int, message: str) -> None:
        """Make sure that all processes hold the same number.

        Raises:
            RuntimeError: with ``message``.
        """
        total, squares = self.total(torch.tensor([number, number**2], dtype=torch.float64)).tolist()
        if squares * self.world != total**2:
            raise RuntimeError(message)

    def wait(self) -> None:
        """Return once all processes have called this."""
        self._accelerator.wait_for_everyone()

    def release(self) -> None:
        """Restore the prepared networks to their state before :meth:`prepare_network`."""
        for network, forward in self._prepared:
            for name in ("forward", "_original_forward", "_is_accelerate_prepared"):
                network.__dict__.pop(name, None)
            if forward is not None:
                network.__dict__["forward"] = forward
        self._prepared.clear()


class _OnDevice:
    """Any sized iterable, its batches moved to the device."""

    def __init__(self, data: Any, device: torch.device) -> None:
        self._data, self._device = data, device

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Any]:
        for batch in self._data:
            yield send_to_device(batch, self._device)

    def set_epoch(self, epoch: int) -> None:
        if hasattr(self._data, "set_epoch"):
            self._data.set_epoch(epoch)
