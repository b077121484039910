"""The BentoML service around an application: one call for every family."""

import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import bentoml
from pydantic import BaseModel, ConfigDict

from crisol.core.backbones.packing import open_packed
from crisol.serving.http.config import ConfigurationError, Settings
from crisol.serving.http.connections import ConnectionLimits, bound_uvicorn
from crisol.serving.service.front import Front
from crisol.serving.service.model_service import ModelService


class BundleArguments(BaseModel):
    """The arguments that a bundle keeps (``bentoml build --arg model=signals:3-1f2e``)."""

    model_config = ConfigDict(extra="forbid")

    model: str = ""
    """Tag of the predictor in BentoML's model store; empty: the newest of the family."""


class FrontedService(bentoml.Service[Any]):  # type: ignore[misc]
    """A BentoML service whose HTTP requests all go to the application of its class."""

    def to_asgi(self, is_main: bool = True) -> Any:
        """The application a worker serves, just before it starts its server."""
        try:
            settings = Settings.from_environment(os.environ)
        except ConfigurationError:  # the service is not going to be ready, and says why
            settings = Settings()
        bound_uvicorn(ConnectionLimits.of(settings))
        return Front(super().to_asgi(is_main), self.inner.service.app)

    @property
    def import_string(self) -> str:
        """``module:variable`` of this service, from which BentoML's workers import it."""
        module = self.inner.__module__
        variables = vars(sys.modules[module])
        name = next(name for name, value in variables.items() if value is self)
        return f"{module}:{name}"


def bento_service(model_service: ModelService, module: str) -> FrontedService:
    """The BentoML service of a family, which serves the predictor of its bundle.

    Args:
        model_service: answers every request.
        module: ``__name__`` of the module that assigns the service to a variable.
    """
    arguments = bentoml.use_arguments(BundleArguments)

    class Served:
        """Serves the predictor of the bundle through its application."""

        service = model_service
        model = bentoml.models.BentoModel(arguments.model or f"{model_service.family}:latest")

        def __init__(self) -> None:
            open_packed(Path(self.model.path))
            self.service.open(self.model.path, self.model.info.metadata)
            self._life = AsyncExitStack()

        @bentoml.on_startup  # type: ignore[untyped-decorator]
        async def start(self) -> None:
            """Enter the application's lifespan."""
            app = self.service.app
            await self._life.enter_async_context(app.router.lifespan_context(app))

        @bentoml.on_shutdown  # type: ignore[untyped-decorator]
        async def stop(self) -> None:
            """Finish what is queued."""
            await self._life.aclose()

    Served.__module__ = module
    return FrontedService(name=model_service.family, inner=Served)
