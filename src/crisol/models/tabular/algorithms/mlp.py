"""A multilayer perceptron on piecewise-linear embeddings of numbers (arXiv:2203.05556)."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from crisol.core.errors import MendableError
from crisol.models.tabular.algorithms.network import Network
from crisol.models.tabular.features import Features
from crisol.models.tabular.networks.columns import Columns
from crisol.models.tabular.networks.perceptrons import Perceptrons
from crisol.models.tabular.networks.table import TableInputs
from crisol.models.tabular.schema import Task
from crisol.models.tabular.settings import MLPSettings, NetworkSettings

WIDEST_INPUT = 4096
"""Numbers that the columns of a row become at most: of many columns each gets fewer."""


class MLP(Network):
    """One perceptron."""

    name = "mlp"
    tasks: ClassVar[frozenset[Task]] = frozenset({"classification", "regression", "text"})
    settings_type: ClassVar[type[NetworkSettings]] = MLPSettings
    inputs: TableInputs

    @classmethod
    def fit_inputs(cls, settings: MLPSettings, features: Features) -> TableInputs:
        """See :meth:`Network.fit_inputs`."""
        if not (features.number_names or features.code_names or features.text_names):
            raise MendableError(f"{cls.name}: needs columns; for pictures take the algorithm cnn")
        return TableInputs.fit(features, settings.bins)

    @classmethod
    def build(cls, settings: MLPSettings, inputs: TableInputs, outputs: int) -> nn.Module:
        """See :meth:`Network.build`."""
        return cls._perceptrons(settings, inputs, outputs, members=1)

    @classmethod
    def _perceptrons(
        cls, settings: MLPSettings, inputs: TableInputs, outputs: int, members: int
    ) -> Perceptrons:
        shape = inputs.shape
        columns = max(1, shape.numbers + shape.categories)
        length = max(2, min(settings.embedding, WIDEST_INPUT // columns))
        return Perceptrons(
            Columns(inputs, length), settings.hidden, members, outputs, settings.dropout
        )

    @classmethod
    def read_inputs(
        cls, arrays: Mapping[str, NDArray[np.generic]], state: Mapping[str, Any]
    ) -> TableInputs:
        """See :meth:`Network.read_inputs`."""
        return TableInputs.read(arrays, tuple(state["texts"]))

    def inputs_state(self) -> dict[str, Any]:
        """See :meth:`Network.inputs_state`."""
        return {"texts": list(self.inputs.texts)}
