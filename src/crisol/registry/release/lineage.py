"""The lineage of a version: every link of the chain from a bundle back to the data."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from crisol.registry.release import versions
from crisol.registry.release.cards import measured_facts
from crisol.registry.release.versions import Reference, Version
from crisol.registry.store import Store, StoreError


@dataclass(frozen=True)
class Link:
    """One link of the chain: its step, its name and its value."""

    step: str
    what: str
    value: str


@dataclass(frozen=True)
class Lineage:
    """The chain of one version, from the bundle (when asked for one) to the data."""

    version: Version
    links: tuple[Link, ...]
    parameters: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON for ``--json``."""
        return {
            **self.version.to_json(),
            "links": [asdict(link) for link in self.links],
            "parameters": dict(self.parameters),
        }


def stamp(version: Version, alias: str | None) -> dict[str, str]:
    """The labels of a bundle about the version inside it; Bento labels are strings.

    Args:
        version: a complete version.
        alias: the alias it was chosen by, if any.
    """
    tags = version.tags
    return {
        "family": version.family,
        "model": version.model,
        "model_version": version.number,
        "alias": alias or "",
        "run_id": version.run_id,
        "git_commit": tags["crisol.git_commit"],
        "git_dirty": tags["crisol.git_dirty"],
        "data_digests": json.dumps(version.data_digests, sort_keys=True),
        "predictor_digest": tags["crisol.predictor_digest"],
        "lock_digest": tags["crisol.lock_digest"],
        "gate": tags["crisol.gate"],
        "trained_at": tags["crisol.trained_at"],
    }


def lineage(store: Store, text: str) -> Lineage:
    """The chain behind ``signals@champion``, ``signals/2`` or a Bento tag such as ``signals:x2``.

    Raises:
        StoreError: there is no such version or Bento.
    """
    if ":" not in text:
        return _of_version(store, versions.find(store, Reference.parse(text)), ())
    labels, path = bento_labels(text)
    missing = {"family", "model_version", "run_id"} - labels.keys()
    if missing:
        raise StoreError(
            f"the Bento {text} was not built by Crisol: it lacks the labels "
            + ", ".join(sorted(missing))
        )
    bundle = (
        Link("bundle", "Bento", text),
        Link("bundle", "path", str(path)),
        *(Link("bundle", name, value) for name, value in sorted(labels.items())),
    )
    # Bundles built before a family had lines name their family alone.
    model = labels.get("model", labels["family"])
    reference = Reference(model, version=labels["model_version"])
    version = versions.find(store, reference)
    if version.run_id != labels["run_id"]:
        raise StoreError(
            f"the Bento {text} says run {labels['run_id']}, but {version} comes from run "
            f"{version.run_id}: it was built from another registry"
        )
    return _of_version(store, version, bundle)


def bento_labels(tag: str) -> tuple[dict[str, str], Path]:
    """The labels of a Bento in the local Bento store, and its path.

    They are read from the file, because only ``crisol.serving`` imports BentoML.

    Raises:
        StoreError: there is no such Bento.
    """
    name, _, number = tag.partition(":")
    home = Path(os.environ.get("BENTOML_HOME") or Path.home() / "bentoml")
    folder = home / "bentos" / name
    if number == "latest" and (folder / "latest").is_file():
        number = (folder / "latest").read_text().strip()
    path = folder / number
    if not (path / "bento.yaml").is_file():
        raise StoreError(f"there is no Bento {tag} in {home / 'bentos'} (see: bentoml list)")
    description = yaml.safe_load((path / "bento.yaml").read_text())
    labels = {str(k): str(v) for k, v in (description.get("labels") or {}).items()}
    return labels, path


def _of_version(store: Store, version: Version, before: tuple[Link, ...]) -> Lineage:
    run = store.client().get_run(version.run_id)
    tags = run.data.tags
    created = datetime.fromtimestamp(version.created_ms / 1000, tz=UTC)
    gate = version.gate
    dirty = " (with uncommitted changes)" if tags["crisol.git_dirty"] == "true" else ""
    links = [
        *before,
        Link("version", "registered", f"{version} at {created.isoformat(timespec='seconds')}"),
        Link("version", "semantic version", version.semver or "none"),
        Link("version", "status", versions.status(version)),
        Link("version", "aliases", ", ".join(version.aliases) or "none"),
        Link("version", "predictor SHA-256", version.tags["crisol.predictor_digest"]),
        *(Link("version", what, value) for what, value in measured_facts(version.tags)),
        *(Link("backbone", name, value) for name, value in sorted(version.backbones.items())),
        *([Link("gate", gate.verdict, text) for text in gate.sentences] if gate else []),
        Link("run", "id", version.run_id),
        Link("run", "status", run.info.status),
        Link("run", "pipelines", tags.get("crisol.pipelines", "none")),
        Link("run", "environment", tags["crisol.env"]),
        Link("code", "git commit", tags["crisol.git_commit"] + dirty),
        Link("code", "lock SHA-256", tags["crisol.lock_digest"]),
        Link("code", "versions", _software(tags)),
        *(Link("data", name, digest) for name, digest in sorted(version.data_digests.items())),
    ]
    return Lineage(version, tuple(links), dict(run.data.params))


def _software(tags: Mapping[str, str]) -> str:
    names = ("version", "python", "kedro", "mlflow", "torch")
    shown = {"version": "crisol"}
    return ", ".join(
        f"{shown.get(name, name)} {tags[f'crisol.{name}']}"
        for name in names
        if f"crisol.{name}" in tags
    )
