"""The platform: one application of datasets, jobs and versions, and the server that runs it."""

import asyncio
import logging
import os
import secrets
import signal
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import uvicorn

from crisol.platform.api import dataset_api, health, jobs_api, models_api, upload_api
from crisol.platform.api.idempotency import Answers
from crisol.platform.api.refusals import refusal
from crisol.platform.api.web_pages import web_pages
from crisol.platform.datasets.dataset_store import DatasetStore
from crisol.platform.datasets.profiling import Profiler
from crisol.platform.datasets.uploads import Uploads
from crisol.platform.jobs.events import Streams
from crisol.platform.jobs.job_service import JobService
from crisol.platform.settings import PlatformSettings
from crisol.registry import recovery
from crisol.registry.store import Store
from crisol.serving.http.application import create_app
from crisol.serving.http.config import ConfigurationError
from crisol.serving.http.connections import BoundedProtocol, ConnectionLimits
from crisol.serving.http.errors import ApiError
from crisol.serving.http.exchange import Exchange
from crisol.serving.http.host import Host

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


class Platform(Host):
    """The platform, with everything its routes work on.

    Args:
        project: the project's folder.
        env: Kedro environment of the store and of jobs that name none.
        store: the MLflow store.
        settings: of the platform.
    """

    def __init__(
        self, project: Path, env: str | None, store: Store, settings: PlatformSettings
    ) -> None:
        super().__init__("platform", threads=THREADS)
        self.project, self.env, self.store = project, env, store
        self.platform_settings = settings
        self.datasets = DatasetStore(store, settings)
        self.uploads = Uploads(settings, self.datasets)
        self.streams = Streams(settings.max_streams)
        self.health = health.Health()
        self.answers: Answers
        self.profiler: Profiler
        self.jobs = JobService(store, self.datasets, settings, project, env)
        self._tidying: asyncio.Task[None] | None = None
        routers = (dataset_api, upload_api, jobs_api, models_api, health)
        routes = [route for module in routers for route in module.router.routes]
        self.app = create_app(
            self,
            title="Crisol platform",
            description=DESCRIPTION,
            routes=[*routes, *web_pages()],
        )

    async def admit(self, exchange: Exchange, scopes: Iterable[str] = ()) -> None:
        """Admit a caller as every application does; a token must also name its subject.

        Raises:
            ApiError: 403 for a token that names nobody, beside what every application refuses.
        """
        await super().admit(exchange, scopes)
        identity = exchange.identity
        if identity.name.startswith("jwt:") and not identity.subject:
            raise ApiError(403, "A token for the platform must say whose it is (the claim sub).")

    def translate(self, error: Exception) -> ApiError | None:
        """An error of the registry or the stores as an answer."""
        return refusal(error)

    async def start(self) -> None:
        """Settle what a killed service left, and start."""
        await super().start()
        await asyncio.to_thread(self._begin)
        self._tidying = asyncio.create_task(self._tidy_now_and_then())

    def _begin(self) -> None:
        for said in recovery.recover(self.store):
            _log.warning(said)
        self.answers = Answers(self.platform_settings.state_dir / Answers.file)
        self.profiler = Profiler(self.datasets, self.platform_settings)
        self.uploads.settle()
        for dataset in self.datasets.settle():
            self.profiler.submit(dataset)
        self.uploads.expire()
        self.jobs.start()

    async def _tidy_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(_TIDY_S)
            try:
                await asyncio.to_thread(self.uploads.expire)
            except Exception:  # noqa: BLE001 - logged; the next turn may succeed
                _log.exception("tidying failed")

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
    given = {} if workers is None else {"CRISOL_PLATFORM_WORKERS": str(workers)}
    settings = PlatformSettings.from_environment({**environment, **given}, project)
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
        platform.app,
        host=host,
        port=port,
        http=BoundedProtocol.with_limits(ConnectionLimits.of(platform.settings)),
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=_GOODBYE_S,
    )
    # When it has shut down, uvicorn sends the signal again, to whoever handled it before.
    signal.signal(signal.SIGTERM, lambda *_: None)
    Server(platform, config, "\n".join([*said, ""])).run()
