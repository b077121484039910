"""Layers that the networks of `signals` share: input normalisation and attention over time.

Legend: B windows, T steps, F features, H hidden.
"""

import numpy as np
import torch
from torch import Tensor, nn


class Normalise(nn.Module):
    """Input normalisation with statistics fitted on training windows, then a cut at ±``clip``."""

    def __init__(self, features: int, clip: float) -> None:
        super().__init__()
        self.clip = clip
        self.mean = nn.Buffer(torch.zeros(features))
        self.scale = nn.Buffer(torch.ones(features))

    def fit(self, x_BTF: np.ndarray) -> None:
        """Take mean and spread per feature from these windows and no others."""
        flat = x_BTF.reshape(-1, x_BTF.shape[-1]).astype(np.float64)
        self.mean.copy_(torch.from_numpy(flat.mean(0)))
        self.scale.copy_(torch.from_numpy(flat.std(0) + 1e-4))

    def forward(self, x_BTF: Tensor) -> Tensor:
        """[B, T, F] to [B, T, F]."""
        return ((x_BTF - self.mean) / self.scale).clamp(-self.clip, self.clip)


class AdditiveAttention(nn.Module):
    """Weights over time from each state: softmax of v·tanh(W h)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.project = nn.Linear(hidden, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)

    def forward(self, states_BTH: Tensor) -> tuple[Tensor, Tensor]:
        """States [B, T, H] to their weighted sum [B, H] and the weights [B, T]."""
        weights = torch.softmax(self.score(torch.tanh(self.project(states_BTH))).squeeze(-1), dim=1)
        return torch.einsum("bt,bth->bh", weights, states_BTH), weights
