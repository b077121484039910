"""A project with the families `linear` and `burdens`, and jobs that are carried out in it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import clean_environment
from tests.registry.conftest import Project, beside_the_real_ones

import crisol.models
import crisol.pipelines

collect_ignore = ["family"]
FAMILY = Path(__file__).parent / "family"
BURDENS = "burdens:\n  train: {}\n"


def job_project(folder: Path, database: Path) -> Project:
    """A project of its own."""
    made = Project(folder, database)
    (folder / "conf/base/parameters_burdens.yml").write_text(BURDENS)
    return made


def job_process_environment(**more: str) -> dict[str, str]:
    """The environment in which processes know the families of these tests."""
    return clean_environment(PYTHONPATH=str(FAMILY), OMP_NUM_THREADS="1", COLUMNS="200", **more)


@pytest.fixture(scope="module")
def families() -> Iterator[pytest.MonkeyPatch]:
    """The two families exist in this process and in those it starts."""
    with beside_the_real_ones() as patch:
        for package, name in ((crisol.models, "models"), (crisol.pipelines, "pipelines")):
            patch.setattr(package, "__path__", [*package.__path__, str(FAMILY / name)])
        patch.setenv("PYTHONPATH", str(FAMILY))
        crisol.models.family_names.cache_clear()
        yield patch


def until(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What is asked for, as soon as it is there."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.05)
    return found
