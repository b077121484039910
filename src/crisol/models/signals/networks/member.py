"""The common part of the networks of `signals`: an LSTM, attention, a latent state, two heads.

Legend: B windows, T steps, F features, H hidden, C = 3 classes (sell, hold, buy).
"""

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from crisol.models.signals.contract import SIGNALS
from crisol.models.signals.network_params import Layer, NetworkParams
from crisol.models.signals.networks.layers import AdditiveAttention, Normalise

CLASSES = len(SIGNALS)


class MemberNetwork(nn.Module):
    """One member of the ensemble: windows of features to class logits and an expected move.

    The heads read the latent state, [B, 2H]: the attended context beside the newest state.
    """

    layers: ClassVar[tuple[Layer, ...]]
    """The parts that transfer learning may freeze."""
    normalise: Normalise
    lstm: nn.LSTM
    attention: AdditiveAttention
    head: nn.ModuleDict
    """``signal`` is the linear map to the classes, ``move`` the one to the next return in units of
    volatility, which only steers training."""

    def __init__(self, params: NetworkParams) -> None:
        super().__init__()
        self.params = params

    @abstractmethod
    def start_at(self, frequencies_C: np.ndarray) -> None:
        """Let the untrained head answer these class frequencies; an absent class stays absent."""

    @abstractmethod
    def states(self, x_BTF: Tensor) -> Tensor:
        """Windows [B, T, F] to the states of the LSTM, [B, T, H]."""

    @abstractmethod
    def forward(self, x_BTF: Tensor, noise_BL: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Windows [B, T, F] to logits [B, C] and expected moves [B].

        ``noise_BL`` is added to the latent state, [B, 2H].
        """

    def attend(self, x_BTF: Tensor) -> Tensor:
        """Windows [B, T, F] to attention weights [B, T]."""
        weights: Tensor = self.attention(self.states(x_BTF))[1]
        return weights

    def _latent(self, states_BTH: Tensor) -> Tensor:
        context, _ = self.attention(states_BTH)
        return torch.cat([context, states_BTH[:, -1]], dim=1)


def freeze(network: MemberNetwork, layers: Iterable[Layer]) -> float:
    """Stop gradients into the named layers; the share of parameters that still learn (0 to 1).

    Raises:
        ValueError: a layer the network does not have.
    """
    frozen = set(layers)
    unknown = sorted(frozen - set(network.layers))
    if unknown:
        raise ValueError(f"freeze: no layer {unknown[0]!r}; there are: {', '.join(network.layers)}")
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
    return {"newest": "head", "feature_map": "lstm_0"}.get(module, module)
