"""The platform's service as a process of its own, and what its clients do."""

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
from tests.platform.conftest import job_process_environment

BOSS, TRAINER, OTHER, VIEWER = ("b" * 24, "t" * 24, "o" * 24, "v" * 24)
KEYS = f"{BOSS},{TRAINER}=trainer,{OTHER}=trainer,{VIEWER}=viewer"
READY = "data/06_models/burdens/checkpoints/ready"
"""In a job's folder: a job of `burdens` has come to its node."""
OVER = ("completed", "failed", "cancelled")


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Service:
    """``kedro platform`` in a project, on a port that is free."""

    def __init__(self, project: Path, **environment: str) -> None:
        self.port = free_port()
        self.project = project
        self.log = project / "service.log"
        self._environment = job_process_environment(
            CRISOL_API_KEYS=KEYS, CRISOL_PLATFORM_GRACE_S="1.5", **environment
        )
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            command = ["-m", "kedro", "platform", "--port", str(self.port)]
            return subprocess.Popen(
                [sys.executable, *command],
                cwd=self.project,
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    def wait(self) -> "Service":
        """Until it answers."""
        deadline = time.monotonic() + 60
        while True:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            try:
                if self.client().get("/v1/health").status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            time.sleep(0.1)

    def client(self, key: str = TRAINER) -> httpx.Client:
        """A client of this service."""
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", headers={"x-api-key": key}, timeout=30
        )

    def kill(self) -> None:
        """As the machine's out-of-memory killer would."""
        self.process.kill()
        self.process.wait()

    def begin_again(self) -> "Service":
        """Start after a kill."""
        self.process = self._start()
        return self.wait()

    def stop(self) -> None:
        """As an operator would."""
        self.process.terminate()
        self.process.wait(20)

    def job(self, job_id: str) -> dict[str, Any]:
        """A job now."""
        return dict(self.client().get(f"/v1/jobs/{job_id}").json())

    def make(self, family: str, train: dict[str, Any], key: str = TRAINER, **more: Any) -> str:
        """Make a job; its id."""
        body = {"family": family, "parameters": {family: {"train": train}}, **more}
        answer = self.client(key).post("/v1/jobs", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def folder(self, job_id: str) -> Path:
        """Where a job works."""
        return self.project / "data/platform/jobs" / job_id

    def is_at_work(self, job_id: str) -> bool:
        """Whether a job of `burdens` has come to its node."""
        return (self.folder(job_id) / READY).exists()
