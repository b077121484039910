"""TabM: many perceptrons in one (Gorishniy et al., arXiv:2410.24210), the variant TabM-mini."""

from typing import Any, ClassVar

from torch import nn

from crisol.models.tabular.algorithms.neural.mlp import MLP, perceptrons
from crisol.models.tabular.networks.table_inputs import TableInputs
from crisol.models.tabular.settings import NetworkSettings, TabMSettings


class TabM(MLP):
    """Perceptrons that share their layers and differ in how they look at a row and in their heads.

    In one pass they cost little more than one, and their mean is better than any of them.
    """

    name = "tabm"
    settings_type: ClassVar[type[NetworkSettings]] = TabMSettings

    @classmethod
    def build(cls, settings: Any, inputs: TableInputs, outputs: int) -> nn.Module:
        """See :meth:`Network.build`."""
        return perceptrons(settings, inputs, outputs, members=settings.members)
