"""A dataset version, and the request that makes one.

A dataset version is an MLflow run: its state is the run's status, and its tags hold the facts that
MLflow has no field for.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from crisol.core.contract import StoreText
from crisol.core.params import Params
from crisol.platform.datasets.families import Options, dataset_family
from crisol.registry.store import StoreError

if TYPE_CHECKING:
    from mlflow.entities import Run

State = Literal["open", "profiling", "ready", "refused"]
"""``open``: waits for its files. ``profiling``: is being read. ``refused``: cannot be read, or its
files never came; the reason says which."""
Part = Literal["all", "train", "test"]
"""The rows of a file: all, or one side of an official split."""
STATES: Mapping[str, State] = {
    "SCHEDULED": "open",
    "RUNNING": "profiling",
    "FINISHED": "ready",
    "FAILED": "refused",
    "KILLED": "refused",
}
STATUSES: Mapping[State, str] = {
    "open": "SCHEDULED",
    "profiling": "RUNNING",
    "ready": "FINISHED",
    "refused": "FAILED",
}
TAG = "crisol.dataset."


class NewDataset(Params):
    """A dataset version to be made.

    Its files are uploaded next, or are those of another version (``from``), read with these
    options.
    """

    name: str | None = Field(
        default=None,
        pattern=r"^[a-z](?:[a-z0-9_]{0,38}[a-z0-9])?$",
        description="Small letters, digits and _; the same name again makes the next version.",
    )
    description: StoreText = Field(default="", max_length=2000)
    family: Annotated[StoreText, Field(max_length=60)] | None = Field(
        default=None,
        description="Which family reads it; unset: that of 'from', the only one, or the default.",
    )
    options: Options = Field(default_factory=dict)
    origin: Annotated[
        str | None, Field(alias="from", pattern="^[0-9a-f]{32}$", description="Id of a version.")
    ] = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.name is None and self.origin is None:
            raise ValueError("give a name, or the id of another version in 'from'")
        return self


@dataclass(frozen=True)
class StoredFile:
    """A file that has arrived.

    Attributes:
        part: what it holds.
        name: what the client called it.
        file: what it is called in the store.
        bytes: its size.
        sha256: its digest.
    """

    part: Part
    name: str
    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Dataset:
    """A dataset version, read from its MLflow run."""

    id: str
    name: str
    version: int
    owner: str
    state: State
    description: str
    created_ms: int
    files: tuple[StoredFile, ...]
    files_of: str
    """The version that holds the files: its own id, or that of the version it was made from."""
    tags: Mapping[str, str]
    artefact_uri: str

    @property
    def reason(self) -> str:
        """Why it was refused; empty where it was not."""
        return self.tags.get("reason", "")

    @property
    def family(self) -> str:
        """The family that reads it; a version made before families were named has the default."""
        return self.tags.get("family") or dataset_family(None)

    @property
    def whole(self) -> bool:
        """Whether every file it needs is there."""
        parts = {file.part for file in self.files}
        return parts in ({"all"}, {"train", "test"})

    def seen_by(self, caller: str) -> bool:
        """Whether a caller may see it: until it is ready, its owner alone may."""
        return self.state == "ready" or self.owner == caller


class UnknownDatasetError(StoreError):
    """There is no such dataset, or the caller may not know of it."""


class DatasetConflictError(StoreError):
    """The state of a dataset does not allow the request."""


class DatasetLimitError(StoreError):
    """The caller has too many datasets that wait for files."""


def unknown(dataset_id: str) -> UnknownDatasetError:
    """The error for an unknown dataset."""
    return UnknownDatasetError(f"there is no dataset {dataset_id!r}")


def file_facts(file: StoredFile) -> dict[str, Any]:
    """The content of a file's tag."""
    return {"name": file.name, "file": file.file, "bytes": file.bytes, "sha256": file.sha256}


def files_of(origin: Dataset) -> dict[str, str]:
    """The tags that make another version's files this one's."""
    parts = {f"{TAG}part.{file.part}": json.dumps(file_facts(file)) for file in origin.files}
    return {f"{TAG}files_of": origin.files_of, **parts}


def from_run(run: "Run") -> Dataset:
    """The dataset version that a run is."""
    tags = {k.removeprefix(TAG): v for k, v in run.data.tags.items() if k.startswith(TAG)}
    files = tuple(
        StoredFile(part, **json.loads(tags[f"part.{part}"]))
        for part in ("all", "train", "test")
        if f"part.{part}" in tags
    )
    return Dataset(
        id=run.info.run_id,
        name=tags["name"],
        version=int(tags["version"]),
        owner=tags["owner"],
        state=STATES[run.info.status],
        description=tags.get("description", ""),
        created_ms=run.info.start_time,
        files=files,
        files_of=tags.get("files_of", run.info.run_id),
        tags=tags,
        artefact_uri=run.info.artifact_uri,
    )
