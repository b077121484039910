"""What every service shares: one ASGI application around a predictor.

It stands in front of BentoML's own (:mod:`crisol.serving.front`): BentoML brings the server, the
workers, the model store and the bundle; every answer, the health routes included, comes from here,
in one shape. Work per request is what its contract needs and little more.
"""

import asyncio
import gc
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from crisol.core.errors import FieldError
from crisol.core.predictor import Predictor, predictor_digest, read_manifest
from crisol.models import load_predictor
from crisol.serving import logs, openapi
from crisol.serving.asgi import Call, Reply, Scope, Send, send_reply
from crisol.serving.auth import Authenticator
from crisol.serving.batching import Infer, MicroBatcher, Observe
from crisol.serving.config import ConfigurationError, Settings
from crisol.serving.endpoints import Act, Ask, Endpoint, Predict, Question
from crisol.serving.errors import ApiError, ErrorDetail, from_field
from crisol.serving.front import FrontedService
from crisol.serving.limits import ClientDisconnected, RateLimit, Receive
from crisol.serving.metrics import Metrics
from crisol.serving.pages import service_pages
from crisol.serving.resources import OpenResource, Prepare, Worker
from crisol.serving.routing import Routes

__all__ = [
    "Act", "Ask", "BundleArguments", "Endpoint", "FrontedService", "Predict", "Question",
    "ServiceApp",
]  # fmt: skip

_log = logging.getLogger("crisol.serving")


class BundleArguments(BaseModel):
    """What a bundle remembers from its build (``bentoml build --arg model=signals:3-1f2e``)."""

    model_config = ConfigDict(extra="forbid")

    model: str = ""
    """Tag of the predictor in BentoML's model store; empty: the newest of the family."""


class ServiceApp:
    """The ASGI application of one family.

    Built at import, when nothing is loaded yet; :meth:`open` and :meth:`start` bring it to life in
    a worker.

    Args:
        family: whose predictor it serves.
        title: of the API page.
        description: of the API page (Markdown).
        endpoints: what clients may ask.
        resources: what is opened with the service and closed with it; one that cannot be opened
            makes the service not ready.
        prepare: what the settings change about the predictor; when it cannot, the service is not
            ready.
        workers: what goes on in the background of a service that is ready.
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
        workers: Mapping[str, Callable[["ServiceApp"], Worker]] | None = None,
    ) -> None:
        self.family = family
        self.endpoints = tuple(endpoints)
        self.title = title
        self._description = description
        self.began = time.time()
        self.settings = Settings()
        self.stamp: Mapping[str, str] = {}
        self.reasons: list[str] = ["the model is not loaded yet"]
        self.metrics = Metrics()
        self._predictor: Predictor[Any, Any] | None = None
        self._batcher: MicroBatcher | None = None
        self._lanes: dict[str, MicroBatcher] = {}
        self._open_resources = dict(resources or {})
        self.resources: dict[str, Any] = {}
        """What is open, by its name."""
        self._prepare = prepare
        self._make_workers = dict(workers or {})
        self.workers: dict[str, Any] = {}
        """What goes on in the background, by its name."""
        self.manifest: Mapping[str, Any] = {}
        self._auth: Authenticator | None = None
        self._rate = RateLimit(0, 1)
        self._access = logs.AccessLog()
        self._model_version = b"none"
        self.directory: Path | None = None
        self.differences: list[str] = []
        self._document: dict[str, Any] | None = None
        self._routes: Routes[Any] = Routes(
            [("GET", path, page) for path, page in service_pages(self).items()]
            + [(e.method, e.path, e) for e in self.endpoints]
        )

    # -- life ------------------------------------------------------------------------------------

    def open(
        self,
        directory: Path | str,
        stamp: Mapping[str, str],
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Load the predictor, replay its golden examples, read the settings.

        What prevents it from answering makes the service not ready, and ``/readyz`` and the log say
        why. A predictor that cannot be loaded at all ends the worker.

        Raises:
            PredictorError: the directory is not a whole predictor of this family.
        """
        reasons: list[str] = []
        try:
            self.settings = Settings.from_environment(environment)
        except ConfigurationError as error:
            reasons.append(str(error))
        logs.configure(self.settings.log_level)
        try:
            self._auth = Authenticator(self.settings)
        except ConfigurationError as error:
            reasons.append(str(error))
        self._rate = RateLimit(self.settings.rate_per_s, self.settings.rate_burst)
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
        timeout_s = self.settings.timeout_s
        self._batcher = self._start_batcher(self.predictor.infer, self.metrics.forward, timeout_s)
        for endpoint in self.endpoints:
            if endpoint.answer_all is not None:
                work = partial(endpoint.answer_all, self)
                observe = partial(self.metrics.lane, endpoint.name)
                timeout_s = endpoint.answer_timeout_s(self.settings)
                self._lanes[endpoint.name] = self._start_batcher(work, observe, timeout_s)
        if self.ready:
            for name, make in self._make_workers.items():
                self.workers[name] = make(self)
                self.workers[name].start()
        # What was loaded lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()

    def _start_batcher(self, infer: Infer, observe: Observe, timeout_s: float) -> MicroBatcher:
        batcher = MicroBatcher(
            infer,
            max_batch=self.settings.max_batch,
            max_queue=self.settings.max_queue,
            timeout_s=timeout_s,
            observe=observe,
        )
        batcher.start()
        return batcher

    async def stop(self) -> None:
        """Finish what is queued, close the resources and write the last log lines."""
        self.reasons = ["the service is stopping"]
        for batcher in (self._batcher, *self._lanes.values()):
            if batcher is not None:
                await batcher.close()
        for worker in self.workers.values():
            await asyncio.to_thread(worker.close)
        for resource in self.resources.values():
            resource.close()
        self._access.flush()

    @property
    def keeps_state(self) -> bool:
        """Whether the service writes something that a restart must find again."""
        return bool(self._open_resources)

    @property
    def ready(self) -> bool:
        """Whether nothing stands against answering."""
        return not self.reasons

    @property
    def model_version(self) -> str:
        """Version of the predictor; ``none`` before it is loaded."""
        return self._model_version.decode()

    @property
    def pending_rows(self) -> int:
        """Rows that are waiting or being worked on now."""
        batchers = () if self._batcher is None else (self._batcher, *self._lanes.values())
        return sum(batcher.pending_rows for batcher in batchers)

    @property
    def predictor(self) -> Predictor[Any, Any]:
        """The predictor that answers."""
        if self._predictor is None:
            raise ApiError(503, "The model is not loaded yet.", headers={"retry-after": "1"})
        return self._predictor

    @property
    def batcher(self) -> MicroBatcher:
        """The road through the network."""
        if self._batcher is None:
            raise ApiError(503, "The service has not started yet.", headers={"retry-after": "1"})
        return self._batcher

    def lane(self, endpoint: Endpoint) -> MicroBatcher:
        """The road through the thread of an endpoint that has one."""
        lane = self._lanes.get(endpoint.name)
        if lane is None:
            raise ApiError(503, "The service has not started yet.", headers={"retry-after": "1"})
        return lane

    # -- answering -------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        call = Call.begin(scope, receive)
        try:
            reply = await self._answer(call)
            code = ""
        except ApiError as error:
            code = error.code
            reply = Reply.json(error.body(call.request_id), error.status, error.headers)
        except FieldError as found:
            error = from_field(found)
            code = error.code
            call.problems[found.kind] = 1
            reply = Reply.json(error.body(call.request_id), error.status)
        except ClientDisconnected:
            self._record(call, 499, "client_disconnected", 0)
            return
        except Exception:  # noqa: BLE001 - the boundary: logged, and answered with 500
            _log.exception("request failed", extra={"fields": {"request_id": call.request_id}})
            error = ApiError(500)
            code = error.code
            reply = Reply.json(error.body(call.request_id), error.status)
        await send_reply(call, reply, self._model_version, send)
        self._record(call, reply.status, code, len(reply.body))

    async def _answer(self, call: Call) -> Reply:
        route = self._routes.find(call.scope["path"])
        if route is None:
            raise ApiError(404)
        call.route, call.parameters = route.path, route.parameters
        page = route.page(call.scope["method"])
        if page is None:
            raise ApiError(405, headers={"allow": route.allow})
        if not isinstance(page, Endpoint):
            return page(call)
        self.admit(call)
        if not self.ready:
            raise self.not_ready()
        return await page.answer(self, call)

    def admit(self, call: Call) -> None:
        """Name the caller and take one token of its rate.

        Raises:
            ApiError: 401, 403, 429, or 503 when nobody has configured who may ask.
        """
        if self._auth is None:
            raise self.not_ready()
        headers = call.headers
        call.caller = self._auth.caller(headers.get(b"x-api-key"), headers.get(b"authorization"))
        self._rate.take(call.caller)

    def not_ready(self) -> ApiError:
        """503, with every reason."""
        details = [ErrorDetail(field="", message=r, type="not_ready") for r in self.reasons]
        return ApiError(
            503,
            "The service is not ready; see details.",
            details=details,
            code="not_ready",
            headers={"retry-after": "5"},
        )

    def _record(self, call: Call, status: int, code: str, bytes_out: int) -> None:
        method = call.scope["method"] if call.route != "unmatched" else "any"
        self.metrics.request(call.route, method, status, call.milliseconds / 1000)
        if self.settings.log_level not in ("DEBUG", "INFO") and status < 500:
            return
        self._access.write(
            request_id=call.request_id,
            route=call.route,
            method=method,
            status=status,
            code=code,
            caller=call.caller,
            model_version=self.model_version,
            milliseconds=round(call.milliseconds, 3),
            inference_ms=round(call.inference_ms, 3),
            rows=call.rows,
            bytes_in=call.bytes_in,
            bytes_out=bytes_out,
            problems=call.problems,
        )

    @property
    def document(self) -> dict[str, Any]:
        """The OpenAPI document."""
        if self._document is None:
            self._document = self._build_document()
        return self._document

    def _build_document(self) -> dict[str, Any]:
        answer = None
        predictor = self._predictor
        if predictor is not None and predictor.golden:
            golden = predictor.request_type.model_validate(predictor.golden[0].request)
            answer = predictor.predict([golden])[0].model_dump(mode="json")
        return openapi.build_document(
            self.family,
            self.title,
            self._description,
            self.endpoints,
            self.model_version,
            self._auth,
            answer,
        )

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
