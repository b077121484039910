"""The exponential moving average of a network's weights."""

import copy

import torch
from torch import Tensor, nn


class WeightAverage:
    """A second network whose weights follow the first one's slowly (arXiv:1806.05594 and others).

    The decay starts low and reaches its value after some steps, ``min(decay, (1 + step) /
    (10 + step))``, so that short trainings do not average in the initial weights.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self._decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards ``network`` after its optimiser step ``step`` (from 1)."""
        averages: list[Tensor] = [*self.network.parameters()]
        currents: list[Tensor] = [*network.parameters()]
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(averages, currents, 1 - decay)

    @torch.no_grad()
    def copy_buffers(self, network: nn.Module) -> None:
        """Take over what is not learned by gradients, such as batch statistics."""
        for average, current in zip(self.network.buffers(), network.buffers(), strict=True):
            average.copy_(current)
