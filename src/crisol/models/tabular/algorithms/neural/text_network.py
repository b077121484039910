"""The base of networks for texts: their tokens."""

from collections.abc import Mapping
from typing import Any, ClassVar

from numpy.typing import NDArray

from crisol.core.errors import MendableError
from crisol.models.tabular.algorithms.neural.network import Network
from crisol.models.tabular.features.encoded_rows import Features
from crisol.models.tabular.networks.text_inputs import TextInputs
from crisol.models.tabular.schema import Task


class TextNetwork(Network):
    """A network that reads the texts of a row token by token; its other columns join at the end."""

    tasks: ClassVar[frozenset[Task]] = frozenset({"classification", "regression", "text"})
    rows_at_once: ClassVar[int] = 256
    inputs: TextInputs

    @classmethod
    def fit_inputs(cls, settings: Any, features: Features) -> TextInputs:
        """See :meth:`Network.fit_inputs`."""
        if not features.text_names:
            raise MendableError(
                f"{cls.name}: needs a column of the kind text; for a table without one take tabm"
            )
        return TextInputs.fit(features, settings.vocabulary, settings.max_tokens)

    @classmethod
    def read_inputs(
        cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]
    ) -> TextInputs:
        """See :meth:`Network.read_inputs`."""
        return TextInputs.read(arrays, state)

    def inputs_state(self) -> dict[str, Any]:
        """See :meth:`Network.inputs_state`."""
        return self.inputs.state()

    @classmethod
    def packages(cls) -> tuple[str, ...]:
        """See :meth:`Algorithm.packages`."""
        return ("torch", "tokenizers")
