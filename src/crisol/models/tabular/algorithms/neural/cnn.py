"""A small residual convolutional network for pictures (arXiv:1512.03385)."""

from collections.abc import Mapping
from typing import Any, ClassVar

from numpy.typing import NDArray
from torch import nn

from crisol.models.tabular.algorithms.neural.network import Network
from crisol.models.tabular.features.encoded_rows import Features
from crisol.models.tabular.networks.residual import PictureInputs, ResidualNetwork
from crisol.models.tabular.schema import Task
from crisol.models.tabular.settings import CNNSettings, NetworkSettings


class CNN(Network):
    """Reads pictures; other columns of a row join at the end."""

    name = "cnn"
    tasks: ClassVar[frozenset[Task]] = frozenset({"classification", "regression", "image"})
    settings_type: ClassVar[type[NetworkSettings]] = CNNSettings
    rows_at_once: ClassVar[int] = 256
    inputs: PictureInputs

    @classmethod
    def fit_inputs(cls, settings: CNNSettings, features: Features) -> PictureInputs:  # noqa: ARG003
        """See :meth:`Network.fit_inputs`."""
        return PictureInputs.fit(features)

    @classmethod
    def build(cls, settings: CNNSettings, inputs: PictureInputs, outputs: int) -> nn.Module:
        """See :meth:`Network.build`."""
        return ResidualNetwork(
            inputs, settings.channels, outputs, settings.dropout, mirror=settings.mirror
        )

    @classmethod
    def read_inputs(
        cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]
    ) -> PictureInputs:
        """See :meth:`Network.read_inputs`."""
        return PictureInputs.read(arrays, tuple(state["texts"]))

    def inputs_state(self) -> dict[str, Any]:
        """See :meth:`Network.inputs_state`."""
        return {"texts": list(self.inputs.table.texts)}
