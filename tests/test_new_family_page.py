"""docs/new-family.md, followed to the letter, gives a family that conforms."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import PROJECT_FILES, ROOT, clean_environment

from crisol.skeleton.writer import render

PAGE = ROOT / "docs" / "new-family.md"
ROW = re.compile(r"^\| `([\w./]+)` \| (\d+) \|", re.MULTILINE)
COMMAND = re.compile(r"kedro family new \w+(?: --without-network)?")
NAMES = ("bricks", "tiles")


def run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=copy,
        env=clean_environment(PYTHONPATH=str(copy / "src"), MYPYPATH="src"),
        capture_output=True,
        text=True,
        check=False,
        timeout=560,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which the page's commands have written its two families."""
    copy = tmp_path_factory.mktemp("page") / "crisol"
    ignore = shutil.ignore_patterns("__pycache__", "real*", "acl18*", "btcusdt*")
    for folder in ("src", "conf", "tests", "data/01_raw", "docs"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=ignore)
    for name in PROJECT_FILES:
        shutil.copy(ROOT / name, copy / name)
    commands = dict.fromkeys(COMMAND.findall(PAGE.read_text()))
    assert [command.split()[3] for command in commands] == list(NAMES)
    for command in commands:
        done = run(copy, *shlex.split(command))
        assert done.returncode == 0, done.stdout + done.stderr
    return copy


def test_the_page_lists_what_is_written() -> None:
    told = {path: int(lines) for path, lines in ROW.findall(PAGE.read_text())}
    files = render("bricks", network=True)
    assert told == {str(file.path): file.content.count("\n") for file in files}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", NAMES)
def test_the_page_builds_a_conforming_family(copy: Path, name: str) -> None:
    conformance = ["pytest", "-q", "-x", "-p", "no:cacheprovider"]
    conformance += [
        "tests/conformance",
        "-k",
        f"({name} or every_family) and not nonsense and not reproduce",
    ]
    done = run(copy, *conformance)
    assert done.returncode == 0, done.stdout[-6000:]
    assert re.search(r"\b(\d+) passed", done.stdout)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_family_passes_its_own_tests_types_and_contracts(copy: Path) -> None:
    own = [f"{folder}/{name}" for folder in ("tests/models", "src/crisol/models") for name in NAMES]
    notebooks = "tests/notebooks/test_notebooks.py"
    done = run(copy, "pytest", "-q", "-x", "-p", "no:cacheprovider", *own, notebooks)
    assert done.returncode == 0, done.stdout[-6000:]
    folders = [
        f"src/crisol/{folder}/{name}" for folder in ("models", "pipelines") for name in NAMES
    ]
    services = [f"src/crisol/serving/families/{name}.py" for name in NAMES]
    done = run(copy, "mypy", "--strict", "--follow-imports=silent", *folders, *services)
    assert done.returncode == 0, done.stdout[-6000:]
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=copy,
        env=clean_environment(PYTHONPATH=str(copy / "src")),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
