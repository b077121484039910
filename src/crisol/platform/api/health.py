"""The health of the platform: the store, the disk, the queue, the executor."""

import threading
import time
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from crisol import __version__
from crisol.serving.http.errors import ApiError, ErrorDetail
from crisol.serving.http.host import HostOf
from crisol.serving.http.routes import Route, errors

_FRESH_S = 2.0
"""The store is checked no more often than this."""
_SLOW_S = 5.0


class HealthView(BaseModel):
    """The state of the platform's parts."""

    status: Literal["ready"]
    version: str = Field(description="Of Crisol.")
    uptime_s: float
    store_ms: float = Field(description="How long the store took to answer.")
    disk_free_bytes: int = Field(description="Room for uploads.")
    jobs: dict[str, Any] = Field(description="Queued, running, executor.")


class Health:
    """Checks the store, the disk and the queue, and caches the result for a moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at = 0.0
        self._seen: tuple[HealthView | None, list[str]] = (None, [])

    def look(self, app: Any) -> HealthView:
        """The state of the platform's parts.

        Raises:
            ApiError: 503, with every reason why something does not.
        """
        with self._lock:
            if time.monotonic() - self._at > _FRESH_S:
                self._seen = _look(app)
                self._at = time.monotonic()
            found, problems = self._seen
        problems = [*app.reasons, *problems]
        if problems or found is None:
            details = [ErrorDetail(field="", message=p, type="unhealthy") for p in problems]
            again = {"retry-after": "5"}
            message = "The platform cannot do its work; see details."
            raise ApiError(503, message, details=details, code="unhealthy", headers=again)
        return found


def _look(app: Any) -> tuple[HealthView | None, list[str]]:
    problems: list[str] = []
    began = time.perf_counter()
    try:
        app.store.client().search_experiments(max_results=1)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told; addresses are not
        return None, [f"the MLflow store does not answer ({type(error).__name__})"]
    store_s = time.perf_counter() - began
    if store_s > _SLOW_S:
        problems.append(f"the MLflow store took {store_s:.1f} s to answer")
    try:
        free = app.uploads.free_bytes()
    except OSError as error:
        return None, [f"the state folder cannot be used ({error.strerror})"]
    if free <= 0:
        problems.append("the disk of the state folder is full")
    jobs = dict(app.jobs.health())
    problems += jobs.pop("problems", [])
    view = HealthView(
        status="ready",
        version=__version__,
        uptime_s=round(time.time() - app.began, 1),
        store_ms=round(1000 * store_s, 1),
        disk_free_bytes=max(0, free),
        jobs=jobs,
    )
    return view, problems


router = APIRouter(tags=["platform"], route_class=Route)


@router.get(
    "/v1/health",
    summary="Whether the store, the disk, the queue and the executor work.",
    responses=errors(503),
)
def health(platform: HostOf) -> HealthView:
    """The health of the platform, for everybody."""
    view: HealthView = platform.health.look(platform)
    return view
