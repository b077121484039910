"""What a service has beside its predictor."""

from collections.abc import Callable
from typing import Any, Protocol

from crisol.core.predictor import Predictor
from crisol.serving.http.config import Settings


class Resource(Protocol):
    """Something a service keeps open beside its predictor, such as a store."""

    def close(self) -> None:
        """Let go of it; called once, when nothing asks it any more."""


class Worker(Protocol):
    """Something that goes on in the background while the service answers."""

    def start(self) -> None:
        """Begin; called when the service is ready."""

    def close(self) -> None:
        """Leave off, before any resource is closed."""


OpenResource = Callable[[str, Settings], Resource]
"""Opens a resource of a family, or raises
:class:`~crisol.serving.http.config.ConfigurationError` with the reason."""
Prepare = Callable[[Predictor[Any, Any], Settings], Predictor[Any, Any]]
"""The predictor as the settings want it, or raises the same."""
