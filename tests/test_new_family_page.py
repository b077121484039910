"""docs/new-family.md, followed to the letter, gives a family that conforms."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import PROJECT_FILES, ROOT, clean_environment

PAGE = ROOT / "docs" / "new-family.md"
FILE = re.compile(r"^`([\w./]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINE = re.compile(r"gets, at its end:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_page_builds_a_conforming_family(tmp_path: Path) -> None:
    copy = tmp_path / "crisol"
    ignore = shutil.ignore_patterns("__pycache__", "real*", "acl18*", "btcusdt*")
    for folder in ("src", "conf", "tests", "data/01_raw", "docs"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=ignore)
    for name in PROJECT_FILES:
        shutil.copy(ROOT / name, copy / name)
    page = PAGE.read_text()
    files = FILE.findall(page)
    assert len(files) == 13
    for name, content in files:
        path = copy / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    listed = copy / "tests" / "conformance" / "families.py"
    line = LINE.search(page)
    assert line is not None
    listed.write_text(f"{listed.read_text()}\n{line[1]}")

    environment = clean_environment(PYTHONPATH=str(copy / "src"))
    sample = [sys.executable, "-m", "crisol.models.irises.sample"]
    subprocess.run(sample, cwd=copy, env=environment, check=True, timeout=120)
    conformance = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    conformance += [
        "tests/conformance",
        "-k",
        "(irises or every_family) and not nonsense and not reproduce",
    ]
    done = subprocess.run(
        conformance,
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=560,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert re.search(r"\b(\d+) passed", done.stdout)
