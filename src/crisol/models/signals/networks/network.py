"""The network of `signals`: normalise, two-layer LSTM, additive attention over time, classifier.

Legend: B windows, T steps, F features, H hidden, C = 3 classes (sell, hold, buy).

Sources: LSTM (Hochreiter & Schmidhuber 1997); additive attention (Bahdanau et al.,
arXiv:1409.0473); attention over an LSTM's states for stock movements (Feng et al.,
arXiv:1810.09936); orthogonal recurrent initialisation (Saxe et al., arXiv:1312.6120).
"""

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from crisol.models.signals.network_params import LAYERS, NetworkParams
from crisol.models.signals.networks.layers import AdditiveAttention, Normalise
from crisol.models.signals.networks.member import CLASSES, MemberNetwork


class NewestBar(nn.Module):
    """From the newest step past the recurrence: a linear map plus one small hidden layer."""

    def __init__(self, features: int, width: int, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(features, CLASSES + 1)
        self.layer = nn.Sequential(
            nn.Linear(features, width),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(width, CLASSES + 1),
        )

    def forward(self, x_BF: Tensor) -> Tensor:
        """[B, F] to additions to the logits and the move, [B, C + 1]."""
        direct: Tensor = self.linear(x_BF) + self.layer(x_BF)
        return direct


class SignalNetwork(MemberNetwork):
    """A member whose LSTM has two layers.

    The optional path from the newest bar lets it do at once what a model of that bar alone can do.
    """

    layers = LAYERS

    def __init__(self, params: NetworkParams) -> None:
        super().__init__(params)
        features, hidden = len(params.features), params.hidden
        self.normalise = Normalise(features, params.input_clip)
        self.lstm = nn.LSTM(
            features, hidden, num_layers=2, dropout=params.dropout, batch_first=True
        )
        self.attention = AdditiveAttention(hidden)
        self.dropout = nn.Dropout(params.dropout)
        self.head = nn.ModuleDict(
            {"signal": nn.Linear(2 * hidden, CLASSES), "move": nn.Linear(2 * hidden, 1)}
        )
        self.newest = None
        if params.newest_bar_path is not None:
            self.newest = NewestBar(features, params.newest_bar_path, params.dropout)
        self._initialise()

    def _initialise(self) -> None:
        """Xavier for inputs and heads, orthogonal per recurrent gate, forget gates open."""
        hidden = self.params.hidden
        for name, parameter in self.named_parameters():
            if "weight_hh" in name:
                for gate in range(4):
                    nn.init.orthogonal_(parameter.data[gate * hidden : (gate + 1) * hidden])
            elif parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
            else:
                nn.init.zeros_(parameter)
                if "bias_ih" in name:
                    parameter.data[hidden : 2 * hidden] = 1.0
        if self.newest is not None:
            nn.init.zeros_(self.newest.linear.weight)

    @torch.no_grad()
    def start_at(self, frequencies_C: np.ndarray) -> None:
        """See :meth:`MemberNetwork.start_at`."""
        logs = np.log(np.maximum(frequencies_C, 1e-4))
        cast(nn.Linear, self.head["signal"]).bias.copy_(torch.from_numpy(logs))

    def states(self, x_BTF: Tensor) -> Tensor:
        """Windows [B, T, F] to the states of the second layer, [B, T, H]."""
        states: Tensor = self.lstm(self.normalise(x_BTF))[0]
        return states

    def forward(self, x_BTF: Tensor, noise_BL: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`MemberNetwork.forward`."""
        normal_BTF = self.normalise(x_BTF)
        states_BTH, _ = self.lstm(normal_BTF)
        latent = self.dropout(self._latent(states_BTH))
        if noise_BL is not None:
            latent = latent + noise_BL
        logits, moves = self.head["signal"](latent), self.head["move"](latent)
        if self.newest is not None:
            direct = self.newest(normal_BTF[:, -1])
            logits, moves = logits + direct[:, :CLASSES], moves + direct[:, CLASSES:]
        return logits, moves.squeeze(-1)
