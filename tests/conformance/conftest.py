"""Each family is run, promoted, bundled and served once for all of its conformance tests."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tests.conformance.families import FAMILIES, Family
from tests.conftest import copy_project, project_environment, run_in, start_in

from crisol import models

API_KEY = "conformance-key-0001"


@dataclass(frozen=True)
class Released:
    """A family that was run twice and promoted in a project of its own.

    The first run was killed in mid-training and resumed, if the family trains a network; nothing
    happened to the second.
    """

    family: Family
    project: Path
    resumed_output: str
    resumed_weights: dict[str, bytes]
    left_by_resumed: list[Path]

    @property
    def predictor_dir(self) -> Path:
        return predictor_dir(self.project, self.family)

    @cached_property
    def versions(self) -> list[dict[str, Any]]:
        """What ``kedro models`` tells of the two runs."""
        return self.json("models", self.family.name, "--env", "ci")["versions"]

    def command(self, *arguments: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
        return run_in(self.project, *arguments, **kwargs)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.command("kedro", *arguments, "--json").stdout)

    def spoiled_example(self) -> dict[str, Any]:
        """The family's example request with one value it must refuse."""
        request = models.family(self.family.name).example_request().model_dump(mode="json")
        part: Any = request
        for step in self.family.bad_path[:-1]:
            part = part[step]
        part[self.family.bad_path[-1]] = self.family.bad_value
        return request


@pytest.fixture(scope="session", params=FAMILIES, ids=lambda family: family.name)
def released(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Released:
    family: Family = request.param
    project = copy_project(tmp_path_factory.mktemp(family.name) / "project")
    run = ("kedro", "run", "--env", "ci", "--pipelines", family.name)
    if family.capabilities.trains_network:
        kill_in_training(project, family, run)
    resumed = run_in(project, *run)
    made = weights(predictor_dir(project, family))
    left = [path for path in checkpoints(project, family).rglob("*") if path.is_file()]
    run_in(project, *run, another=True)
    run_in(project, "kedro", "promote", family.name, "--env", "ci")
    return Released(family, project, resumed.stdout + resumed.stderr, made, left)


@pytest.fixture
def trains_network(released: Released) -> None:
    """Skip a test of the training loop for a family that states that it trains no network."""
    if not released.family.capabilities.trains_network:
        pytest.skip(f"{released.family.name} trains no network")


def predictor_dir(project: Path, family: Family) -> Path:
    """Where a run leaves its predictor."""
    return project / "data" / "06_models" / family.name / "trained_predictor"


def checkpoints(project: Path, family: Family) -> Path:
    """Where a run keeps its checkpoints."""
    return project / "data" / "06_models" / family.name / "checkpoints"


def weights(directory: Path) -> dict[str, bytes]:
    """The bytes of every weight file of a predictor directory."""
    files = {p.name: p.read_bytes() for p in directory.rglob("*.safetensors")}
    assert files, f"{directory} holds no safetensors"
    return files


def kill_in_training(project: Path, family: Family, run: tuple[str, ...]) -> None:
    """Start a run and kill it as soon as its training has left a checkpoint."""
    running = start_in(project, *run)
    deadline = time.monotonic() + 120
    written = checkpoints(project, family)
    while not any(not p.name.startswith(".") for p in written.rglob("*.safetensors")):
        assert psutil.pid_exists(running.pid), "training ended before its first checkpoint"
        assert time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.005)
    running.kill()
    assert running.wait().returncode == -signal.SIGKILL


@dataclass(frozen=True)
class Served:
    """The built bundle, answering on this machine."""

    released: Released
    client: httpx.Client
    tag: str
    bento: Path


@pytest.fixture(scope="session")
def served(released: Released) -> Iterator[Served]:
    with serving(released) as bundle:
        yield bundle


@contextmanager
def serving(released: Released) -> Iterator[Served]:
    """The bundle of the family's champion, built and served for the length of the block."""
    bundle = released.json("bundle", released.family.name, "--env", "ci")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = released.project / "serve.log"
    with log.open("w") as stream:
        server = subprocess.Popen(
            [sys.executable, "-m", "bentoml", "serve", bundle["tag"], "--port", str(port)],
            cwd=released.project,
            env={
                **project_environment(released.project),
                "CRISOL_API_KEYS": API_KEY,
                "PYTHONPATH": "",
            },
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
        yield Served(released, client, bundle["tag"], Path(bundle["path"]))
    finally:
        client.close()
        os.killpg(server.pid, 15)
        server.wait(timeout=30)
