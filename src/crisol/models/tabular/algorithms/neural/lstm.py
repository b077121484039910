"""A bidirectional LSTM with attention on byte-pair tokens."""

from typing import ClassVar

from torch import nn

from crisol.models.tabular.algorithms.neural.text_network import TextNetwork
from crisol.models.tabular.networks.text_inputs import TextInputs
from crisol.models.tabular.networks.text_networks import BidirectionalLSTM
from crisol.models.tabular.settings import LSTMSettings, NetworkSettings


class LSTM(TextNetwork):
    """Reads the tokens of a row in both directions."""

    name = "lstm"
    settings_type: ClassVar[type[NetworkSettings]] = LSTMSettings

    @classmethod
    def build(cls, settings: LSTMSettings, inputs: TextInputs, outputs: int) -> nn.Module:
        """See :meth:`Network.build`."""
        return BidirectionalLSTM(
            inputs, settings.width, settings.hidden, settings.layers, outputs, settings.dropout
        )
