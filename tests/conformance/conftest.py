"""One road a family: run, promote, bundle, serve, once for all of its conformance tests."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conformance.families import FAMILIES, Family
from tests.conftest import copy_project, project_environment, run_in

from crisol import models

API_KEY = "conformance-key-0001"


@dataclass(frozen=True)
class Road:
    """A family that was run twice and promoted in a project of its own."""

    family: Family
    project: Path
    first_output: str
    second_output: str

    @property
    def predictor_dir(self) -> Path:
        return self.project / "data" / "06_models" / self.family.name / "trained_predictor"

    def command(self, *words: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
        return run_in(self.project, *words, **kwargs)

    def json(self, *words: str) -> Any:
        return json.loads(self.command("kedro", *words, "--json").stdout)

    def spoiled_example(self) -> dict[str, Any]:
        """The family's example request with one value it must refuse."""
        request = models.family(self.family.name).example_request().model_dump(mode="json")
        part: Any = request
        for step in self.family.bad_path[:-1]:
            part = part[step]
        part[self.family.bad_path[-1]] = self.family.bad_value
        return request


@pytest.fixture(scope="session", params=FAMILIES, ids=lambda family: family.name)
def road(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Road:
    family: Family = request.param
    project = copy_project(tmp_path_factory.mktemp(family.name) / "project")
    run = ("kedro", "run", "--env", "ci", "--pipelines", family.name)
    first = run_in(project, *run)
    second = run_in(project, *run)
    run_in(project, "kedro", "promote", family.name, "--env", "ci")
    return Road(family, project, first.stdout + first.stderr, second.stdout + second.stderr)


@dataclass(frozen=True)
class Served:
    """The built bundle, answering on this machine."""

    road: Road
    client: httpx.Client
    bento: Path


@pytest.fixture(scope="session")
def served(road: Road) -> Iterator[Served]:
    bundle = road.json("bundle", road.family.name, "--env", "ci")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = road.project / "serve.log"
    with log.open("w") as stream:
        server = subprocess.Popen(
            [sys.executable, "-m", "bentoml", "serve", bundle["tag"], "--port", str(port)],
            cwd=road.project,
            env={**project_environment(road.project), "CRISOL_API_KEYS": API_KEY, "PYTHONPATH": ""},
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": API_KEY}, timeout=30
    )
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                if client.get("/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            if server.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the bundle did not become ready:\n{log.read_text()[-4000:]}")
            time.sleep(0.3)
        yield Served(road, client, Path(bundle["path"]))
    finally:
        client.close()
        os.killpg(server.pid, 15)
        server.wait(timeout=30)


def versions_named(text: str) -> list[str]:
    """The registry versions a run's output names, such as ``signals/1``."""
    return re.findall(r"\b[a-z]+/\d+\b", text)
