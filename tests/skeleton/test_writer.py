"""The files of a new family: all or none, never over another file, and clean as written."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT

from crisol.skeleton import writer
from crisol.skeleton.names import LONGEST, FamilyNameError
from crisol.skeleton.writer import FOLDERS, LISTED, SkeletonError, render, write

each_kind = pytest.mark.parametrize("network", [True, False], ids=["network", "without"])


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The folders that the command looks for."""
    for folder in FOLDERS:
        (tmp_path / folder).mkdir(parents=True)
    listed = tmp_path / LISTED
    listed.parent.mkdir(parents=True)
    listed.write_text((ROOT / LISTED).read_text())
    return tmp_path


def state(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@each_kind
def test_every_file_and_the_line_are_written(checkout: Path, network: bool) -> None:
    before = state(checkout)
    written = write("irises", checkout, network=network)
    after = state(checkout)
    files = {str(file.path): file.content for file in render("irises", network=network)}
    assert set(after) - set(before) == set(files)
    assert all(after[path].decode() == content for path, content in files.items())
    assert all((checkout / path).exists() for path in written)
    added = set(after[str(LISTED)].decode().splitlines()) - set(
        before[str(LISTED)].decode().splitlines()
    )
    assert added == {'    Family("irises", "/predict", ("weight_g",), -1.0),'}
    assert writer.FAMILY not in "".join([*files, *files.values()])
    assert any("networks/" in path for path in files) is network
    assert any("torch" in content for content in files.values()) is network
    json.loads(files["notebooks/irises.ipynb"])
    assert "synthetic" in files["data/01_raw/irises/sample_README.md"]


def test_a_bad_name_writes_nothing(checkout: Path) -> None:
    before = state(checkout)
    with pytest.raises(FamilyNameError, match="write irises"):
        write("Irises", checkout)
    assert state(checkout) == before


@pytest.mark.parametrize(
    "taken", ["src/crisol/models/irises/mine.py", "conf/base/catalog_irises.yml"]
)
def test_a_file_that_is_there_stays(checkout: Path, taken: str) -> None:
    (checkout / taken).parent.mkdir(exist_ok=True)
    (checkout / taken).write_text("mine")
    before = state(checkout)
    with pytest.raises(SkeletonError, match=r"^NAME: .*irises.* exists already"):
        write("irises", checkout)
    assert state(checkout) == before


def test_a_failure_half_way_leaves_nothing(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state(checkout)
    replace = Path.replace

    def fail(self: Path, target: Path) -> Path:
        if self.name == LISTED.name:
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        write("irises", checkout)
    assert state(checkout) == before
    assert not list(checkout.glob(".new-family*"))


def test_elsewhere_than_in_a_checkout_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(SkeletonError, match="into a checkout of Crisol"):
        write("irises", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_list_of_another_shape_is_left_alone(checkout: Path) -> None:
    (checkout / LISTED).write_text("FAMILIES = []\n")
    before = state(checkout)
    with pytest.raises(SkeletonError, match="no list FAMILIES with one family a line"):
        write("irises", checkout)
    assert state(checkout) == before


@each_kind
@pytest.mark.parametrize("name", ["ab", "a" * LONGEST, "my_own_family_of_models1"])
def test_the_files_are_formatted_and_linted(tmp_path: Path, network: bool, name: str) -> None:
    for file in render(name, network=network):
        (tmp_path / file.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file.path).write_text(file.content)
    ruff = str(Path(sys.executable).with_name("ruff"))
    settings = [str(ROOT / "pyproject.toml"), 'lint.isort.known-first-party = ["crisol"]']
    options = ["--no-cache", *(word for value in settings for word in ("--config", value))]
    for command in (["format", "--check", "--diff"], ["check"]):
        done = subprocess.run(
            [ruff, *command, *options, "."],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@each_kind
def test_the_sample_and_its_note_are_what_the_module_writes(tmp_path: Path, network: bool) -> None:
    files = {str(file.path): file.content for file in render("irises", network=network)}
    script = tmp_path / "sample.py"
    script.write_text(files["src/crisol/models/irises/data/sample.py"])
    subprocess.run([sys.executable, str(script), str(tmp_path / "out")], check=True)
    for path in (tmp_path / "out").iterdir():
        assert path.read_text() == files[f"data/01_raw/irises/{path.name}"]
