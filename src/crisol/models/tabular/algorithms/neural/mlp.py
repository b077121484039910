"""A multilayer perceptron on piecewise-linear embeddings of numbers (arXiv:2203.05556)."""

from typing import Any, ClassVar

from torch import nn

from crisol.models.tabular.algorithms.neural.table_network import TableNetwork
from crisol.models.tabular.features.encoded_rows import Features
from crisol.models.tabular.networks.column_embedding import ColumnEmbedding
from crisol.models.tabular.networks.perceptrons import Perceptrons
from crisol.models.tabular.networks.table_inputs import TableInputs
from crisol.models.tabular.settings import MLPSettings, NetworkSettings

WIDEST_INPUT = 4096
"""Numbers that the columns of a row become at most: of many columns each gets fewer."""


class MLP(TableNetwork):
    """One perceptron."""

    name = "mlp"
    settings_type: ClassVar[type[NetworkSettings]] = MLPSettings

    @classmethod
    def fit_inputs(cls, settings: MLPSettings, features: Features) -> TableInputs:
        """See :meth:`Network.fit_inputs`."""
        return cls.fit_table(features, settings.bins)

    @classmethod
    def build(cls, settings: Any, inputs: TableInputs, outputs: int) -> nn.Module:
        """See :meth:`Network.build`."""
        return perceptrons(settings, inputs, outputs, members=1)


def perceptrons(
    settings: MLPSettings, inputs: TableInputs, outputs: int, members: int
) -> Perceptrons:
    """One or several perceptrons on the columns of a table."""
    shape = inputs.shape
    columns = max(1, shape.numbers + shape.categories)
    length = max(2, min(settings.embedding, WIDEST_INPUT // columns))
    return Perceptrons(
        ColumnEmbedding(inputs, length), settings.hidden, members, outputs, settings.dropout
    )
