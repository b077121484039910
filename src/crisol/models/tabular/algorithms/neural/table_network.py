"""The base of networks for tables: their inputs."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from crisol.core.errors import MendableError
from crisol.models.tabular.algorithms.neural.network import Network
from crisol.models.tabular.features.encoded_rows import Features
from crisol.models.tabular.networks.table_inputs import TableInputs
from crisol.models.tabular.schema import Task


class TableNetwork(Network):
    """A network on the columns of a table; texts are bags of words to it."""

    tasks: ClassVar[frozenset[Task]] = frozenset({"classification", "regression", "text"})
    inputs: TableInputs

    @classmethod
    def fit_table(cls, features: Features, bins: int) -> TableInputs:
        """The inputs.

        Raises:
            MendableError: there are no columns but pictures.
        """
        if not (features.number_names or features.code_names or features.text_names):
            raise MendableError(f"{cls.name}: needs columns; for pictures take the algorithm cnn")
        return TableInputs.fit(features, bins)

    @classmethod
    def read_inputs(
        cls, arrays: Mapping[str, NDArray[np.generic]], state: Mapping[str, Any]
    ) -> TableInputs:
        """See :meth:`Network.read_inputs`."""
        return TableInputs.read(arrays, tuple(state["texts"]))

    def inputs_state(self) -> dict[str, Any]:
        """See :meth:`Network.inputs_state`."""
        return {"texts": list(self.inputs.texts)}
