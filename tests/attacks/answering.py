"""The services of all families and the platform, each behind a real server in a thread.

:func:`service` and :func:`platform` are the only code of this folder that knows how an application
is made. Everything else talks HTTP to a :class:`Target`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tests.platform import answering
from tests.platform.conftest import job_project
from tests.serving.conftest import STAMP

KEYS = answering.KEYS
WRITTEN = answering.WRITTEN
FAMILIES = ("signals", "recommender", "tabular", "products")
APPLICATIONS = (*FAMILIES, "platform")
JSON = {"content-type": "application/json"}
AUDIENCE, ISSUER = "crisol", "tests"
"""What a token must claim."""


@dataclass(frozen=True, eq=False)
class Target:
    """An application that listens.

    Attributes:
        name: family of the service, or ``platform``.
        url: where.
        asking: path that takes a JSON body by ``POST`` and needs a key.
        body: JSON object that ``asking`` answers with a success.
        guarded: path that ``GET`` answers, with a key only.
        objects: path that asks for one object, with ``{}`` for its id; empty: there is none.
    """

    name: str
    url: str
    asking: str
    body: Mapping[str, Any]
    guarded: str
    objects: str = ""
    key: str = field(default=KEYS["everything"], repr=False)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        found = httpx.URL(self.url)
        return found.host, found.port or 80

    def client(self, who: str | None = "everything") -> httpx.Client:
        """A client with the key of one of ``KEYS``, or without any."""
        headers = {} if who is None else {"x-api-key": KEYS[who]}
        # Without TLS here, and reading certificates for every client would take most of the time.
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, verify=False)


Targets = Callable[..., Target]


def service(family: str, predictor: Path, environment: Mapping[str, str]) -> Any:
    """The opened application of a family."""
    from crisol.serving.families import products, recommender, signals, tabular
    from crisol.serving.service.model_service import ModelService
    from crisol.serving.state.jobs import BackgroundJobStore

    module = {
        "products": products, "recommender": recommender, "signals": signals, "tabular": tabular
    }[family]  # fmt: skip
    parts: dict[str, dict[str, Any]] = {
        "products": {
            "resources": {"jobs": BackgroundJobStore.of_family},
            "prepare": products.with_index,
            "workers": {products.KIND: products.start_embedding},
        },
        "tabular": {
            "resources": {"jobs": BackgroundJobStore.of_family},
            "workers": {tabular.KIND: tabular.start_explaining},
        },
        "recommender": {"resources": {"events": recommender.EventStore.of_family}},
    }
    made = ModelService(
        family,
        title=module.service.app.title,
        description=module.service.app.description,
        routes=module.service.routes,
        **parts.get(family, {}),
    )
    made.open(predictor, STAMP, environment)
    return made.app


@contextmanager
def listening(family: str, predictor: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Serve a family until the end of the block; the address."""
    with answering.listening(service(family, predictor, environment)) as url:
        yield url


@contextmanager
def platform(
    folder: Path, database: Path, environment: Mapping[str, str], **settings: Any
) -> Iterator[str]:
    """Serve the platform of a project with the families of the tests; the address."""
    project = job_project(folder, database)
    project.store.activate()
    with answering.served(project.store, environment, **settings) as found:
        yield found.url
