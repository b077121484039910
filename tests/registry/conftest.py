"""A whole Crisol project in a temporary folder, with the tiny family `linear` in it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import crisol.models
import crisol.pipelines
from crisol.registry.store import STORE_VARIABLE, URI_VARIABLE, Store

ROOT = Path(__file__).parents[2]
FAMILY = Path(__file__).parent / "family"
CATALOG = """
linear.rows_raw:
  type: pandas.CSVDataset
  filepath: data/01_raw/linear/sample.csv
"""
PARAMETERS = """
linear:
  data:
    held_out: 40
  model:
    slope_error: 0.0
  train:
    epochs: 3
"""
PYPROJECT = """
[tool.kedro]
package_name = "crisol"
project_name = "Crisol"
kedro_init_version = "1.7.0"
source_dir = "src"
"""


@pytest.fixture(autouse=True)
def linear_family(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(
        crisol.models, "__path__", [*crisol.models.__path__, str(FAMILY / "models")]
    )
    monkeypatch.setattr(
        crisol.pipelines, "__path__", [*crisol.pipelines.__path__, str(FAMILY / "pipelines")]
    )
    crisol.models.family_names.cache_clear()
    yield
    crisol.models.family_names.cache_clear()


@pytest.fixture(scope="session")
def template_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database: making one takes seconds, copying it none."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    Store(tracking_uri=f"sqlite:///{path}").client().search_experiments()
    return path


@pytest.fixture
def project(tmp_path: Path, template_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local"))
    (folder / "conf/local").mkdir()
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "src").mkdir()
    (folder / ".telemetry").write_text("consent: false")
    (folder / "requirements.lock").write_text("numpy==2\n")
    (folder / "conf/base/catalog_linear.yml").write_text(CATALOG)
    (folder / "conf/base/parameters_linear.yml").write_text(PARAMETERS)
    shutil.copy(template_database, folder / "mlflow.db")
    raw = folder / "data/01_raw/linear/sample.csv"
    raw.parent.mkdir(parents=True)
    x = np.linspace(0, 10, 200)
    noise = np.random.default_rng(0).normal(0, 0.1, len(x))
    pd.DataFrame({"x": x, "y": 2 * x + 1 + noise}).to_csv(raw, index=False)
    for name in (STORE_VARIABLE, URI_VARIABLE, "CRISOL_RUNS", "CRISOL_INPUTS", "KEDRO_ENV"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def store(project: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    made = Store.from_config({}, project)
    monkeypatch.setenv(STORE_VARIABLE, made.model_dump_json())
    return made


def environment() -> dict[str, str]:
    """What a subprocess needs to know the family `linear`."""
    return {
        **os.environ,
        "PYTHONPATH": str(FAMILY),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "200",
        "PYTHONWARNINGS": "ignore",
    }


Kedro = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def kedro(project: Path) -> Kedro:
    """Run `kedro …` in the project as a user would."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "kedro", *arguments],
            cwd=project,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    return run
