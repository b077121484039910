"""docs/new-family.md, followed to the letter, gives a family that conforms."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import PROJECT_FILES, ROOT, clean_environment

from crisol.core.errors import MendableError
from crisol.skeleton.names import check_name
from crisol.skeleton.writer import render

PAGE = ROOT / "docs" / "new-family.md"
ROW = re.compile(r"^\| `([\w./]+)` \| (\d+) \|", re.MULTILINE)
COMMAND = re.compile(r"kedro family new \w+(?: --without-network)?")
NAMES = ("bricks", "tiles")
LISTED = "tests/conformance/families.py"
"""The one file that the command changes."""
LINT = ("ruff format --check", "ruff check", "mypy", "lint-imports", "codespell", "nbstripout")


def run(
    copy: Path, *arguments: str, timeout: float = 560, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=copy,
        env=clean_environment(PYTHONPATH=str(copy / "src"), MYPYPATH="src", **environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


def console(heading: str) -> list[str]:
    """The commands of the console blocks under a heading of the page."""
    section = PAGE.read_text().partition(f"\n## {heading}")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```console\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]


def files_of(folder: Path) -> dict[str, str]:
    """The text files of a project, by their path."""
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.suffix in (".py", ".yml", ".toml", ".csv", ".md", ".ipynb")
    }


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which the page's commands have written its two families."""
    copy = tmp_path_factory.mktemp("page") / "crisol"
    ignore = shutil.ignore_patterns("__pycache__", "real*", "acl18*", "btcusdt*")
    for folder in ("src", "conf", "tests", "data/01_raw", "docs", "notebooks", "benchmarks"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=ignore)
    for name in PROJECT_FILES:
        shutil.copy(ROOT / name, copy / name)
    before = files_of(copy)
    commands = dict.fromkeys(COMMAND.findall(PAGE.read_text()))
    assert [command.split()[3] for command in commands] == list(NAMES)
    for command in commands:
        done = run(copy, *shlex.split(command))
        assert done.returncode == 0, done.stdout + done.stderr
    after = files_of(copy)
    assert [path for path in before if after[path] != before[path]] == [LISTED]
    added = set(after[LISTED].splitlines()) - set(before[LISTED].splitlines())
    assert sorted(line.split('"')[1] for line in added) == sorted(NAMES)
    written = {str(file.path) for file in render(NAMES[0], network=True)}
    assert {path for path in set(after) - set(before) if NAMES[0] in path} == written
    return copy


def test_the_page_lists_what_is_written() -> None:
    told = {path: int(lines) for path, lines in ROW.findall(PAGE.read_text())}
    files = render("bricks", network=True)
    assert told == {str(file.path): file.content.count("\n") for file in files}


def test_the_page_tells_how_large_the_skeleton_is() -> None:
    [told] = re.findall(
        r"(\d+) lines of models, (\d+) of pipeline and service, and (\d+) of tests",
        PAGE.read_text().replace("\n", " "),
    )
    folders = (("src/crisol/models",), ("src/crisol/pipelines", "src/crisol/serving"), ("tests",))
    for lines, where in zip(told, folders, strict=True):
        counted = sum(
            file.content.count("\n")
            for file in render("bricks", network=True)
            if str(file.path).startswith(where)
        )
        assert abs(counted - int(lines)) <= 10


@pytest.mark.parametrize("name", ["signals", "class", "json", "Bricks", "2bricks"])
def test_names_that_the_page_rules_out_are_refused(name: str) -> None:
    with pytest.raises(MendableError):
        check_name(name)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", NAMES)
def test_the_family_works_before_it_is_edited(copy: Path, name: str) -> None:
    commands = [line for line in console("2.") if not line.startswith(("pytest", "make"))]
    assert [line.split()[1] for line in commands[:3]] == ["run", "promote", "bundle"]
    for command in commands:
        words = shlex.split(command.removeprefix("python -m ").replace(NAMES[0], name))
        done = run(copy, *words, BENTOML_HOME=str(copy / "bentoml"))
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert re.search(r"\{.*\}", done.stdout, re.DOTALL)
    reports = (copy / "data/08_reporting" / name).glob("*_report.json")
    assert all('"synthetic": true' in path.read_text() for path in reports)
    requirements = "".join(
        p.read_text() for p in copy.glob(f"bentoml/bentos/{name}/*/env/python/req*")
    )
    assert requirements
    assert ("torch" in requirements) is (name == "bricks")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMES)
def test_the_page_builds_a_conforming_family(copy: Path, name: str) -> None:
    [conformance] = [line for line in console("2.") if line.startswith("pytest tests/conformance")]
    words = shlex.split(conformance.replace(NAMES[0], name))
    done = run(copy, *words, "-q", "-x", "-p", "no:cacheprovider", timeout=880)
    assert done.returncode == 0, done.stdout[-6000:]
    passed = re.search(r"\b(\d+) passed", done.stdout)
    assert passed is not None
    assert "skipped" not in done.stdout or name == "tiles"  # it trains no network


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_family_passes_its_own_tests_types_and_contracts(copy: Path) -> None:
    own = [f"{folder}/{name}" for folder in ("tests/models", "src/crisol/models") for name in NAMES]
    notebooks = "tests/notebooks/test_notebooks.py"
    done = run(copy, "pytest", "-q", "-x", "-p", "no:cacheprovider", *own, notebooks)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "make lint" in console("2.")
    recipe = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    steps = [line.strip().removeprefix("$(BIN)/") for line in recipe.splitlines()[1:]]
    assert [next(s for s in LINT if step.startswith(s)) for step in steps] == list(LINT)
    for step in steps:
        words = [w for word in shlex.split(step) for w in expanded(copy, word)]
        done = subprocess.run(
            [str(Path(sys.executable).with_name(words[0])), *words[1:]],
            cwd=copy,
            env=clean_environment(PYTHONPATH=str(copy / "src"), MYPYPATH="src"),
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )
        assert done.returncode == 0, f"{step}\n{(done.stdout + done.stderr)[-6000:]}"


def expanded(folder: Path, word: str) -> list[str]:
    """The files that a pattern names, or the word."""
    found = (
        sorted(path.relative_to(folder).as_posix() for path in folder.glob(word))
        if "*" in word
        else []
    )
    return found or [word]
