"""The script of docs/platform.md, run as it stands there: from files to a prediction."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT, clean_environment, copy_project
from tests.platform.conftest import until
from tests.platform.service import free_port

KEY = "a-key-for-the-walkthrough"
ADULT = ROOT / "data" / "01_raw" / "tabular" / "adult"
ROWS = {"train": 1200, "test": 400}


def script() -> str:
    """The page's only Python."""
    text = (ROOT / "docs" / "platform.md").read_text(encoding="utf-8")
    [found] = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return found


def adult_files(folder: Path) -> Path:
    """The first rows of Adult where it was fetched, else rows of the same shape."""
    folder.mkdir()
    for part, count in ROWS.items():
        if ADULT.exists():
            lines = (ADULT / f"{part}.csv").read_text().splitlines()[:count]
        else:
            end = "." if part == "test" else ""
            lines = [made_up(i, end) for i in range(count)]
        (folder / f"{part}.csv").write_text("\n".join(lines) + "\n")
    return folder


def made_up(i: int, end: str) -> str:
    age, hours, gain = 18 + i * 37 % 60, 20 + i * 13 % 40, (i * 7919 % 11 == 0) * 9000
    degree = ("HS-grad", "Bachelors", "Masters")[i % 3]
    rich = gain > 0 or (age > 40 and degree != "HS-grad" and hours > 30)
    return (
        f"{age}, Private, {100_000 + i * 31}, {degree}, {9 + i % 3 * 2}, Never-married, Sales, "
        f"Unmarried, White, {('Male', 'Female')[i % 2]}, {gain}, 0, {hours}, "
        f"{('?', 'Cuba', 'India')[i % 3]}, {'>50K' if rich else '<=50K'}{end}"
    )


@pytest.mark.slow
def test_the_page_leads_from_files_to_a_prediction(tmp_path: Path, template_database: Path) -> None:
    project = copy_project(tmp_path / "project")
    (project / "mlflow.db").write_bytes(template_database.read_bytes())
    (project / "conf/local/mlflow.yml").write_text("measure_versions: false\n")
    port = free_port()
    environment = clean_environment(
        CRISOL_API_KEYS=KEY,
        CRISOL_KEY=KEY,
        CRISOL_PLATFORM=f"http://127.0.0.1:{port}",
        ADULT=str(adult_files(tmp_path / "adult")),
        SEARCH=json.dumps({"max_trials": 1, "folds": 2, "algorithms": ["lightgbm"], "workers": 1}),
        PORT=str(free_port()),
        BENTOML_HOME=str(project / "bentoml"),
        OMP_NUM_THREADS="1",
    )
    log = (tmp_path / "platform.log").open("wb")
    platform = subprocess.Popen(
        [sys.executable, "-m", "kedro", "platform", "--port", str(port)],
        cwd=project,
        env=environment,
        stdout=log,
        stderr=log,
    )
    try:
        until(lambda: listens(port))
        done = subprocess.run(
            [sys.executable, "-c", script()],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        said = f"{done.stdout}\n{done.stderr}\n{(tmp_path / 'platform.log').read_text()}"
        assert done.returncode == 0, said[-6000:]
        assert f"{sum(ROWS.values())} rows, classification of income" in done.stdout
        assert "version 1.0.0: accuracy" in done.stdout
        assert '"prediction": ">50K"' in done.stdout, said[-6000:]
    finally:
        platform.terminate()
        assert platform.wait(30) == 0


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
