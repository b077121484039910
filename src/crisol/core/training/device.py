"""The choice of a device, and its reason."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class DeviceChoice:
    """A device and the reason it was chosen, both of which belong in the log."""

    device: torch.device
    reason: str

    def __str__(self) -> str:
        return f"{self.device} ({self.reason})"


def choose_device(name: str = "auto") -> DeviceChoice:
    """Choose the device that ``name`` asks for; ``auto`` takes the fastest there is.

    Args:
        name: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:<index>``.

    Raises:
        ValueError: the named device is absent from this machine, or is not a device.

    >>> str(choose_device("cpu"))
    'cpu (asked for)'
    """
    if name == "auto":
        if torch.cuda.is_available():
            return DeviceChoice(torch.device("cuda", 0), f"auto: {torch.cuda.get_device_name(0)}")
        if torch.backends.mps.is_available():
            return DeviceChoice(torch.device("mps"), "auto: Apple GPU, no CUDA device")
        return DeviceChoice(torch.device("cpu"), "auto: no CUDA device and no Apple GPU")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(
            f"device: {name!r} is not a device; use auto, cpu, mps, cuda or cuda:<index>"
        ) from error
    if device.type not in {"cpu", "cuda", "mps"}:
        raise ValueError(
            f"device: {name!r} is not supported; use auto, cpu, mps, cuda or cuda:<index>"
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device: {name!r} is absent, this machine has {torch.cuda.device_count()} CUDA "
            "devices; use auto or cpu"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError("device: 'mps' is absent from this machine; use auto or cpu")
    return DeviceChoice(device, "asked for")


@contextmanager
def cpu_threads(count: int | None) -> Iterator[None]:
    """Limit torch to ``count`` threads inside the block; ``None`` changes nothing.

    >>> before = torch.get_num_threads()
    >>> with cpu_threads(1):
    ...     inside = torch.get_num_threads()
    >>> inside, torch.get_num_threads() == before
    (1, True)
    """
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
