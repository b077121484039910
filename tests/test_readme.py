"""The README's three commands for a table of one's own, run as they stand there."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT, copy_project, project_environment

QUICK = ",".join(
    f"tabular.model.auto.{setting}"
    for setting in ("max_trials=1", "folds=2", "workers=1", "time_budget_s=60")
)
DEAD_PROXY = "http://127.0.0.1:9"
"""Nothing listens here; a service on this machine is asked without it."""
SERVE = "make serve family=tabular.mine"


def commands() -> list[str]:
    """The lines of the block under the README's heading."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Your own table in three commands")[2].partition("\n## ")[0]
    [block] = re.findall(r"^```console\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    return block.splitlines()


def write_table(path: Path) -> None:
    """Flats whose price follows from their size and district."""
    with path.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["size_m2", "district", "balcony", "price"])
        for i in range(300):
            size, district = 30 + i * 37 % 90, ("north", "south", "harbour")[i % 3]
            price = 2000 * size + {"north": 0, "south": 20_000, "harbour": 60_000}[district]
            rows.writerow([size, district, ("yes", "no")[i % 2], price + i * 7919 % 5000])


@pytest.mark.slow
def test_three_commands_lead_from_a_table_to_a_served_answer(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    write_table(project / "mine.csv")
    train, release, serve = commands()
    environment = project_environment(project)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"

    def run(command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    run(f"{train},{QUICK}")
    run(release)
    assert serve.endswith(SERVE)
    recipe = (ROOT / "Makefile").read_text().partition("\nserve:")[2].partition("\n\n")[0]
    assert "bentoml serve $(family):latest" in recipe
    environment |= {"http_proxy": DEAD_PROXY, "ALL_PROXY": DEAD_PROXY}
    answer = run("python -m crisol.serving.bundle.trial tabular.mine")
    assert '"prediction"' in answer
