"""The served network: members and their calibration as one module.

Legend: B windows, T steps, F features, C = 3 classes (sell, hold, buy).
"""

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from crisol.models.signals.networks.member import CLASSES, MemberNetwork


class Ensemble(nn.Module):
    """The served network: the mean of the members' calibrated probabilities."""

    def __init__(
        self,
        members: Sequence[MemberNetwork],
        temperature: float = 1.0,
        offset_C: Sequence[float] = (0.0,) * CLASSES,
    ) -> None:
        super().__init__()
        self.params = members[0].params
        self.members = nn.ModuleList(members)
        self.temperature = float(temperature)
        self.offset = nn.Buffer(torch.tensor(tuple(offset_C), dtype=torch.float32))

    def forward(self, x_BTF: Tensor) -> Tensor:
        """Windows [B, T, F] to probabilities [B, C]: softmax of (logits - offset) / temperature."""
        probabilities = [
            torch.softmax((member(x_BTF)[0] - self.offset) / self.temperature, dim=1)
            for member in self.members
        ]
        return torch.stack(probabilities).mean(0)

    def attention(self, x_BTF: Tensor) -> Tensor:
        """Windows [B, T, F] to the members' mean attention weights [B, T]."""
        members = cast(Iterable[MemberNetwork], self.members)
        return torch.stack([member.attend(x_BTF) for member in members]).mean(0)
