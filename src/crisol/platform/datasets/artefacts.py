"""Large files in and out of MLflow's artefacts: moved and read in place where those are local."""

import shutil
from pathlib import Path
from urllib.parse import unquote, urlparse
from uuid import uuid4

from crisol.registry.store import Store


def keep_file(store: Store, run_id: str, artefact_uri: str, path: Path, folder: str) -> None:
    """Move a file to a run's artefacts; one that was moved already is left where it is.

    On the file system of the artefacts it is a rename, which is whole or did not happen; to another
    place MLflow copies it.
    """
    root = _local(artefact_uri)
    if root is not None and not path.exists() and (root / folder / path.name).exists():
        return
    if root is not None:
        (root / folder).mkdir(parents=True, exist_ok=True)
        try:
            path.replace(root / folder / path.name)
        except OSError:  # another file system
            pass
        else:
            return
    try:
        store.client().log_artifact(run_id, str(path), folder)
    except OSError:  # a full disk: half a copy would stay
        if root is not None:
            (root / folder / path.name).unlink(missing_ok=True)
        raise
    path.unlink()


def local_path(store: Store, run_id: str, artefact_uri: str, name: str, cache: Path) -> Path:
    """A path to an artefact (a file or a folder), fetched once when it lies elsewhere.

    Args:
        store: the MLflow store.
        run_id: whose artefact.
        artefact_uri: where the run's artefacts lie.
        name: of the artefact.
        cache: folder for those of other machines.

    Raises:
        FileNotFoundError: there is no such artefact.
    """
    root = _local(artefact_uri)
    if root is not None:
        if not (root / name).exists():
            raise FileNotFoundError(f"the run {run_id} has no artefact {name}")
        return root / name
    kept = cache / run_id / name
    if not kept.exists():
        aside = cache / f".{uuid4().hex}"
        aside.mkdir(parents=True)
        try:
            fetched = Path(store.client().download_artifacts(run_id, name, str(aside)))
            kept.parent.mkdir(parents=True, exist_ok=True)
            if not kept.exists():  # somebody else may have been first
                fetched.replace(kept)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return kept


def _local(artefact_uri: str) -> Path | None:
    """The folder behind an artefact address of this machine; ``None`` for any other."""
    parsed = urlparse(artefact_uri)
    if parsed.scheme == "file":
        return Path(unquote(parsed.path))
    return Path(artefact_uri) if not parsed.scheme else None
