"""Prove a bundle in a fresh environment: ``python -m crisol.serving.bundle.verify <tag>``.

Does what a container does, without a container engine: exports the Bento, unpacks it elsewhere,
installs its own requirements into a fresh virtual environment, serves it from its own folder with
nothing of this project on the path, and asks it a golden example.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import crisol
from crisol.core.predictor import compare_answers, read_manifest
from crisol.models import family
from crisol.serving.bundle.local_server import LocalServer, ServerError, serving

_FOREIGN = ("kedro", "mlflow", "pandas", "crisol")


class VerificationError(RuntimeError):
    """The bundle did not work on its own; the message says at which step."""


@dataclass(frozen=True)
class Verified:
    """The cost of a bundle that answered on its own.

    Attributes:
        tag: the tag of the Bento.
        installed_bytes: size of the virtual environment's packages.
        packages: number of installed distributions.
        install_seconds: time to make the environment.
        start_seconds: time from the command to ready.
        resident_bytes: memory of server and worker after the first answer; 0 where the system does
            not tell.
        model_version: the version in the header of the answer.
    """

    tag: str
    installed_bytes: int
    packages: int
    install_seconds: float
    start_seconds: float
    resident_bytes: int
    model_version: str


def verify(tag: str, work: Path, install_options: Sequence[str] = ()) -> Verified:
    """Export, unpack, install, serve and ask one bundle.

    Args:
        tag: the tag of a Bento in this machine's BentoML home.
        work: an empty folder to do it in.
        install_options: for ``uv pip install`` (or ``pip install``), such as ``--find-links``.

    Raises:
        VerificationError: a step failed.
    """
    bento = _unpack(tag, work)
    started = time.perf_counter()
    python, packages = _install(bento, work / "venv", install_options)
    install_seconds = time.perf_counter() - started
    _check_clean(python)
    start_seconds, resident, version = _serve_and_ask(bento, python, work)
    site = next((work / "venv" / "lib").glob("python*/site-packages"))
    size = sum(p.stat().st_size for p in site.rglob("*") if p.is_file() and not p.is_symlink())
    return Verified(tag, size, packages, install_seconds, start_seconds, resident, version)


def _run(step: str, command: list[str], **options: Any) -> str:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command, capture_output=True, text=True, check=False, **options
    )
    if done.returncode:
        raise VerificationError(f"{step} failed:\n{(done.stderr or done.stdout)[-3000:]}")
    return done.stdout


def _unpack(tag: str, work: Path) -> Path:
    archive = (work / "bundle.tar").resolve()
    _run("export", [sys.executable, "-m", "bentoml", "export", tag, str(archive)])
    with tarfile.open(archive) as tar:
        tar.extractall(work / "bundle", filter="data")
    return work / "bundle"


def _install(bento: Path, venv: Path, options: Sequence[str]) -> tuple[Path, int]:
    python = venv / "bin" / "python"
    requirements = str(bento / "env" / "python" / "requirements.txt")
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    uv = shutil.which("uv", path=os.pathsep.join(folders))
    if uv:
        _run("uv venv", [uv, "venv", "-q", "--python", sys.executable, str(venv)])
        install = [uv, "pip", "install", "-q", "--python", str(python)]
    else:
        _run("venv", [sys.executable, "-m", "venv", str(venv)])
        install = [str(python), "-m", "pip", "install", "-q"]
    _run("install", [*install, *options, "-r", requirements], cwd=bento / "src")
    listing = "import importlib.metadata as m; print(len(list(m.distributions())))"
    return python, int(_run("listing", [str(python), "-c", listing]))


def _check_clean(python: Path) -> None:
    code = (
        "import importlib.util as u, sys; "
        f"print(*[n for n in {_FOREIGN!r} if u.find_spec(n) is not None])"
    )
    found = _run("import check", [str(python), "-P", "-c", code], env=_environment()).strip()
    if found:
        raise VerificationError(f"the bundle's environment holds {found}")


def _environment(**extra: str) -> dict[str, str]:
    """This process's environment without the variables that could add a package or a model."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(
            ("PYTHON", "CRISOL_", "BENTOML_", "MLFLOW_", "KEDRO_", "VIRTUAL_ENV")
        )
    }
    return {**kept, **crisol.QUIET, **extra}


def _serve_and_ask(bento: Path, python: Path, work: Path) -> tuple[float, int, str]:
    try:
        with serving(
            str(bento.resolve()),
            python=[str(python), "-P"],
            cwd=bento,
            environment=_environment(BENTOML_HOME=str(work / "home")),
            log=work / "serve.log",
        ) as server:
            version = _ask(bento, server)
            return server.start_seconds, _resident(server.pid), version
    except ServerError as error:
        raise VerificationError(str(error)) from error


def _ask(bento: Path, server: LocalServer) -> str:
    """Send the first golden request to the first endpoint; the version the answer names."""
    golden_file = next((bento / "models").glob("*/*/golden.json"))
    golden = json.loads(golden_file.read_text(encoding="utf-8"))[0]
    name = read_manifest(golden_file.parent)["family"]
    path = server.first_route()
    answer = server.post(path, golden["request"])
    differences = compare_answers(
        golden["response"],
        answer.body,
        ignore=family(name).Predictor.volatile_fields,
        tolerance=1e-4,
    )
    if differences:
        raise VerificationError(f"{path} answered otherwise than recorded: {differences}")
    return answer.model_version


def _resident(pid: int) -> int:
    import psutil

    first = psutil.Process(pid)
    return sum(p.memory_info().rss for p in (first, *first.children(recursive=True)))


def main() -> None:
    """Verify one bundle and print what was found as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tag")
    parser.add_argument("options", nargs="*", help="for the installer, after --")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crisol-verify-") as work:
        verified = verify(arguments.tag, Path(work), arguments.options)
    sys.stdout.write(json.dumps(asdict(verified), indent=2) + "\n")


if __name__ == "__main__":
    main()
