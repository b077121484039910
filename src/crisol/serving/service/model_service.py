"""A predictor behind an application, which every family's service is.

It stands in front of BentoML's own application (:mod:`crisol.serving.service.front`): BentoML
brings the server, the workers, the model store and the bundle; every answer, the health pages
included, comes from here, in one shape.
"""

import asyncio
import gc
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from crisol import __version__
from crisol.core.predictor import (
    Predictor,
    UnknownRuntimeError,
    predictor_digest,
    read_manifest,
)
from crisol.models import load_predictor
from crisol.serving.http.application import Application, create_app
from crisol.serving.http.config import ConfigurationError, Settings
from crisol.serving.http.errors import ApiError
from crisol.serving.http.exchange import Exchange
from crisol.serving.http.host import BodyKind, Host
from crisol.serving.http.routes import Route, needs
from crisol.serving.service.batching import Infer, MicroBatcher, Observe

_log = logging.getLogger("crisol.serving")


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


class ModelService(Host):
    """The service of one family.

    Built at import, when nothing is loaded yet; :meth:`open` and :meth:`start` bring it to life in
    a worker.

    Args:
        family: the family of the predictor that it serves.
        title: title of the API page.
        description: text of the API page (Markdown).
        routes: the routes beside the common pages.
        resources: opened with the service and closed with it, such as a store; one that cannot be
            opened makes the service not ready.
        prepare: changes the predictor as the settings say; when it cannot, the service is not
            ready.
        workers: make the background workers of a service that is ready.
    """

    def __init__(
        self,
        family: str,
        *,
        title: str,
        description: str,
        routes: Iterable[BaseRoute],
        resources: "Mapping[str, OpenResource] | None" = None,
        prepare: "Prepare | None" = None,
        workers: "Mapping[str, MakeWorker] | None" = None,
    ) -> None:
        super().__init__(family)
        self.family = family
        self.routes = tuple(copy(route) for route in routes if isinstance(route, APIRoute))
        """Copies: each service describes the contract of its own predictor on them."""
        self.stamp: Mapping[str, str] = {}
        """The origin of the predictor: run, commit, version."""
        self.manifest: Mapping[str, Any] = {}
        self.directory: Path | None = None
        self.differences: list[str] = []
        """The golden examples that were answered differently."""
        self.resources: dict[str, Any] = {}
        """The open resources by name."""
        self.workers: dict[str, Any] = {}
        """The background workers by name."""
        self._open_resources = dict(resources or {})
        self._prepare = prepare
        self._make_workers = dict(workers or {})
        self._predictor: Predictor[Any, Any] | None = None
        self._batcher: MicroBatcher | None = None
        self._queues: dict[str, MicroBatcher] = {}
        self._model_version("none")
        self.reasons = ["the model is not loaded yet"]
        self.app = self._create_app(title, description, self.routes)

    # -- life ------------------------------------------------------------------------------------

    def open(  # type: ignore[override]
        self,
        directory: Path | str,
        stamp: Mapping[str, str],
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Load the predictor, replay its golden examples, read the settings.

        A reason that keeps it from answering makes the service not ready; ``/readyz`` and the log
        name the reason. A predictor that cannot be loaded at all ends the worker.

        Raises:
            PredictorError: the directory is not a whole predictor of this family.
        """
        reasons = self.configure(environment)
        self.directory = Path(directory)
        self.stamp = dict(stamp)
        predictor = _load(directory, self.settings.runtime, reasons)
        if predictor.family != self.family:
            raise ConfigurationError(f"{directory} holds {predictor.family!r}, not {self.family!r}")
        self.manifest = read_manifest(directory)
        try:
            if self._prepare is not None:
                predictor = self._prepare(predictor, self.settings)
        except ConfigurationError as error:
            reasons.append(str(error))
        predictor.model_version = self.stamp.get("model_version", predictor.model_version)
        self._predictor = predictor
        self._model_version(predictor.model_version)
        if "torch" in sys.modules:
            # Two torch threads on a busy machine turn microseconds into tens of milliseconds.
            import torch

            torch.set_num_threads(1)
        self.differences = predictor.replay_golden()
        for name, open_resource in self._open_resources.items():
            try:
                self.resources[name] = open_resource(self.family, self.settings)
            except ConfigurationError as error:
                reasons.append(str(error))
        self.reasons = reasons + self.differences
        self.app.openapi_schema = None
        _describe(self.routes, predictor, _golden_answer(predictor))
        digest = predictor_digest(directory)
        self.metrics.model({"predictor_digest": digest, **self._names()}, ready=self.ready)
        self._announce()

    async def start(self) -> None:
        """Start the inference thread and those of the routes, in the worker's event loop."""
        await super().start()
        predictor = self.predictor
        self._batcher = self._start_batcher(
            predictor.infer,
            self.metrics.forward,
            self.settings.timeout_s,
            inline_s=predictor.inline_s,
        )
        for route in self.queued_routes:
            work = partial(route.answer_all, self)
            observe = partial(self.metrics.endpoint_batch, route.path)
            timeout_s = route.queue_timeout_s(self.settings)
            self._queues[route.path] = self._start_batcher(
                work, observe, timeout_s, at_once=route.at_once
            )
        if self.ready:
            for name, make in self._make_workers.items():
                self.workers[name] = make(self)
                self.workers[name].start()
        # What was loaded lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()

    def _start_batcher(
        self,
        infer: Infer,
        observe: Observe,
        timeout_s: float,
        *,
        at_once: int | None = None,
        inline_s: float = 0.0,
    ) -> MicroBatcher:
        batcher = MicroBatcher(
            infer,
            max_batch=at_once or self.settings.max_batch,
            max_queue=self.settings.max_queue,
            timeout_s=timeout_s,
            observe=observe,
            inline_s=inline_s,
        )
        batcher.start()
        return batcher

    async def stop(self) -> None:
        """Finish what is queued, close the resources and write the last log lines."""
        self.reasons = ["the service is stopping"]
        for batcher in (self._batcher, *self._queues.values()):
            if batcher is not None:
                await batcher.close()
        for worker in self.workers.values():
            await asyncio.to_thread(worker.close)
        for resource in self.resources.values():
            resource.close()
        await super().stop()

    # -- parts -----------------------------------------------------------------------------------

    @property
    def queued_routes(self) -> Sequence[Any]:
        """The routes that have a thread of their own."""
        return [route for route in self.routes if hasattr(route, "answer_all")]

    @property
    def keeps_state(self) -> bool:
        """Whether the service keeps something over a restart."""
        return bool(self._open_resources)

    @property
    def pending_rows(self) -> int:
        """Rows that are waiting or being worked on now."""
        batchers = () if self._batcher is None else (self._batcher, *self._queues.values())
        return sum(batcher.pending_rows for batcher in batchers)

    @property
    def pending(self) -> int:
        """How much is waiting or being worked on now."""
        return super().pending + self.pending_rows

    @property
    def predictor(self) -> Predictor[Any, Any]:
        """The predictor that answers."""
        if self._predictor is None:
            raise ApiError(503, "The model is not loaded yet.", headers={"retry-after": "1"})
        return self._predictor

    @property
    def batcher(self) -> MicroBatcher:
        """The batching queue in front of the network."""
        return _started(self._batcher)

    def queue_of(self, route: APIRoute) -> MicroBatcher:
        """The batching queue of a route that has a thread of its own."""
        return _started(self._queues.get(route.path))

    def answer_timeout_s(self, kind: BodyKind) -> float:
        """How long a function may take to answer a body of this kind, in seconds."""
        return self.settings.upload_timeout_s if kind == "bulk" else self.settings.timeout_s

    def observe(self, route: Any, exchange: Exchange, seconds: float) -> None:
        """Count one call of a plain function, as those of the routes with a thread."""
        exchange.rows, exchange.inference_ms = 1, 1000 * seconds
        self.metrics.endpoint_batch(_name(route), 1, seconds)

    # -- telling ---------------------------------------------------------------------------------

    def _model_version(self, version: str) -> None:
        self.model_version = version
        self.reply_headers = ((b"x-model-version", version.encode()),)

    @property
    def version(self) -> str:
        """The version that the API page names: the model's."""
        return self.model_version

    def ready_facts(self) -> dict[str, Any]:
        """The answer of ``/readyz``."""
        return {"status": "ready", "golden_examples": len(self.predictor.golden)}

    def health_facts(self) -> dict[str, Any]:
        """The answer of ``/health``."""
        return {
            "status": "ready",
            "family": self.family,
            "model_version": self.model_version,
            "uptime_s": round(time.time() - self.began, 1),
            "pending_rows": self.pending_rows,
        }

    def log_fields(self) -> dict[str, Any]:
        """Further fields of each line of the access log."""
        return {"model_version": self.model_version}

    def document_with(self, directory: Path | str) -> dict[str, Any]:
        """The OpenAPI document of the service when it serves this predictor, before it does.

        Raises:
            PredictorError: the directory is not a whole predictor.
        """
        predictor = load_predictor(directory)
        routes = tuple(map(copy, self.routes))
        _describe(routes, predictor, None)
        found = self._create_app(self.app.title, self.app.description, routes).openapi()
        found["info"]["version"] = predictor.model_version
        return found

    def _create_app(self, title: str, description: str, routes: Sequence[APIRoute]) -> Application:
        everything = [*routes, *_origin().routes]
        return create_app(self, title=title, description=description, routes=everything)

    def _names(self) -> dict[str, str]:
        return {
            "family": self.family,
            "model_version": self.model_version,
            "run_id": self.stamp.get("run_id", ""),
            "git_commit": self.stamp.get("git_commit", ""),
        }

    def _announce(self) -> None:
        fields = {"fields": {**self._names(), "reasons": self.reasons}}
        if self.auth is not None and self.auth.disabled:
            _log.warning("CRISOL_AUTH=disabled: everybody who can reach this port is answered")
        if self.ready:
            _log.info("ready", extra=fields)
        else:
            _log.error("not ready", extra=fields)


def _load(directory: Path | str, runtime: str | None, reasons: list[str]) -> Predictor[Any, Any]:
    """The predictor as a runtime runs it; as it was saved, and a reason, where that cannot be."""
    if runtime is not None:
        try:
            predictor = load_predictor(directory, runtime=runtime)
            predictor.replay_golden()  # some networks are prepared by the first answer
        except UnknownRuntimeError as error:
            reasons.append(f"CRISOL_RUNTIME: {error}")
        except ImportError as error:
            reasons.append(
                f"CRISOL_RUNTIME: {runtime!r} needs {error.name}, which is not installed here; "
                "leave it unset to run the predictor as it was saved"
            )
        else:
            return predictor
    return load_predictor(directory)


OpenResource = Callable[[str, Settings], Resource]
"""Opens a resource of a family, or raises
:class:`~crisol.serving.http.config.ConfigurationError` with the reason."""
Prepare = Callable[[Any, Settings], Predictor[Any, Any]]
"""Takes the predictor of the family and returns it as the settings want it, or raises the same."""
MakeWorker = Callable[[ModelService], BackgroundWorker]
"""Makes a background worker of a service that is ready."""


async def _service(request: Request) -> ModelService:
    service: ModelService = request.app.state.host
    return service


ServiceOf = Annotated[ModelService, Depends(_service)]
"""A parameter of a route: the service."""


def _started(batcher: MicroBatcher | None) -> MicroBatcher:
    if batcher is None:
        raise ApiError(503, "The service has not started yet.", headers={"retry-after": "1"})
    return batcher


def _describe(routes: Sequence[Any], predictor: Predictor[Any, Any], answer: Any) -> None:
    for index, route in enumerate(routes):
        if hasattr(route, "serve"):
            route.serve(predictor, answer if index == 0 else None)


def _golden_answer(predictor: Predictor[Any, Any]) -> Any:
    """The answer to the first golden request, an example for the API page."""
    if not predictor.golden:
        return None
    golden = predictor.request_type.model_validate(predictor.golden[0].request)
    return predictor.predict([golden])[0].model_dump(mode="json")


def _contract(route: APIRoute) -> tuple[str, dict[str, str]]:
    body = route.body_field
    request = "" if body is None else body.field_info.annotation.__name__  # type: ignore[union-attr]
    response = "" if route.response_model is None else route.response_model.__name__
    return _name(route), {"method": _method(route), "request": request, "response": response}


def _method(route: APIRoute) -> str:
    return "".join(route.methods or ())


def _name(route: APIRoute) -> str:
    """The path of a route, and its method where that is not ``POST``."""
    method = _method(route)
    return route.path if method == "POST" else f"{method} {route.path}"


class _OriginRoute(Route):
    waits_for_ready = False


def _origin() -> APIRouter:
    """The page about the origin of the predictor, for callers with a key."""
    router = APIRouter(route_class=_OriginRoute, tags=["service"])

    @router.get(
        "/model",
        operation_id="model",
        summary="Where the served model comes from: run, commit, data digests, gate.",
        dependencies=[needs()],
    )
    async def model(service: ServiceOf) -> dict[str, Any]:
        if service.directory is None:
            raise service.not_ready()
        manifest = service.manifest
        return {
            "family": service.family,
            "model_version": service.model_version,
            "lineage": service.stamp,
            "predictor": {
                "digest": predictor_digest(service.directory),
                "crisol": manifest["crisol"],
                "runtime": service.settings.runtime or manifest.get("runtime", ""),
                "files": manifest["files"],
            },
            "golden": {
                "examples": len(service.predictor.golden),
                "differences": service.differences,
            },
            "contract": dict(map(_contract, service.routes)),
            "service": {"crisol": __version__},
        }

    return router
