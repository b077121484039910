"""Provenance of a run: git, the lock file, versions, the process, the data's digests."""

import hashlib
import os
import platform
import socket
import subprocess
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from crisol import __file__ as crisol_file
from crisol import __version__, models
from crisol.core.files import file_sha256

LOCK_FILE = "requirements.lock"
_digests: dict[Path, tuple[tuple[Any, ...], str]] = {}
"""State of the files and digest of every path that was read."""
_VERSIONED = ("kedro", "mlflow", "torch", "numpy", "bentoml")


def git_state(project: Path) -> dict[str, str]:
    """``commit`` and ``dirty`` of the project's repository; ``unknown`` outside of one."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(project), *arguments],
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:  # no git on this machine
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit, status = git("rev-parse", "HEAD"), git("status", "--porcelain")
    if commit is None or status is None:
        return {"commit": "unknown", "dirty": "unknown"}
    return {"commit": commit, "dirty": "true" if status else "false"}


def lock_digest(project: Path) -> str:
    """SHA-256 of the lock file; ``none`` when the project has none."""
    lock = project / LOCK_FILE
    return file_sha256(lock) if lock.is_file() else "none"


def process_tags() -> dict[str, str]:
    """Tags that identify this process, even after its number was given to another."""
    process = psutil.Process()
    return {
        "crisol.host": socket.gethostname(),
        "crisol.pid": str(process.pid),
        "crisol.process_started": f"{process.create_time():.2f}",
    }


def is_gone(tags: Mapping[str, str]) -> bool:
    """Whether the process named by :func:`process_tags` has ended.

    A process of another host cannot be seen from here, so it counts as alive.
    """
    if tags.get("crisol.host") != socket.gethostname() or "crisol.pid" not in tags:
        return False
    try:
        process = psutil.Process(int(tags["crisol.pid"]))
        started = process.create_time()
        zombie = process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    # The kernel's clock ticks at 100 Hz, and some systems round to whole seconds.
    return bool(zombie or abs(started - float(tags["crisol.process_started"])) > 1.5)


@cache
def software_tags() -> dict[str, str]:
    """Versions of Python, Crisol and the libraries that decide results."""
    tags = {"crisol.version": __version__, "crisol.python": platform.python_version()}
    for name in _VERSIONED:
        try:
            tags[f"crisol.{name}"] = version(name)
        except PackageNotFoundError:  # an optional library that is not installed
            continue
    return tags


def code_tags(project: Path) -> dict[str, str]:
    """Git commit, dirtiness and lock digest as tags."""
    git = git_state(project)
    return {
        "crisol.git_commit": git["commit"],
        "crisol.git_dirty": git["dirty"],
        "crisol.lock_digest": lock_digest(project),
        # MLflow's UI shows this one in its own column.
        "mlflow.source.git.commit": git["commit"],
    }


def path_digest(path: Path) -> str:
    """SHA-256 of a file, or of the sorted names and digests of a folder's files.

    A path is read again only when a file of it has changed.
    """
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    stats = [(file, file.stat()) for file in files]
    state = tuple((file, s.st_ino, s.st_size, s.st_mtime_ns) for file, s in stats)
    known = _digests.get(path)
    if known is not None and known[0] == state:
        return known[1]
    digest = file_sha256(path) if path.is_file() else _folder_digest(path, files)
    _digests[path] = (state, digest)
    return digest


def _folder_digest(folder: Path, files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for file in files:
        total.update(f"{file.relative_to(folder).as_posix()}\0{file_sha256(file)}\n".encode())
    return total.hexdigest()


@cache
def code_digest(family: str, project: Path) -> str:
    """SHA-256 of the code that a family's nodes run, and of the lock file.

    Two commits that differ in other files have the same digest.
    """
    package = Path(crisol_file).parent
    nodes = import_module(f"crisol.pipelines.{family}").__file__
    model = models.family(family).__file__
    assert nodes is not None
    assert model is not None
    total = hashlib.sha256(lock_digest(project).encode())
    for name, folder in {
        "core": package / "core",
        "catalog": package / "catalog",
        "model": Path(model).parent,
        "nodes": Path(nodes).parent,
    }.items():
        for file in sorted(folder.rglob("*.py")):
            total.update(f"{name}/{file.relative_to(folder).as_posix()}\0".encode())
            total.update(file.read_bytes())
    for name in ("pipelines/shared_nodes.py", "pipelines/wiring.py"):
        total.update((package / name).read_bytes())
    return total.hexdigest()


def dataset_path(dataset: Any) -> Path | None:
    """The local file or folder behind a catalog entry; ``None`` for anything else."""
    path = filepath(dataset)
    return path if path is not None and path.exists() else None


def filepath(dataset: Any) -> Path | None:
    """The path of a catalog entry, whether or not something is there."""
    found = getattr(dataset, "_filepath", None) or getattr(dataset, "_path", None)
    return None if found is None else Path(str(found))


def is_launched() -> bool:
    """Whether this process is one of several started by ``accelerate launch``."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def is_worker() -> bool:
    """Whether this process is a non-zero rank of a distributed training, which must not write."""
    return is_launched() and int(os.environ.get("RANK", "0")) > 0
