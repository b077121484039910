"""The ASGI application around a predictor, which every family's service is.

It stands in front of BentoML's own (:mod:`crisol.serving.service.front`): BentoML brings the
server, the workers, the model store and the bundle; every answer, the health routes included, comes
from here, in one shape.
"""

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from crisol.core.predictor import Predictor, predictor_digest, read_manifest
from crisol.models import load_predictor
from crisol.serving.http import openapi
from crisol.serving.http.application import Application
from crisol.serving.http.asgi import Headers
from crisol.serving.http.config import ConfigurationError
from crisol.serving.http.endpoints import Endpoint
from crisol.serving.http.errors import ApiError
from crisol.serving.http.pages import Page
from crisol.serving.service.answering import QueuedEndpoint
from crisol.serving.service.batching import Infer, MicroBatcher, Observe
from crisol.serving.service.pages import model_pages
from crisol.serving.service.protocols import MakeWorker, OpenResource, Prepare

_log = logging.getLogger("crisol.serving")


class ServiceApp(Application):
    """The ASGI application of one family.

    Built at import, when nothing is loaded yet; :meth:`open` and :meth:`start` bring it to life in
    a worker.

    Args:
        family: the family of the predictor that it serves.
        title: title of the API page.
        description: text of the API page (Markdown).
        endpoints: the endpoints beside the pages.
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
        endpoints: Sequence[Endpoint],
        resources: Mapping[str, OpenResource] | None = None,
        prepare: Prepare | None = None,
        workers: Mapping[str, MakeWorker] | None = None,
    ) -> None:
        self.family = family
        self.stamp: Mapping[str, str] = {}
        self._predictor: Predictor[Any, Any] | None = None
        self._batcher: MicroBatcher | None = None
        self._batchers: dict[str, MicroBatcher] = {}
        self._open_resources = dict(resources or {})
        self.resources: dict[str, Any] = {}
        """The open resources by name."""
        self._prepare = prepare
        self._make_workers = dict(workers or {})
        self.workers: dict[str, Any] = {}
        """The background workers by name."""
        self.manifest: Mapping[str, Any] = {}
        self._model_version = b"none"
        self.reply_headers: Headers = ((b"x-model-version", b"none"),)
        self.directory: Path | None = None
        self.differences: list[str] = []
        super().__init__(family, title=title, description=description, endpoints=endpoints)
        self.reasons = ["the model is not loaded yet"]

    def _common_pages(self) -> dict[str, Page]:
        return model_pages(self)

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
        reasons = self._configure(environment)
        self.directory = Path(directory)
        self.stamp = dict(stamp)
        predictor = load_predictor(directory, runtime=self.settings.runtime)
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
        self._model_version = predictor.model_version.encode()
        self.reply_headers = ((b"x-model-version", self._model_version),)
        self.endpoints = tuple(endpoint.serving(predictor) for endpoint in self.endpoints)
        self._routes = self._build_routes()
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
        self._document = self._build_document()
        digest = predictor_digest(directory)
        self.metrics.model({"predictor_digest": digest, **self._names()}, ready=self.ready)
        self._announce()

    async def start(self) -> None:
        """Start the inference thread and those of the endpoints, in the worker's event loop."""
        await super().start()
        timeout_s = self.settings.timeout_s
        infer, forward = self.predictor.infer, self.metrics.forward
        self._batcher = self._start_batcher(infer, forward, timeout_s, None)
        for endpoint in self.endpoints:
            if isinstance(endpoint, QueuedEndpoint):
                work = partial(endpoint.answer_all, self)
                observe = partial(self.metrics.endpoint_batch, endpoint.name)
                timeout_s = endpoint.answer_timeout_s(self.settings)
                batcher = self._start_batcher(work, observe, timeout_s, endpoint.at_once)
                self._batchers[endpoint.name] = batcher
        if self.ready:
            for name, make in self._make_workers.items():
                self.workers[name] = make(self)
                self.workers[name].start()
        # What was loaded lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()

    def _start_batcher(
        self, infer: Infer, observe: Observe, timeout_s: float, at_once: int | None
    ) -> MicroBatcher:
        batcher = MicroBatcher(
            infer,
            max_batch=at_once or self.settings.max_batch,
            max_queue=self.settings.max_queue,
            timeout_s=timeout_s,
            observe=observe,
        )
        batcher.start()
        return batcher

    async def stop(self) -> None:
        """Finish what is queued, close the resources and write the last log lines."""
        self.reasons = ["the service is stopping"]
        for batcher in (self._batcher, *self._batchers.values()):
            if batcher is not None:
                await batcher.close()
        for worker in self.workers.values():
            await asyncio.to_thread(worker.close)
        for resource in self.resources.values():
            resource.close()
        await super().stop()

    @property
    def keeps_state(self) -> bool:
        """Whether the service keeps something over a restart."""
        return bool(self._open_resources)

    @property
    def model_version(self) -> str:
        """Version of the predictor; ``none`` before it is loaded."""
        return self._model_version.decode()

    @property
    def pending_rows(self) -> int:
        """Rows that are waiting or being worked on now."""
        batchers = () if self._batcher is None else (self._batcher, *self._batchers.values())
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
        if self._batcher is None:
            raise ApiError(503, "The service has not started yet.", headers={"retry-after": "1"})
        return self._batcher

    def batcher_of(self, endpoint: Endpoint) -> MicroBatcher:
        """The batching queue of an endpoint that has a thread of its own."""
        batcher = self._batchers.get(endpoint.name)
        if batcher is None:
            raise ApiError(503, "The service has not started yet.", headers={"retry-after": "1"})
        return batcher

    # -- telling ---------------------------------------------------------------------------------

    def _log_fields(self) -> dict[str, Any]:
        return {"model_version": self.model_version}

    def document_with(self, directory: Path | str) -> dict[str, Any]:
        """The OpenAPI document of the service when it serves this predictor, before it does.

        Raises:
            PredictorError: the directory is not a whole predictor.
        """
        if not any(endpoint.takes_contract for endpoint in self.endpoints):
            return self.document
        predictor = load_predictor(directory)
        about = openapi.About(self.family, self.title, self.description, predictor.model_version)
        endpoints = [endpoint.serving(predictor) for endpoint in self.endpoints]
        return openapi.build_document(about, endpoints, self._auth)

    def _build_document(self) -> dict[str, Any]:
        answer = None
        predictor = self._predictor
        if predictor is not None and predictor.golden:
            golden = predictor.request_type.model_validate(predictor.golden[0].request)
            answer = predictor.predict([golden])[0].model_dump(mode="json")
        about = openapi.About(self.family, self.title, self.description, self.model_version)
        return openapi.build_document(about, self.endpoints, self._auth, answer)

    def _names(self) -> dict[str, str]:
        return {
            "family": self.family,
            "model_version": self.model_version,
            "run_id": self.stamp.get("run_id", ""),
            "git_commit": self.stamp.get("git_commit", ""),
        }

    def _announce(self) -> None:
        fields = {"fields": {**self._names(), "reasons": self.reasons}}
        if self._auth is not None and self._auth.disabled:
            _log.warning("CRISOL_AUTH=disabled: everybody who can reach this port is answered")
        if self.ready:
            _log.info("ready", extra=fields)
        else:
            _log.error("not ready", extra=fields)
