"""The interfaces between a family's service and its parts."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from crisol.core.predictor import Predictor
from crisol.serving.http.asgi import Request
from crisol.serving.http.config import Settings
from crisol.serving.http.endpoints import Endpoint
from crisol.serving.http.metrics import Metrics
from crisol.serving.http.pages import PageHost
from crisol.serving.service.batching import MicroBatcher


class Resource(Protocol):
    """Something a service keeps open beside its predictor, such as a store."""

    def close(self) -> None:
        """Close it; called once, when nothing uses it any more."""


class BackgroundWorker(Protocol):
    """Work that goes on in the background while the service answers."""

    def start(self) -> None:
        """Begin; called when the service is ready."""

    def close(self) -> None:
        """Stop, before any resource is closed."""


class ModelService(Protocol):
    """The parts of a family's service that its endpoints use."""

    @property
    def settings(self) -> Settings:
        """The operator's settings."""

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """Every endpoint of the service."""

    @property
    def metrics(self) -> Metrics:
        """The counters for Prometheus."""

    @property
    def predictor(self) -> Predictor[Any, Any]:
        """The predictor that answers; its own type is the family's."""

    @property
    def model_version(self) -> str:
        """Version of the predictor."""

    @property
    def batcher(self) -> MicroBatcher:
        """The batching queue in front of the network."""

    def batcher_of(self, endpoint: Endpoint) -> MicroBatcher:
        """The batching queue of an endpoint that has a thread of its own."""

    @property
    def pending_rows(self) -> int:
        """Rows that are waiting or being worked on now."""

    @property
    def resources(self) -> Mapping[str, Any]:
        """The open resources by name."""

    @property
    def workers(self) -> Mapping[str, Any]:
        """The background workers by name."""


class ModelPageHost(PageHost, ModelService, Protocol):
    """The parts of a family's service that its pages show."""

    @property
    def family(self) -> str:
        """Name of the family."""

    @property
    def directory(self) -> Path | None:
        """The predictor directory; ``None`` before it is loaded."""

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The manifest of the predictor directory."""

    @property
    def stamp(self) -> Mapping[str, str]:
        """The origin of the predictor: run, commit, version."""

    @property
    def differences(self) -> Sequence[str]:
        """The golden examples that were answered differently."""

    def admit(self, call: Request) -> None:
        """Name the caller, or refuse the request."""


OpenResource = Callable[[str, Settings], Resource]
"""Opens a resource of a family, or raises
:class:`~crisol.serving.http.config.ConfigurationError` with the reason."""
Prepare = Callable[[Any, Settings], Predictor[Any, Any]]
"""Takes the predictor of the family and returns it as the settings want it, or raises the same."""
MakeWorker = Callable[[ModelService], BackgroundWorker]
"""Makes a background worker of a service that is ready."""
