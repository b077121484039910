"""What every test gets: a quiet, offline, pickle-free process and its own copy of the project."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.pop("MLFLOW_TRACKING_URI", None)

PROJECT_FILES = ("pyproject.toml", "requirements.lock", "bentofile.yaml", ".telemetry", "README.md")


def copy_project(target: Path) -> Path:
    """A project folder of its own: the committed configuration and sample, no runs, no data."""
    target.mkdir(parents=True)
    for name in PROJECT_FILES:
        shutil.copy(ROOT / name, target / name)
    shutil.copytree(ROOT / "conf", target / "conf")
    shutil.copytree(
        ROOT / "data" / "01_raw",
        target / "data" / "01_raw",
        ignore=lambda _, names: [n for n in names if n.startswith(("real", "acl18", "btcusdt"))],
    )
    (target / "src").mkdir()  # Kedro asks for it; the package itself is installed
    return target


def project_environment(project: Path) -> dict[str, str]:
    """The environment of a command in that project: its own Bento store, no outer settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("KEDRO_ENV", "CRISOL_"))}
    return {**kept, "BENTOML_HOME": str(project / "bentoml"), "COLUMNS": "160"}


def run_in(project: Path, *command: str, check: bool = True, **environment: str):
    """Run ``python -m <command>`` in a project and return the finished process."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=project,
        env={**project_environment(project), **environment},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    if check and done.returncode:
        raise AssertionError(
            f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
    return done


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A fresh copy of the project."""
    return copy_project(tmp_path / "project")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share a costly session fixture in one process of ``pytest -n``."""
    for item in items:
        folder = item.path.relative_to(ROOT).parts[:2]
        shared = folder in {("tests", "conformance"), ("tests", "serving")}
        group = "/".join(folder) if shared else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
