"""The platform: one application of datasets, jobs and versions, and the server that runs it."""

import asyncio
import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvicorn

from crisol.platform.api import dataset_api, health, jobs_api, models_api, upload_api
from crisol.platform.api.idempotency import Answers
from crisol.platform.api.refusals import refusal
from crisol.platform.api.web_pages import web_pages
from crisol.platform.datasets.dataset import UnknownDatasetError
from crisol.platform.datasets.dataset_store import DatasetStore
from crisol.platform.datasets.profiling import Profiler
from crisol.platform.datasets.uploads import BusyError, Uploads
from crisol.platform.jobs.events import Streams
from crisol.platform.jobs.job_service import JobService
from crisol.platform.settings import PlatformSettings
from crisol.registry import recovery
from crisol.registry.store import Store
from crisol.serving.http.application import Application
from crisol.serving.http.asgi import Request
from crisol.serving.http.config import ConfigurationError
from crisol.serving.http.connections import BoundedProtocol, ConnectionLimits
from crisol.serving.http.errors import ApiError

_log = logging.getLogger("crisol.serving.platform")
_TIDY_S = 600.0
_GOODBYE_S = 5
THREADS = 16
DESCRIPTION = """
Datasets, training jobs and model versions. A dataset is uploaded, profiled and then never changes;
a job is a `kedro run` of any family, followed live; what it registers is a version that passes a
gate before it is served. Scopes: `viewer` sees, `trainer` brings data and trains, `promoter`
decides what is served.
"""


class Platform(Application):
    """The application, with what its endpoints work on.

    Args:
        project: the project's folder.
        env: Kedro environment of the store and of jobs that name none.
        store: the MLflow store.
        settings: of the platform.
    """

    def __init__(
        self, project: Path, env: str | None, store: Store, settings: PlatformSettings
    ) -> None:
        super().__init__(
            "platform",
            title="Crisol platform",
            description=DESCRIPTION,
            endpoints=(
                *dataset_api.ENDPOINTS,
                *upload_api.ENDPOINTS,
                *jobs_api.ENDPOINTS,
                *models_api.ENDPOINTS,
                *health.ENDPOINTS,
            ),
            pages=web_pages(),
            threads=THREADS,
            translate=refusal,
        )
        self.project, self.env, self.store = project, env, store
        self.platform_settings = settings
        self.datasets = DatasetStore(store, settings)
        self.uploads = Uploads(settings)
        self.streams = Streams(settings.max_streams)
        self.health = health.Health()
        self.answers: Answers
        self.profiler: Profiler
        self.jobs = JobService(store, self.datasets, settings, project, env)
        self._tidying: asyncio.Task[None] | None = None

    def admit(self, call: Request) -> None:
        """Admit a call as every application does; a token must also name its subject.

        Raises:
            ApiError: 403 for a token that names nobody, beside what every application refuses.
        """
        super().admit(call)
        if call.caller.startswith("jwt:") and not call.identity.subject:
            raise ApiError(403, "A token for the platform must say whose it is (the claim sub).")

    async def start(self) -> None:
        """Settle what a killed service left, and start."""
        await super().start()
        await asyncio.to_thread(self._begin)
        self._tidying = asyncio.create_task(self._tidy_now_and_then())

    def _begin(self) -> None:
        state = self.platform_settings.state_dir
        state.mkdir(parents=True, exist_ok=True)
        for said in recovery.recover(self.store):
            _log.warning(said)
        self.answers = Answers(state / Answers.file)
        self.profiler = Profiler(self.datasets, self.platform_settings)
        self.settle_uploads()
        for dataset in self.datasets.settle():
            self.profiler.submit(dataset)
        self.tidy()
        self.jobs.start()

    def settle_uploads(self) -> None:
        """Attach the files that were whole when the service ended; remove those of no dataset."""
        for dataset_id, part in self.uploads.begun():
            try:
                dataset = self.datasets.get(dataset_id)
            except UnknownDatasetError:  # deleted in the MLflow UI
                self.uploads.forget(dataset_id)
                continue
            whole = self.uploads.finished(dataset_id, part)
            if whole is not None:
                self.datasets.attach(dataset, *whole)
                self.uploads.forget(dataset_id, part)

    async def _tidy_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(_TIDY_S)
            try:
                await asyncio.to_thread(self.tidy)
            except Exception:  # noqa: BLE001 - logged; the next turn may succeed
                _log.exception("tidying failed")

    def tidy(self) -> None:
        """Refuse the datasets whose files did not arrive in time, and remove their parts."""
        before_s = time.time() - self.platform_settings.upload_expires_s
        for dataset in self.datasets.open_since(int(1000 * before_s)):
            try:
                self.uploads.forget(dataset.id)
            except BusyError:  # it is coming after all
                continue
            self.datasets.refuse(dataset, "its files were not uploaded in time")

    async def stop(self) -> None:
        """Answer open requests and stop; running jobs continue, and the next start finds them."""
        if self._tidying is not None:
            self._tidying.cancel()
        await super().stop()
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self.jobs.close()
        self.profiler.close()
        self.answers.close()


def open_store(project: Path, env: str | None) -> Store:
    """The store that a project's configuration names, activated for this process.

    Raises:
        MissingConfigException: the environment says nothing of a store.
    """
    from kedro.config import OmegaConfigLoader

    from crisol.settings import CONFIG_LOADER_ARGS

    environment = env or os.environ.get("KEDRO_ENV")
    arguments: dict[str, Any] = dict(CONFIG_LOADER_ARGS)
    loader = OmegaConfigLoader(str(project / "conf"), env=environment, **arguments)
    store = Store.from_config(loader["mlflow"], project)
    store.activate()
    return store


def build(
    project: Path,
    env: str | None = None,
    environment: Mapping[str, str] = os.environ,
    workers: int | None = None,
) -> Platform:
    """The platform of a project, its settings read; it starts with the server.

    Raises:
        ConfigurationError: a setting is wrong, or nobody has configured who may ask.
    """
    settings = PlatformSettings.from_environment(environment, project)
    if workers is not None:
        settings = settings.model_copy(update={"workers": workers})
    platform = Platform(project, env, open_store(project, env), settings)
    platform.open(environment)
    if platform.reasons:
        raise ConfigurationError("; ".join(platform.reasons))
    return platform


class Server(uvicorn.Server):
    """Ends the streams that are open before it waits for the connections to close.

    Args:
        platform: that it serves.
        config: of uvicorn.
        said: printed once it listens.
    """

    def __init__(self, platform: Platform, config: uvicorn.Config, said: str = "") -> None:
        super().__init__(config)
        self._platform = platform
        self._said = said

    async def startup(self, sockets: Any = None) -> None:
        """Start as every server does; print the address once it listens."""
        await super().startup(sockets)
        if self.started:
            sys.stdout.write(self._said)
            sys.stdout.flush()

    async def shutdown(self, sockets: Any = None) -> None:
        """End the streams, then shut down as every server does."""
        self._platform.stopping.set()
        await super().shutdown(sockets)


def serve(
    host: str,
    port: int,
    project: Path,
    env: str | None = None,
    *,
    workers: int | None = None,
    dev: bool = False,
) -> None:
    """Serve the platform until the process is told to stop.

    Args:
        host: address to listen on.
        port: to listen on.
        project: the project's folder.
        env: Kedro environment.
        workers: jobs that run at once; unset: as the settings say.
        dev: make an API key for this start and print it.

    Raises:
        ConfigurationError: a setting is wrong, or nobody has configured who may ask.
    """
    environment = dict(os.environ)
    if dev:
        key = secrets.token_urlsafe(24)
        given = environment.get("CRISOL_API_KEYS")
        environment["CRISOL_API_KEYS"] = f"{given},{key}" if given else key
    platform = build(project, env, environment, workers)
    said = [f"Crisol platform on http://{host}:{port}/ (API page: /docs)"]
    said += [f"API key for this start: {key}"] if dev else []
    config = uvicorn.Config(
        platform,
        host=host,
        port=port,
        http=BoundedProtocol.with_limits(ConnectionLimits()),
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=_GOODBYE_S,
    )
    # When it has shut down, uvicorn sends the signal again, to whoever handled it before.
    signal.signal(signal.SIGTERM, lambda *_: None)
    Server(platform, config, "\n".join([*said, ""])).run()
