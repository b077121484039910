"""The small attention LSTM of Feng et al.: a tanh map of each day, one LSTM, attention, one score.

Legend: B windows, T steps, F features, H hidden, C = 3 classes (sell, hold, buy).

Source: Enhancing Stock Movement Prediction with Adversarial Training (Feng et al., IJCAI 2019,
arXiv:1810.09936). There are two classes there; a second output tells ``hold`` from the others here.
"""

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from crisol.models.signals.network_params import NetworkParams
from crisol.models.signals.networks.layers import AdditiveAttention, Normalise
from crisol.models.signals.networks.member import MemberNetwork


class ALSTM(MemberNetwork):
    """A member with a hundred to a few thousand weights.

    Its score s is the difference of the logits of buy and sell, so that a hinge on that difference
    is the published loss.
    """

    layers = ("lstm_0", "attention", "head")

    def __init__(self, params: NetworkParams) -> None:
        super().__init__(params)
        features, hidden = len(params.features), params.hidden
        self.normalise = Normalise(features, params.input_clip)
        self.feature_map = nn.Linear(features, features)
        self.lstm = nn.LSTM(features, hidden, batch_first=True)
        self.attention = AdditiveAttention(hidden)
        self.dropout = nn.Dropout(params.dropout)
        self.head = nn.ModuleDict(
            {"signal": nn.Linear(2 * hidden, 2), "move": nn.Linear(2 * hidden, 1)}
        )
        self.hold = nn.Buffer(torch.zeros(()))
        self._initialise()

    def _initialise(self) -> None:
        """Glorot, for the LSTM over its inputs and states together; forget gates open."""
        features, hidden = len(self.params.features), self.params.hidden
        bound = (6 / (features + hidden + 4 * hidden)) ** 0.5
        for name, parameter in self.named_parameters():
            if parameter.dim() < 2:
                nn.init.zeros_(parameter)
            elif name.startswith("lstm"):
                nn.init.uniform_(parameter, -bound, bound)
            else:
                nn.init.xavier_uniform_(parameter)
        self.get_parameter("lstm.bias_ih_l0").data[hidden : 2 * hidden] = 1.0

    @torch.no_grad()
    def start_at(self, frequencies_C: np.ndarray) -> None:
        """See :meth:`MemberNetwork.start_at`."""
        sell, hold, buy = np.log(np.maximum(frequencies_C, 1e-4))
        cast(nn.Linear, self.head["signal"]).bias[0] = buy - sell
        self.hold.copy_(torch.tensor(hold - (sell + buy) / 2))

    def states(self, x_BTF: Tensor) -> Tensor:
        """Windows [B, T, F] to the states of the LSTM, [B, T, H]."""
        mapped_BTF = torch.tanh(self.feature_map(self.normalise(x_BTF)))
        states: Tensor = self.lstm(mapped_BTF)[0]
        return states

    def forward(self, x_BTF: Tensor, noise_BL: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`MemberNetwork.forward`."""
        latent = self.dropout(self._latent(self.states(x_BTF)))
        if noise_BL is not None:
            latent = latent + noise_BL
        score, hold = self.head["signal"](latent).unbind(-1)
        logits = torch.stack([-score / 2, hold + self.hold, score / 2], dim=-1)
        return logits, self.head["move"](latent).squeeze(-1)
