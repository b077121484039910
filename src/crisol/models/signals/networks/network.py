"""The network of `signals`: normalise, two-layer LSTM, additive attention over time, classifier.

Legend: B windows, T steps, F features, H hidden, C = 3 classes (sell, hold, buy), M members.

Sources: LSTM (Hochreiter & Schmidhuber 1997); additive attention (Bahdanau et al.,
arXiv:1409.0473); attention over an LSTM's states for stock movements (Feng et al.,
arXiv:1810.09936); orthogonal recurrent initialisation (Saxe et al., arXiv:1312.6120).
"""

from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from crisol.models.signals.contract import SIGNALS
from crisol.models.signals.network_params import LAYERS, Layer, NetworkParams

CLASSES = len(SIGNALS)


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


class SignalNetwork(nn.Module):
    """One member: windows of features to class logits and an expected move.

    The head reads the attended context beside the newest state, [B, 2H]. Its second output, the
    next return in units of volatility, only steers training. The optional path from
    the newest bar lets it do at once what a model of that bar alone can do.
    """

    def __init__(self, params: NetworkParams) -> None:
        super().__init__()
        self.params = params
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
        """Let the untrained head answer these class frequencies; an absent class stays absent."""
        logs = np.log(np.maximum(frequencies_C, 1e-4))
        cast(nn.Linear, self.head["signal"]).bias.copy_(torch.from_numpy(logs))

    def forward(self, x_BTF: Tensor) -> tuple[Tensor, Tensor]:
        """Windows [B, T, F] to logits [B, C] and expected moves [B]."""
        normal_BTF = self.normalise(x_BTF)
        states_BTH, _ = self.lstm(normal_BTF)
        context, _ = self.attention(states_BTH)
        latent = self.dropout(torch.cat([context, states_BTH[:, -1]], dim=1))
        logits, moves = self.head["signal"](latent), self.head["move"](latent)
        if self.newest is not None:
            direct = self.newest(normal_BTF[:, -1])
            logits, moves = logits + direct[:, :CLASSES], moves + direct[:, CLASSES:]
        return logits, moves.squeeze(-1)

    def attend(self, x_BTF: Tensor) -> Tensor:
        """Windows [B, T, F] to attention weights [B, T]."""
        states, _ = self.lstm(self.normalise(x_BTF))
        weights: Tensor = self.attention(states)[1]
        return weights


class Ensemble(nn.Module):
    """The served network: the mean of the members' calibrated probabilities."""

    def __init__(
        self,
        members: Sequence[SignalNetwork],
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
        members = cast(Iterable[SignalNetwork], self.members)
        return torch.stack([member.attend(x_BTF) for member in members]).mean(0)


def freeze(network: SignalNetwork, layers: Iterable[Layer]) -> float:
    """Stop gradients into the named layers; the share of parameters that still learn (0 to 1).

    Raises:
        ValueError: a layer the network does not have.
    """
    frozen = set(layers)
    unknown = sorted(frozen - set(LAYERS))
    if unknown:
        raise ValueError(f"freeze: no layer {unknown[0]!r}; there are: {', '.join(LAYERS)}")
    total = trainable = 0
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(_layer_of(name) not in frozen)
        total += parameter.numel()
        trainable += parameter.numel() * parameter.requires_grad
    return trainable / total


def _layer_of(parameter_name: str) -> str:
    """The layer a parameter belongs to: ``lstm.weight_ih_l1`` is part of ``lstm_1``."""
    module = parameter_name.split(".")[0]
    if module == "lstm":
        return f"lstm_{parameter_name[-1]}"
    return "head" if module == "newest" else module
