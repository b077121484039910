"""The metrics of a service for Prometheus."""

import os
from collections.abc import Mapping

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters of one service.

    Where BentoML runs several workers they share files in ``PROMETHEUS_MULTIPROC_DIR``, and any
    worker answers for all. Children are looked up once and kept: ``labels()`` costs more than
    ``inc()``.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        self._requests = Counter(
            "crisol_requests", "Answered requests.", ["route", "method", "status"],
            registry=registry,
        )  # fmt: skip
        self._latency = Histogram(
            "crisol_request_seconds", "From the first byte read to the answer.", ["route"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._inference = Histogram(
            "crisol_inference_seconds", "One forward pass of the network.",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._batch = Histogram(
            "crisol_batch_rows", "Rows in one forward pass.", buckets=_ROWS, registry=registry
        )
        self._endpoint_seconds = Histogram(
            "crisol_lane_seconds", "One call in an endpoint's own thread.", ["route"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._endpoint_rows = Histogram(
            "crisol_lane_rows", "Rows in one call in an endpoint's own thread.", ["route"],
            buckets=_ROWS, registry=registry,
        )  # fmt: skip
        self._queued = Gauge(
            "crisol_pending_rows", "Rows waiting or being worked on.",
            multiprocess_mode="livesum", registry=registry,
        )  # fmt: skip
        self._ready = Gauge(
            "crisol_ready", "1 when nothing stands against answering.",
            multiprocess_mode="livemin", registry=registry,
        )  # fmt: skip
        self._info_labels = ("family", "model_version", "run_id", "git_commit", "predictor_digest")
        self._info = Gauge(
            "crisol_model_info", "The model that answers.", self._info_labels,
            multiprocess_mode="livemax", registry=registry,
        )  # fmt: skip
        self._request_children: dict[tuple[str, str, int], Counter] = {}
        self._latency_children: dict[str, Histogram] = {}

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answer. ``route`` is a known path, never what the client typed."""
        key = (route, method, status)
        counter = self._request_children.get(key)
        if counter is None:
            counter = self._request_children[key] = self._requests.labels(
                route, method, str(status)
            )
        counter.inc()
        histogram = self._latency_children.get(route)
        if histogram is None:
            histogram = self._latency_children[route] = self._latency.labels(route)
        histogram.observe(seconds)

    def forward(self, rows: int, seconds: float) -> None:
        """Count one forward pass."""
        self._batch.observe(rows)
        self._inference.observe(seconds)

    def endpoint_batch(self, route: str, rows: int, seconds: float) -> None:
        """Count one call in an endpoint's own thread."""
        self._endpoint_rows.labels(route).observe(rows)
        self._endpoint_seconds.labels(route).observe(seconds)

    def model(self, info: Mapping[str, str], *, ready: bool) -> None:
        """Tell which model answers and whether it may."""
        self._info.labels(*(info.get(name, "") for name in self._info_labels)).set(1)
        self.ready(ready)

    def ready(self, ready: bool) -> None:
        """Tell whether there is nothing against answering."""
        self._ready.set(float(ready))

    def render(self, pending_rows: int) -> bytes:
        """The page that Prometheus reads."""
        self._queued.set(pending_rows)
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
