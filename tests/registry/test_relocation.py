"""A moved, renamed or copied project finds its versions and writes below its own folder."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.startup import bootstrap_project
from tests.registry.conftest import Project

from crisol.registry import relocation
from crisol.registry.datasets import load_version
from crisol.registry.release import versions
from crisol.registry.release.versions import Reference
from crisol.registry.relocation import Place, RelocationError
from crisol.registry.store import Store, StoreError
from crisol.registry.tracking import runs


@pytest.fixture(scope="module")
def trained(make_shared) -> Project:
    """Two versions, the first promoted."""
    project = make_shared()
    project.run()
    assert project.command("promote", "linear").exit_code == 0
    project.run()
    return project


@pytest.fixture
def moving(trained: Project, tmp_path: Path):
    """Moves a copy of the project to a folder of another name, and opens it there."""

    def move(name: str, *, keep: bool = False) -> Project:
        old = tmp_path / "old"
        shutil.copytree(trained.folder, old)
        made = reopened(old)
        relocation.relocate(Place(old, old / "mlflow.db", Path("mlartifacts")))
        assert made.command("relocate").output.startswith("nothing to do")
        (shutil.copytree if keep else shutil.move)(old, tmp_path / name)
        return reopened(tmp_path / name)

    return move


def reopened(folder: Path) -> Project:
    project = object.__new__(Project)
    project.folder = folder
    project.raw = folder / "data/01_raw/linear/sample.csv"
    project.store = Store.from_config({}, folder)
    project.store.activate()
    project.metadata = bootstrap_project(folder)
    return project


def contents(folder: Path) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    "name",
    [
        "Neue Fotos/Größe (1)",
        pytest.param("renamed", marks=pytest.mark.slow),
        pytest.param("50 % grün & blau", marks=pytest.mark.slow),
    ],
)
def test_a_moved_project_says_so_and_is_mended(moving, name: str) -> None:
    project = moving(name)
    old = project.folder.parents[name.count("/")] / "old"
    for command in (["promote", "linear"], ["run", "--pipelines", "linear"], ["lineage", "linear"]):
        refused = project.command(*command)
        assert refused.exit_code == 1
        said = refused.output.strip().splitlines()[-1]
        assert f"from {old} to {project.folder}" in said
        assert "kedro relocate" in said
        assert "Traceback" not in refused.output
    assert not old.exists()
    done = json.loads(project.command("relocate", "--json").output)["relocation"]
    assert (done["old"], done["new"]) == ([str(old)], str(project.folder))
    assert (done["fetched"], done["missing"]) == (0, 0)
    assert project.command("relocate").output.startswith("nothing to do")
    assert project.command("promote", "linear/2").exit_code == 0
    assert project.command("lineage", "linear/1").exit_code == 0
    first = versions.find(project.store, Reference("linear", version="1"))
    assert load_version(project.store, first).replay_golden() == []
    project.run(part={"from_nodes": ["linear.evaluate"]})
    [newest, *_] = project.runs()
    made = relocation.local_path(newest.info.artifact_uri)
    assert made is not None
    assert made.is_relative_to(project.folder)
    assert any(made.rglob("*"))
    assert not old.exists()


def test_a_copy_never_writes_into_the_other_project(moving) -> None:
    copy = moving("a copy", keep=True)
    old = copy.folder.parent / "old"
    before = contents(old)
    assert f"from {old}" in copy.command("run", "--pipelines", "linear").output
    with pytest.raises(StoreError, match="kedro relocate"):  # in a notebook
        runs.open_run(copy.store, "linear", {})
    assert copy.command("relocate").exit_code == 0
    copy.run()
    assert copy.command("promote", "linear/2").exit_code == 0
    assert contents(old) == before
    assert reopened(old).command("models").exit_code == 0


def test_artefacts_that_a_run_left_at_the_old_place_are_fetched(moving) -> None:
    project = moving("new")
    old = project.folder.parent / "old"
    for run in (project.folder / "mlartifacts/linear").iterdir():
        target = old / "mlartifacts/linear" / run.name
        target.parent.mkdir(parents=True, exist_ok=True)
        run.rename(target)
        break
    assert "artefacts of 1 runs were copied" in project.command("relocate").output
    for number in ("1", "2"):
        version = versions.find(project.store, Reference("linear", version=number))
        assert load_version(project.store, version).replay_golden() == []


def test_a_store_without_its_artefacts_is_refused_and_not_changed(moving) -> None:
    project = moving("new")
    shutil.rmtree(project.folder / "mlartifacts")
    for _ in range(2):
        refused = project.command("relocate")
        assert refused.exit_code == 1
        assert "has none of the artefacts of 2 runs" in refused.output
    place = project.store.place
    assert place is not None
    with pytest.raises(RelocationError):
        relocation.relocate(place)


def test_only_addresses_below_the_old_folder_change(moving) -> None:
    project = moving("new")
    old = project.folder.parent / "old"
    elsewhere = {"x": f"file://{old}er/x", "y": "s3://bucket/old", "z": str(old.parent / "z")}
    with sqlite3.connect(project.folder / "mlflow.db") as database:
        for name, address in elsewhere.items():
            database.execute(
                "INSERT INTO experiments (name, artifact_location, lifecycle_stage) "
                "VALUES (?, ?, 'active')",
                (name, address),
            )
    given = next((project.folder / "mlartifacts").rglob("given.json"))
    beside = {"linear": {"file": str(old / "data/a b.csv"), "other": f"{old}er/x", "n": 1}}
    given.write_text(json.dumps(beside))
    assert project.command("relocate").exit_code == 0
    with sqlite3.connect(project.folder / "mlflow.db") as database:
        rows = dict(database.execute("SELECT name, artifact_location FROM experiments"))
    assert {name: rows[name] for name in elsewhere} == elsewhere
    assert rows["linear"] == (project.folder / "mlartifacts/linear").as_uri()
    assert json.loads(given.read_text())["linear"] == {
        "file": str(project.folder / "data/a b.csv"), "other": f"{old}er/x", "n": 1,
    }  # fmt: skip


def test_a_link_to_the_project_is_no_move(trained: Project, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(trained.folder)
    assert reopened(link).command("models").exit_code == 0


@pytest.mark.parametrize(
    "config",
    [
        {"tracking_uri": "http://127.0.0.1:5000"},
        {"tracking_uri": "postgresql://me@host/db", "artifact_root": "mlartifacts"},
        {"artifact_root": "s3://bucket/crisol"},
        {"artifact_root": "file:///srv/shared"},
        {"tracking_uri": "sqlite:////srv/shared/mlflow.db"},
    ],
    ids=["server", "PostgreSQL", "object store", "shared folder", "shared database"],
)
def test_a_store_outside_of_the_project_does_not_move(
    trained: Project, config: dict[str, Any], monkeypatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert Store.from_config(config, trained.folder).place is None
    (trained.folder / "conf/local/mlflow.yml").write_text(json.dumps(config))
    said = trained.command("relocate")
    (trained.folder / "conf/local/mlflow.yml").write_text("measure_versions: false\n")
    assert said.exit_code == 0
    assert said.output.startswith("nothing was changed: ")
