"""The capabilities that a family states; the shared tests apply only those that it has."""

from crisol.core.params import Params


class Capabilities(Params):
    """Stated by a family on its front as ``CAPABILITIES``; the conformance tests check each one.

    >>> Capabilities(trains_network=True).keeps_state
    False
    """

    trains_network: bool = False
    """Training goes through :mod:`crisol.core.training.loop`: it writes a history of losses, and
    resumes after a kill to the same weights."""
    retrains: bool = False
    """Training can start from the champion (``train.init_from``)."""
    keeps_state: bool = False
    """The service writes something that a restart must find again."""
    several_lines: bool = False
    """The data decides the contract; each dataset is a line of its own, such as
    ``tabular.adult``."""
