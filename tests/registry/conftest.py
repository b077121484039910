"""A whole Crisol project in a temporary folder, with the tiny family `linear` in it."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from tests.conftest import clean_environment

import crisol.models
import crisol.pipelines
from crisol.registry.store import STORE_VARIABLE, URI_VARIABLE, Store

collect_ignore = ["family"]
ROOT = Path(__file__).parents[2]
FAMILY = Path(__file__).parent / "family"
CATALOG = """
linear.rows_raw:
  type: pandas.CSVDataset
  filepath: data/01_raw/linear/sample.csv
"""
PARAMETERS = """
linear:
  data: {held_out: 40}
  model: {}
  train: {epochs: 3}
"""
PYPROJECT = """
[tool.kedro]
package_name = "crisol"
project_name = "Crisol"
kedro_init_version = "1.7.0"
source_dir = "src"
"""


@contextmanager
def beside_the_real_ones() -> Iterator[pytest.MonkeyPatch]:
    """The family `linear` exists, and no store is inherited, for the length of the block."""
    with pytest.MonkeyPatch.context() as patch:
        models, pipelines = crisol.models.__path__, crisol.pipelines.__path__
        patch.setattr(crisol.models, "__path__", [*models, str(FAMILY / "models")])
        patch.setattr(crisol.pipelines, "__path__", [*pipelines, str(FAMILY / "pipelines")])
        for name in (STORE_VARIABLE, URI_VARIABLE, "CRISOL_RUNS", "KEDRO_ENV"):
            patch.delenv(name, raising=False)
        crisol.models.family_names.cache_clear()
        yield patch
    crisol.models.family_names.cache_clear()


@pytest.fixture(scope="session", autouse=True)
def _temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A temporary folder in which no other Crisol leaves anything."""
    with pytest.MonkeyPatch.context() as patch:
        folder = str(tmp_path_factory.mktemp("tmp"))
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


class Project:
    """A temporary project, with the actions of a user."""

    def __init__(self, folder: Path, database: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local"))
        (folder / "conf/local").mkdir()
        (folder / "src").mkdir()
        (folder / "pyproject.toml").write_text(PYPROJECT)
        (folder / ".telemetry").write_text("consent: false")
        (folder / "requirements.lock").write_text("numpy==2\n")
        (folder / "conf/local/mlflow.yml").write_text("measure_versions: false\n")
        (folder / "conf/base/catalog_linear.yml").write_text(CATALOG)
        (folder / "conf/base/parameters_linear.yml").write_text(PARAMETERS)
        shutil.copy(database, folder / "mlflow.db")
        self.raw = folder / "data/01_raw/linear/sample.csv"
        self.raw.parent.mkdir(parents=True)
        self.write_rows()
        self.store = Store.from_config({}, folder)
        self.metadata = bootstrap_project(folder)

    def move_to(self, uri: str) -> None:
        """Keep runs and versions in another database."""
        os.environ.pop(URI_VARIABLE, None)  # MLflow sets it whenever a store is used
        config = {"tracking_uri": uri, "artifact_root": "mlartifacts"}
        self.store = Store.from_config(config, self.folder)

    def write_rows(self, noise: float = 0.1) -> None:
        x = np.linspace(0, 10, 200)
        error = np.random.default_rng(0).normal(0, noise, len(x))
        pd.DataFrame({"x": x, "y": 2 * x + 1 + error}).to_csv(self.raw, index=False)

    def run(
        self,
        runner: Any = None,
        env: str | None = None,
        params: dict[str, Any] | None = None,
        part: dict[str, Any] | None = None,
        **sections: Any,
    ) -> None:
        """``kedro run --pipelines linear``, in this process.

        Args:
            runner: of Kedro.
            env: of the configuration.
            params: runtime parameters besides those of the family.
            part: of the pipeline, as Kedro's session takes it, such as ``from_nodes``.
            sections: of the family's parameters, replaced.
        """
        given = {**(params or {}), **({"linear": sections} if sections else {})}
        with KedroSession.create(
            self.folder, save_on_close=False, env=env, runtime_params=given or None
        ) as session:
            session.run(pipeline_names=["linear"], runner=runner, **(part or {}))

    def command(self, *arguments: str) -> Result:
        """A Crisol command, in this process."""
        from crisol.cli import cli

        with chdir(self.folder):
            return CliRunner().invoke(cli, arguments, obj=self.metadata)

    def process(self, *arguments: str) -> list[str]:
        """The command line of a separate process; see :func:`environment`."""
        return [sys.executable, "-m", *arguments]

    def runs(self) -> list[Any]:
        """The MLflow runs of the family, newest first."""
        return list(self.store.client().search_runs([self.store.experiment_id("linear")]))


def environment() -> dict[str, str]:
    """The environment in which a process knows the family `linear`."""
    return clean_environment(PYTHONPATH=str(FAMILY), OMP_NUM_THREADS="1", COLUMNS="200")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, make_shared: Callable[[], "Project"]) -> "Project":
    """A project that the tests of one module share, on each kind of database."""
    project = make_shared()
    if request.param == "postgresql":
        project.move_to(request.getfixturevalue("new_database")())
    return project


@pytest.fixture(autouse=True)
def _family() -> Iterator[None]:
    with beside_the_real_ones():
        yield


@pytest.fixture
def project(tmp_path: Path, template_database: Path) -> Project:
    made = Project(tmp_path / "project", template_database)
    made.store.activate()
    return made


@pytest.fixture(scope="module")
def make_shared(
    tmp_path_factory: pytest.TempPathFactory, template_database: Path
) -> Iterator[Callable[[], Project]]:
    """Makes a project that the tests of one module share."""
    with beside_the_real_ones():
        yield lambda: Project(tmp_path_factory.mktemp("shared") / "project", template_database)
