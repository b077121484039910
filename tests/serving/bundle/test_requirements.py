import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from crisol.models.signals.predictor import SignalsPredictor
from crisol.serving.bundle import requirements

ROOT = Path(__file__).parents[3]


def packages_of_signals() -> tuple[str, ...]:
    return (*SignalsPredictor.packages("torch"), *SignalsPredictor.packages("onnx"))


def test_a_bundle_pins_everything_it_needs_and_nothing_of_training() -> None:
    pinned = requirements.pinned([*requirements.BASE, *packages_of_signals()])
    names = {line.partition("==")[0] for line in pinned}
    assert {"torch", "bentoml", "pydantic-core", "starlette", "onnxruntime"} <= names
    assert not names & requirements.TRAINING_ONLY
    assert all(re.fullmatch(r"[a-z0-9.-]+==[0-9][\w.]*", line) for line in pinned)
    assert pinned == sorted(pinned)


def test_a_bundle_run_by_onnx_installs_no_torch() -> None:
    pinned = requirements.pinned([*requirements.BASE, *SignalsPredictor.packages("onnx")])
    assert not any(line.startswith(("torch", "sympy")) for line in pinned)


def test_a_package_of_training_or_an_absent_one_is_refused() -> None:
    with pytest.raises(requirements.RequirementsError, match="pandera"):
        requirements.pinned(["pandera"])
    with pytest.raises(requirements.RequirementsError, match="pip install no-such-package"):
        requirements.pinned(["no-such-package"])


def test_the_bentofile_pins_what_is_installed() -> None:
    listed = yaml.safe_load((ROOT / "bentofile.yaml").read_text())["python"]["packages"]
    direct = {*requirements.BASE, *packages_of_signals()}
    installed = requirements.pinned(direct)
    assert listed == [line for line in installed if line.partition("==")[0] in direct]


def test_the_bentofile_pins_what_the_lock_pins() -> None:
    listed = yaml.safe_load((ROOT / "bentofile.yaml").read_text())["python"]["packages"]
    lock = (ROOT / "requirements.lock").read_text()
    locked = {
        name.lower(): version.partition("+")[0]
        for name, version in re.findall(r"^([\w.-]+)(?:\[\w+\])?==(\S+)", lock, re.MULTILINE)
    }
    for line in listed:
        name, _, version = line.partition("==")
        assert locked[name] == version


@pytest.mark.parametrize("runtime", ["torch", "onnx"])
def test_serving_imports_nothing_of_training(
    make_predictor: Callable[..., Any], tmp_path: Path, runtime: str
) -> None:
    from crisol.models.signals.networks.export import export

    predictor = make_predictor()
    if runtime == "onnx":
        predictor = predictor.with_runtime("onnx", export(predictor.ensemble()))
    directory = predictor.save(tmp_path / "predictor")
    code = (
        "import sys, os; os.environ['CRISOL_AUTH'] = 'disabled'\n"
        "from crisol.serving.families import signals\n"
        f"signals.service.open({str(directory)!r}, {{}})\n"
        "assert signals.service.ready, signals.service.reasons\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.splitlines()[-1].split())
    assert not loaded & {"pandas", "kedro", "mlflow", "sklearn", "scipy", "matplotlib", "pandera"}
    assert ("torch" in loaded) is (runtime == "torch")
