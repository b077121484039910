"""A transformer encoder on byte-pair tokens, learned from scratch."""

from typing import ClassVar

from torch import nn

from crisol.models.tabular.algorithms.neural.text_network import TextNetwork
from crisol.models.tabular.networks.text_inputs import TextInputs
from crisol.models.tabular.networks.text_networks import TextEncoder
from crisol.models.tabular.settings import NetworkSettings, TextTransformerSettings


class TextTransformer(TextNetwork):
    """Attention between the tokens of a row."""

    name = "text_transformer"
    settings_type: ClassVar[type[NetworkSettings]] = TextTransformerSettings

    @classmethod
    def build(
        cls, settings: TextTransformerSettings, inputs: TextInputs, outputs: int
    ) -> nn.Module:
        """See :meth:`Network.build`."""
        return TextEncoder(
            inputs, settings.width, settings.blocks, settings.heads, outputs, settings.dropout
        )
