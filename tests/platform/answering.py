"""The platform behind a real server, in a thread of the test."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from tests.platform.conftest import until

from crisol.platform.app import Platform, Server
from crisol.platform.settings import PlatformSettings
from crisol.registry.store import Store
from crisol.serving.http.connections import BoundedProtocol

KEYS = {
    "viewer": "key-of-a-viewer-aaaa",
    "trainer": "key-of-a-trainer-aaa",
    "another": "key-of-another-aaaaa",
    "promoter": "key-of-a-promoter-aa",
    "everything": "key-of-everything-aa",
}
_SCOPES = {"another": "trainer", "everything": "trainer+promoter"}
WRITTEN = ",".join(f"{key}={_SCOPES.get(who, who)}" for who, key in KEYS.items())


@dataclass(frozen=True)
class Answering:
    """A platform that answers.

    Attributes:
        url: where.
        platform: the application.
    """

    url: str
    platform: Platform

    def client(self, who: str) -> httpx.Client:
        """A client with the key of one of ``KEYS``."""
        return httpx.Client(base_url=self.url, headers={"X-API-Key": KEYS[who]}, timeout=30)


@contextmanager
def served(
    store: Store, environment: Mapping[str, str] | None = None, **settings: Any
) -> Iterator[Answering]:
    """Serve the platform of a store's project until the end of the block.

    Args:
        store: where it keeps everything.
        environment: who may ask; the holders of ``KEYS`` if it is not given.
        settings: of the platform.
    """
    folder = Path(store.project)
    texts = {f"CRISOL_PLATFORM_{k.upper()}": str(v) for k, v in settings.items()}
    limits = PlatformSettings.from_environment(texts, folder)
    platform = Platform(folder, None, store, limits)
    platform.open({**(environment or {"CRISOL_API_KEYS": WRITTEN}), "CRISOL_LOG_LEVEL": "ERROR"})
    with listening(platform.app, partial(Server, platform)) as url:
        yield Answering(url, platform)


@contextmanager
def listening(
    app: Any, make: Callable[[uvicorn.Config], uvicorn.Server] = uvicorn.Server
) -> Iterator[str]:
    """Serve an application until the end of the block; the address."""
    config = uvicorn.Config(
        app,
        port=0,
        http=BoundedProtocol,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=5,
    )
    server = make(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started or not thread.is_alive())
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


def bare_store(folder: Path, database: Path) -> Store:
    """A store in a folder that is no project."""
    folder.mkdir(parents=True)
    shutil.copy(database, folder / "mlflow.db")
    store = Store(
        tracking_uri=f"sqlite:///{folder / 'mlflow.db'}",
        artifact_root=(folder / "mlartifacts").as_uri(),
        project=str(folder),
    )
    store.activate()
    return store


def rows(count: int = 60) -> bytes:
    """A CSV of customers, of whom some left."""
    lines = ["id,age,plan,churned"]
    for i in range(count):
        plan = ("free", "basic", "gold")[i % 3]
        lines.append(f"c{i},{20 + i * 7 % 50},{plan},{'yes' if i * 7 % 50 > 25 else 'no'}")
    return "\n".join(lines).encode() + b"\n"


def new_dataset(client: httpx.Client, name: str, **options: Any) -> dict[str, Any]:
    """A dataset that waits for its files."""
    answer = client.post("/v1/datasets", json={"name": name, "options": options})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def settled(client: httpx.Client, dataset_id: str) -> dict[str, Any]:
    """A dataset, when it is no longer being read."""

    def look() -> dict[str, Any] | None:
        found = client.get(f"/v1/datasets/{dataset_id}").json()
        return None if found["state"] == "profiling" else dict(found)

    found: dict[str, Any] = until(look)
    return found


def error(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an answer that has the error shape."""
    body = json.loads(answer.content)
    assert set(body) == {"error", "code", "details", "request_id"}
    return answer.status_code, body["code"]
