"""Builds a bundle: one Bento that holds a family's service and the predictor it serves.

Everything is built aside, in ``crisol-building/`` of the BentoML home, and moved into the stores at
the end, one rename each. Killed at any moment, no half Bento carries the tag; what was left aside
is swept by the next build.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import crisol
from crisol.core.backbones import store
from crisol.core.backbones.store import BackboneError
from crisol.core.predictor import PredictorError, backbones_of, predictor_digest, read_manifest
from crisol.serving.bento_home import bento_home
from crisol.serving.bundle.building import Scratch, publish, scratch, sweep

STAMP_KEYS = (
    "model_version", "alias", "run_id", "git_commit", "git_dirty", "data_digests",
    "predictor_digest", "lock_digest", "gate", "trained_at",
)  # fmt: skip
_SECRET = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL", re.IGNORECASE)


class BundleError(RuntimeError):
    """A bundle that could not be built, or that must not be."""


@dataclass(frozen=True)
class Bundle:
    """A bundle that was built.

    Attributes:
        tag: the tag of the Bento, such as ``signals:v3-1f2e3d4c``.
        path: its folder in the BentoML home.
        dockerfile: the input of ``bentoml containerize``.
        model_tag: the tag of the predictor in BentoML's model store.
        size_bytes: size of Bento and predictor together (without the packages they install).
        requirements: the packages that the container installs, ``name==version`` each.
        swept: leftovers of interrupted builds that were removed.
    """

    tag: str
    path: Path
    dockerfile: Path
    model_tag: str
    size_bytes: int
    requirements: tuple[str, ...]
    swept: tuple[str, ...]


def build(
    family: str,
    predictor_dir: Path,
    stamp: Mapping[str, str],
    *,
    project_dir: Path | None = None,
) -> Bundle:
    """Build the bundle of one registered predictor, or build it again.

    Args:
        family: the family of the service.
        predictor_dir: the predictor directory of the version.
        stamp: where it comes from (:data:`STAMP_KEYS`), written on Bento and model. Its ``model``,
            if it has one, names the line of the family, such as ``tabular.adult``: Bento and model
            are called so.
        project_dir: a project whose ``bentofile.yaml`` may add ``labels``, ``envs`` and ``docker``.

    Raises:
        BundleError: the stamp is not whole, the predictor is not the stamped one or not of the
            family, an environment variable has no value or looks like a secret, or BentoML failed.
    """
    swept = sweep()
    _check_stamp(family, predictor_dir, stamp)
    settings = _project_settings(project_dir)
    digest = predictor_digest(predictor_dir)
    prefix = "v" if stamp["model_version"].isdigit() else ""
    version = f"{prefix}{stamp['model_version']}-{digest[:8]}"
    name = stamp.get("model", family)
    with scratch() as aside:
        context = _copy_package(family, aside.path / "context")
        job = {
            "family": family,
            "name": name,
            "version": version,
            "model_tag": f"{name}:{version}",
            "predictor_dir": str(Path(predictor_dir).resolve()),
            "stamp": dict(stamp),
            "context": str(context),
            "runtime": read_manifest(predictor_dir).get("runtime", ""),
            "description": _describe(name, stamp),
            **settings,
        }
        _run_assembler(job, aside)
        built = aside.path / "home" / "bentos" / name / version
        requirements = _check_bento(built)
        publish(aside.path / "home" / "models" / name / version, "models", aside)
        path = publish(built, "bentos", aside)
    model_path = bento_home() / "models" / name / version
    return Bundle(
        tag=f"{name}:{version}",
        path=path,
        dockerfile=path / "env" / "docker" / "Dockerfile",
        model_tag=f"{name}:{version}",
        size_bytes=_size(path) + _size(model_path),
        requirements=tuple(requirements),
        swept=tuple(swept),
    )


def _check_stamp(family: str, predictor_dir: Path, stamp: Mapping[str, str]) -> None:
    missing = [key for key in STAMP_KEYS if not isinstance(stamp.get(key), str)]
    if missing:
        raise BundleError(f"the stamp lacks {', '.join(missing)} (every value is a string)")
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.]{0,30}", stamp["model_version"]):
        raise BundleError(f"{stamp['model_version']!r} is not a model version for a tag")
    try:
        manifest = read_manifest(predictor_dir)
    except PredictorError as error:
        raise BundleError(str(error)) from error
    if manifest["family"] != family:
        raise BundleError(f"{predictor_dir} holds a {manifest['family']!r} predictor")
    if stamp.get("model", family).partition(".")[0] != family:
        raise BundleError(f"the stamp names {stamp['model']!r}, which is not a model of {family}")
    for reference in backbones_of(manifest):
        try:
            store.referred(reference)
        except BackboneError as error:
            raise BundleError(str(error)) from error
    digest = predictor_digest(predictor_dir)
    if stamp["predictor_digest"] != digest:
        raise BundleError(
            f"{predictor_dir} has the digest {digest[:12]}, the stamp says "
            f"{stamp['predictor_digest'][:12]}: this is not the registered predictor"
        )


def _project_settings(project_dir: Path | None) -> dict[str, Any]:
    """``labels``, ``envs`` and ``docker`` of a project's bentofile, checked."""
    path = None if project_dir is None else Path(project_dir) / "bentofile.yaml"
    content: dict[str, Any] = {}
    if path is not None and path.is_file():
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    envs: list[dict[str, str]] = content.get("envs") or []
    for variable in envs:
        name = variable.get("name", "")
        if not variable.get("value"):
            raise BundleError(
                f"{path}: the environment variable {name!r} has no value; BentoML would write it "
                "into the image at build time. Give it when the container starts"
            )
        if _SECRET.search(name):
            raise BundleError(
                f"{path}: {name!r} looks like a secret, and whoever has the image could read it; "
                "give it when the container starts"
            )
    return {
        "labels": content.get("labels") or {},
        "envs": envs,
        "docker": content.get("docker") or {},
    }


def _copy_package(family: str, context: Path) -> Path:
    """The part of ``crisol`` that serving needs, from wherever it is installed."""
    source = Path(crisol.__file__).parent
    target = context / "crisol"
    skip = shutil.ignore_patterns("__pycache__", "*.pyc")
    if not (source / "serving" / "families" / f"{family}.py").is_file():
        raise BundleError(
            f"there is no service for {family!r}: serving/families/{family}.py is missing"
        )
    (target / "models").mkdir(parents=True)
    for name in ("__init__.py", "models/__init__.py"):
        shutil.copy(source / name, target / name)
    for name in ("core", "serving", f"models/{family}"):
        shutil.copytree(source / name, target / name, ignore=skip)
    from crisol.models import family_names

    for other in set(family_names()) - {family}:
        (target / "serving" / "families" / f"{other}.py").unlink(missing_ok=True)
    return context


def _describe(name: str, stamp: Mapping[str, str]) -> str:
    rows = "\n".join(f"| {key} | `{stamp[key]}` |" for key in STAMP_KEYS)
    return (
        f"# {name}, version {stamp['model_version']}\n\n"
        f"| stamp | value |\n|---|---|\n{rows}\n\n"
        "Start it with `CRISOL_API_KEYS=<key> bentoml serve`; the API page is `/docs`.\n"
    )


def _run_assembler(job: Mapping[str, Any], aside: Scratch) -> None:
    job_file = aside.path / "job.json"
    job_file.write_text(json.dumps(job), encoding="utf-8")
    python_path = [job["context"], *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "BENTOML_HOME": str(aside.path / "home"),
        "BENTOML_DO_NOT_TRACK": "true",
        "PYTHONPATH": os.pathsep.join(python_path),
    }
    # -P: the working directory must not come before the copied package.
    done = subprocess.run(
        [sys.executable, "-P", "-m", "crisol.serving.bundle.assemble", str(job_file)],
        cwd=job["context"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        pass_fds=[aside.lock.descriptor],
    )
    if done.returncode:
        raise BundleError(f"BentoML could not build the bundle:\n{done.stderr or done.stdout}")


def _check_bento(bento: Path) -> list[str]:
    """Check the generated files: pinned packages, a plain user, no secrets.

    Returns:
        The requirements.

    Raises:
        BundleError: a promise is not kept.
    """
    dockerfile = bento / "env" / "docker" / "Dockerfile"
    requirements_file = bento / "env" / "python" / "requirements.txt"
    for path in (dockerfile, requirements_file, bento / "apis" / "openapi.yaml"):
        if not path.is_file():
            raise BundleError(f"BentoML did not write {path.relative_to(bento)}")
    text = dockerfile.read_text(encoding="utf-8")
    users = re.findall(r"^USER\s+(\S+)", text, re.MULTILINE)
    if not users or users[-1] in ("root", "0"):
        raise BundleError("the Dockerfile would run the service as root")
    if "env/python/requirements.txt" not in text:
        raise BundleError("the Dockerfile does not install env/python/requirements.txt")
    for name in re.findall(r"^(?:ARG|ENV)\s+(\w+)", text, re.MULTILINE):
        if _SECRET.search(name):
            raise BundleError(f"the Dockerfile names {name}, which looks like a secret")
    lines = requirements_file.read_text(encoding="utf-8").splitlines()
    requirements = sorted({line.strip() for line in lines if line.strip()})
    loose = [line for line in requirements if not re.fullmatch(r"[\w.-]+==[\w.!]+", line)]
    if loose:
        raise BundleError(f"not pinned: {', '.join(loose)}")
    return requirements


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
