"""FT-Transformer: every column a token (Gorishniy et al., arXiv:2106.11959)."""

from typing import ClassVar

from torch import nn

from crisol.models.tabular.algorithms.neural.table_network import TableNetwork
from crisol.models.tabular.features.encoded_rows import Features
from crisol.models.tabular.networks.column_embedding import ColumnEmbedding
from crisol.models.tabular.networks.table_inputs import TableInputs
from crisol.models.tabular.networks.table_transformer import TableTransformer
from crisol.models.tabular.settings import FTTransformerSettings, NetworkSettings

BINS = 32
"""Bins of a number's piecewise-linear embedding."""


class FTTransformer(TableNetwork):
    """Attention between the columns of a row."""

    name = "ft_transformer"
    settings_type: ClassVar[type[NetworkSettings]] = FTTransformerSettings

    @classmethod
    def fit_inputs(cls, settings: FTTransformerSettings, features: Features) -> TableInputs:  # noqa: ARG003
        """See :meth:`Network.fit_inputs`."""
        return cls.fit_table(features, BINS)

    @classmethod
    def build(cls, settings: FTTransformerSettings, inputs: TableInputs, outputs: int) -> nn.Module:
        """See :meth:`Network.build`."""
        columns = ColumnEmbedding(inputs, settings.width)
        return TableTransformer(columns, settings.blocks, settings.heads, outputs, settings.dropout)
