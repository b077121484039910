"""The network that the parameters name."""

from crisol.models.signals.network_params import Architecture, NetworkParams
from crisol.models.signals.networks.alstm import ALSTM
from crisol.models.signals.networks.member import MemberNetwork
from crisol.models.signals.networks.network import SignalNetwork

_NETWORKS: dict[Architecture, type[MemberNetwork]] = {
    "attention_lstm": SignalNetwork,
    "alstm": ALSTM,
}


def make_network(params: NetworkParams) -> MemberNetwork:
    """An untrained network of ``params.architecture``."""
    return _NETWORKS[params.architecture](params)
