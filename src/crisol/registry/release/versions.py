"""Registered versions: their names, how to find them, and the data stored with them.

A registered model is a *line* of a family: the family's own name (``signals``), or one of several
that it has (``tabular.adult``). Every line has its own versions, aliases and gate.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import pandas as pd

from crisol import models
from crisol.registry.naming import MODEL_PATTERN, check_family, family_of
from crisol.registry.release.gate import Decision
from crisol.registry.store import Store, StoreError
from crisol.registry.tracking import scratch

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

__all__ = ["check_family", "family_of"]

CANDIDATE, CHAMPION, PREVIOUS = "candidate", "champion", "previous"
BACKBONE_TAG = "crisol.backbone."
COMPLETE_TAG = "crisol.complete"
GATE_TAG = "crisol.gate_numbers"
ARCHIVED_TAG = "crisol.archived"
"""Time, user and reason of the archiving, as JSON; absent on versions that are not archived."""
SEMVER_TAG, SIZE_TAG, MEASURED_TAG = "crisol.semver", "crisol.size_bytes", "crisol.measured"
MODEL_PATH = "predictor"
"""The path of the MLflow model in a run's artefacts; the predictor directory is inside it."""
SCORES_FILE = "gate/scores.parquet"
_NUMBER = "[1-9][0-9]{0,8}"
_REFERENCE = re.compile(
    rf"(?P<model>{MODEL_PATTERN})(?:/(?P<version>{_NUMBER})|@(?P<alias>[\w-]+))?"
)


@dataclass(frozen=True)
class Reference:
    """A version as a user names it: ``signals``, ``signals/2`` or ``tabular.adult@champion``."""

    model: str
    version: str | None = None
    alias: str | None = None

    @classmethod
    def parse(cls, text: str, version: str | None = None) -> Self:
        """Read a reference and check that the family exists.

        Args:
            text: the reference as the user wrote it.
            version: a version number given beside a bare model.

        >>> Reference.parse("no such thing")
        Traceback (most recent call last):
        ...
        crisol.registry.store.StoreError: 'no such thing' is not a reference: write <model>, ...
        """
        match = _REFERENCE.fullmatch(text)
        if match is None:
            raise StoreError(
                f"{text!r} is not a reference: write <model>, <model>/<version> or "
                "<model>@<alias>, such as signals/2 or signals@champion; a model is <family> or "
                "<family>.<line>"
            )
        family_of(match["model"])
        if version is not None:
            if match["version"] or match["alias"]:
                raise StoreError(
                    f"--version {version} does not go with {text!r}: a version is named once"
                )
            if re.fullmatch(_NUMBER, version) is None:
                raise StoreError(f"--version {version!r} is not a version number, such as 2")
            return cls(match["model"], version)
        return cls(match["model"], match["version"], match["alias"])

    def __str__(self) -> str:
        if self.version is not None:
            return f"{self.model}/{self.version}"
        return f"{self.model}@{self.alias}" if self.alias else self.model


@dataclass(frozen=True)
class Version:
    """One registered version.

    Attributes:
        model: the registered name: its family's, or that of one of the family's lines.
        number: MLflow's, from 1 within the model.
        run_id: the run that trained it.
        source: the address of its MLflow model.
        tags: the records on it.
        aliases: the aliases of it.
        created_ms: the time of its registration, in milliseconds since 1970.
    """

    model: str
    number: str
    run_id: str
    source: str
    tags: Mapping[str, str]
    aliases: tuple[str, ...]
    created_ms: int

    def __str__(self) -> str:
        return f"{self.model}/{self.number}"

    @property
    def family(self) -> str:
        """The family it is a model of."""
        return self.model.partition(".")[0]

    @property
    def complete(self) -> bool:
        """Whether its registration is complete."""
        return self.tags.get(COMPLETE_TAG) == "true"

    @property
    def gate(self) -> Decision | None:
        """The gate's verdict when it was registered; ``None`` for versions not made by Crisol."""
        text = self.tags.get(GATE_TAG)
        return Decision.from_json(json.loads(text)) if text else None

    @property
    def semver(self) -> str | None:
        """Its semantic version (:mod:`crisol.registry.release.facts`); older versions have none."""
        return self.tags.get(SEMVER_TAG)

    @property
    def size_bytes(self) -> int | None:
        """The size of the predictor directory; ``None`` for old versions."""
        text = self.tags.get(SIZE_TAG)
        return None if text is None else int(text)

    @property
    def measured(self) -> dict[str, Any] | None:
        """The result of :mod:`crisol.registry.release.measuring`, or ``None``."""
        text = self.tags.get(MEASURED_TAG)
        return dict(json.loads(text)) if text else None

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics of its report, without those that measure time."""
        return dict(json.loads(self.tags.get("crisol.metrics", "{}")))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON for ``--json``."""
        gate = self.gate
        return {
            "model": self.model,
            "family": self.family,
            "version": self.number,
            "semver": self.semver,
            "status": status(self),
            "aliases": list(self.aliases),
            "complete": self.complete,
            "run_id": self.run_id,
            "git_commit": self.tags.get("crisol.git_commit"),
            "git_dirty": self.tags.get("crisol.git_dirty"),
            "environment": self.tags.get("crisol.env"),
            "trained_at": self.tags.get("crisol.trained_at"),
            "data_digests": self.data_digests,
            "backbones": self.backbones,
            "predictor_digest": self.tags.get("crisol.predictor_digest"),
            "size_bytes": self.size_bytes,
            "measured": self.measured,
            "metrics": self.metrics,
            "gate": None if gate is None else gate.to_json(),
        }

    @property
    def data_digests(self) -> dict[str, str]:
        """Catalog name to SHA-256 of every input of its run."""
        return self._tagged("crisol.data.")

    @property
    def backbones(self) -> dict[str, str]:
        """Name with precision, such as ``minilm.int8``, to SHA-256 of every backbone it needs."""
        return self._tagged(BACKBONE_TAG)

    def _tagged(self, prefix: str) -> dict[str, str]:
        return {k.removeprefix(prefix): v for k, v in self.tags.items() if k.startswith(prefix)}


def lines(store: Store, family: str | None = None) -> list[str]:
    """The registered models of one family, or of every family there is, in alphabetical order."""
    return [m.name for m in registered_models(store, family)]


Status = Literal["training", "ready", "deployed", "archived"]


def status(version: Version) -> Status:
    """The status of a version.

    ``training``: its registration is incomplete; ``deployed``: it is the champion, also where
    somebody gave an archived version the alias in the MLflow UI; ``archived``; else ``ready``.
    """
    if not version.complete:
        return "training"
    if CHAMPION in version.aliases:
        return "deployed"
    return "archived" if ARCHIVED_TAG in version.tags else "ready"


def registered_models(store: Store, family: str | None = None) -> "list[RegisteredModel]":
    """The registered models of :func:`lines`; models of other software are left out."""
    client = store.client()
    found: list[RegisteredModel] = []
    token: str | None = None
    while True:
        page = client.search_registered_models(page_token=token, order_by=["name ASC"])
        found += page
        token = page.token
        if not token:
            break
    known = models.family_names() if family is None else (family,)
    return [
        m
        for m in found
        if re.fullmatch(MODEL_PATTERN, m.name) and m.name.partition(".")[0] in known
    ]


def registered(store: Store, model: str) -> "RegisteredModel | None":
    """The registered model of a name, or ``None`` before its first registration."""
    from mlflow.exceptions import MlflowException

    try:
        return store.client().get_registered_model(model)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def aliases(store: Store, model: str) -> dict[str, str]:
    """The version numbers of a model by alias."""
    found = registered(store, model)
    return {} if found is None else {a: str(n) for a, n in found.aliases.items()}


def all_versions(store: Store, model: str) -> list[Version]:
    """Every version of a model, oldest first, incomplete ones included."""
    named = aliases(store, model)
    found = store.client().search_model_versions(f"name = '{model}'")
    made = [_version(v, named) for v in found]
    return sorted(made, key=lambda v: int(v.number))


def exists(store: Store, model: str, number: str) -> bool:
    """Whether a version is in the registry and was not deleted."""
    return any(v.number == number for v in all_versions(store, model))


def find(store: Store, reference: Reference, default_alias: str = CHAMPION) -> Version:
    """The version of a reference.

    Args:
        store: the MLflow store.
        reference: names the version.
        default_alias: the alias of a bare model.

    Raises:
        StoreError: there is no such version or alias, or it is incomplete.
    """
    from mlflow.exceptions import MlflowException

    named = aliases(store, reference.model)
    number = reference.version
    if number is None:
        alias = reference.alias or default_alias
        if alias not in named:
            raise StoreError(_no_alias(reference.model, alias, named))
        number = named[alias]
    try:
        raw = store.client().get_model_version(reference.model, number)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        there = [v.number for v in all_versions(store, reference.model)]
        raise StoreError(
            f"{reference.model} has no version {number}; "
            + (f"there are: {', '.join(there)}" if there else "nothing was registered yet")
        ) from None
    version = _version(raw, named)
    if not version.complete:
        raise StoreError(
            f"{version} is not complete (registered by something other than Crisol, "
            "or its registration was cut short)"
        )
    return version


def try_find(store: Store, model: str, alias: str) -> Version | None:
    """The version behind an alias, or ``None`` when the alias is not set."""
    if alias not in aliases(store, model):
        return None
    return find(store, Reference(model, alias=alias))


@contextmanager
def predictor_directory(store: Store, version: Version) -> Iterator[Path]:
    """The version's predictor directory, downloaded for the block."""
    with scratch.folder() as aside:
        yield download(store, version, f"artifacts/{MODEL_PATH}", aside)


def download(store: Store, version: Version, path: str, target: Path) -> Path:
    """Fetch part of a version's MLflow model directory (``path`` within it)."""
    import mlflow

    store.client()
    found = mlflow.artifacts.download_artifacts(
        artifact_uri=f"{version.source}/{path}", dst_path=str(target)
    )
    return Path(found)


def scores(store: Store, version: Version) -> pd.DataFrame:
    """The scores table of the version's gate decision."""
    with scratch.folder() as aside:
        path = store.client().download_artifacts(version.run_id, SCORES_FILE, str(aside))
        return pd.read_parquet(path)


def run_json(store: Store, run_id: str, file: str) -> Any:
    """A JSON artefact of a run."""
    with scratch.folder() as aside:
        return json.loads(
            Path(store.client().download_artifacts(run_id, file, str(aside))).read_text()
        )


def _version(raw: "ModelVersion", named: Mapping[str, str]) -> Version:
    number = str(raw.version)
    return Version(
        model=raw.name,
        number=number,
        run_id=raw.run_id or "",
        source=raw.source or "",
        tags=dict(raw.tags),
        aliases=tuple(sorted(alias for alias, n in named.items() if n == number)),
        created_ms=raw.creation_timestamp,
    )


def _no_alias(model: str, alias: str, named: Mapping[str, str]) -> str:
    if not named:
        family, _, line = model.partition(".")
        named_so = f" --params model={model}" if line else ""
        return (
            f"{model} has no {alias}: nothing was registered yet "
            f"(kedro run --pipelines {family}{named_so})"
        )
    there = ", ".join(f"{a} = {model}/{n}" for a, n in sorted(named.items()))
    advice = f"; promote one first: kedro promote {model}" if alias == CHAMPION else ""
    return f"{model} has no {alias} (there are: {there}){advice}"
