"""Every notebook is stored clean, is short and only tells, and runs under conf/ci."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT, copy_project, project_environment

CONVERT = ["nbconvert", "--to", "notebook", "--execute", "--output", "executed.ipynb"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


@each_notebook
def test_a_notebook_tells_a_story(notebook: Path) -> None:
    cells = json.loads(notebook.read_text())["cells"]
    assert len(cells) <= 15
    sources = ["".join(cell["source"]) for cell in cells]
    kinds = [cell["cell_type"] for cell in cells]
    assert kinds[0] == "markdown"
    assert kinds.count("markdown") * 2 >= len(kinds) - 1, "prose between the cells"
    for kind, source, cell in zip(kinds, sources, cells, strict=True):
        if kind == "code":
            assert not cell["outputs"]
            assert cell["execution_count"] is None
            assert not source.startswith(("def ", "class "))
            assert "\ndef " not in source
            assert "\nclass " not in source


@pytest.mark.slow
@each_notebook
def test_a_notebook_runs(notebook: Path, tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    folder = project / "notebooks"
    folder.mkdir()
    (folder / notebook.name).write_text(notebook.read_text())
    done = subprocess.run(
        [sys.executable, "-m", "jupyter", *CONVERT, notebook.name],
        cwd=folder,
        env={**project_environment(project), "KEDRO_ENV": "ci", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    cells = json.loads((folder / "executed.ipynb").read_text())["cells"]
    said = json.dumps([cell.get("outputs", []) for cell in cells])
    assert "Traceback" not in said
    assert "Error:" not in said
