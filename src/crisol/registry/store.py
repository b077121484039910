"""The MLflow tracking store of a project, described by ``conf/<env>/mlflow.yml``.

MLflow takes seconds to import, so it is imported inside functions: ``kedro --help`` stays quick.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from pydantic import Field

from crisol.core.params import Params
from crisol.registry import columns, outages, relocation

if TYPE_CHECKING:
    from mlflow import MlflowClient

STORE_VARIABLE = "CRISOL_STORE"
"""Carries the store to worker processes, which build their hooks and datasets anew."""

URI_VARIABLE = "MLFLOW_TRACKING_URI"
"""MLflow's own variable; it wins over the configuration."""


_DATABASES = ("postgresql", "mysql", "mssql")
_KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Opens an experiment of the MLflow UI on its runs and curves, not on traces of language models."""


class StoreError(ValueError):
    """A request to the registry that cannot be fulfilled; the message says why."""


class Store(Params):
    """The addresses of MLflow's runs, versions and artefacts.

    Relative SQLite paths and artefact roots are made absolute against the project, so that the
    directory a command is started from makes no difference.
    """

    tracking_uri: str = "sqlite:///mlflow.db"
    artifact_root: str | None = "mlartifacts"
    """A folder or object-store prefix; ``null`` leaves it to the tracking server."""
    experiment: str = Field(default="{family}", pattern=r"\{family\}")
    """Name of a family's experiment."""
    measure_versions: bool = False
    """Measure the speed and memory of a new version, which takes some seconds."""
    patience_s: float = Field(default=120.0, ge=0)
    """Seconds that a run waits for a store that does not answer before it fails."""
    waits: bool = False
    """Whether calls wait for a store that does not answer; only those of a run do."""
    project: str = "."
    """The project directory."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any], project: Path) -> Self:
        """The store of a project; the environment variable wins over the configuration.

        Args:
            config: the ``mlflow`` section of the configuration.
            project: absolute project directory.

        Raises:
            StoreError: a database without a place for artefacts.
        """
        given = {**config, "project": str(project)}
        if os.environ.get(URI_VARIABLE):
            given["tracking_uri"] = os.environ[URI_VARIABLE]
        store = cls(**given)
        # SQLAlchemy would look for another driver than the one that is installed with Crisol.
        uri = re.sub(r"^postgres(ql)?://", "postgresql+psycopg2://", store.tracking_uri)
        root = store.artifact_root
        prefix = "sqlite:///"
        if uri.startswith(prefix) and not Path(uri.removeprefix(prefix)).is_absolute():
            uri = prefix + str(project / uri.removeprefix(prefix))
        if root is not None and "://" not in root:
            # A server keeps its own artefacts: a folder of this machine would mean nothing to it.
            root = None if uri.startswith("http") else (project / root).as_uri()
        if root is None and uri.startswith(_DATABASES):
            raise StoreError(
                f"artifact_root is missing: {uri.partition('+')[0]} keeps runs and versions, and "
                "MLflow would put artefacts into the folder a command is started from. Name a "
                "folder or an object store (artifact_root in mlflow.yml)"
            )
        return cls(**{**given, "tracking_uri": uri, "artifact_root": root})

    def activate(self) -> None:
        """Make this the store of this process and of its future workers."""
        os.environ[STORE_VARIABLE] = self.model_dump_json()

    def patient(self) -> Self:
        """The same store, whose calls wait while it does not answer."""
        return self.model_copy(update={"waits": True})

    def impatient(self) -> Self:
        """The same store, whose calls fail at once when it does not answer."""
        return self.model_copy(update={"waits": False})

    def check(self) -> None:
        """Check that a SQLite database is whole and in its place, before MLflow tries it ten times.

        Raises:
            StoreError: it is damaged, or the project was moved; with the remedy.
        """
        wrong = outages.damage(self.tracking_uri) or relocation.told(self.place)
        if wrong is not None:
            raise StoreError(wrong)

    @property
    def place(self) -> relocation.Place | None:
        """The place of database and artefacts, if they are inside the project."""
        return relocation.Place.of(self.tracking_uri, self.artifact_root, self.project)

    def client(self) -> "MlflowClient":
        """A client of this store (thread-safe; cheap after the first)."""
        import mlflow

        from crisol.registry.client import StoreClient

        # pyfunc loading resolves `models:/` through the global address.
        if mlflow.get_tracking_uri() != self.tracking_uri:
            mlflow.set_tracking_uri(self.tracking_uri)
            mlflow.set_registry_uri(self.tracking_uri)
        client = StoreClient(self.tracking_uri, self.patience_s if self.waits else 0)
        return cast("MlflowClient", client)

    def experiment_id(self, family: str) -> str:
        """The family's experiment, created when it is not there yet."""
        from mlflow.exceptions import MlflowException

        client = self.client()
        name = self.experiment.format(family=family)
        found = client.get_experiment_by_name(name)
        if found is None:
            location = f"{self.artifact_root}/{name}" if self.artifact_root else None
            self._check_location(location or "")
            try:
                return str(client.create_experiment(name, artifact_location=location, tags=_KIND))
            except MlflowException as error:
                # Another process was first; any other failure is a real one.
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = client.get_experiment_by_name(name)
        elif self.artifact_root and found.artifact_location != f"{self.artifact_root}/{name}":
            self.check()  # a notebook in a moved project would write into the old one
        if found is None or found.lifecycle_stage != "active":
            raise StoreError(
                f"the MLflow experiment {name!r} was deleted; restore it "
                f"(mlflow experiments restore) or change `experiment` in mlflow.yml"
            )
        return str(found.experiment_id)

    def _check_location(self, location: str) -> None:
        if self.tracking_uri.startswith(_DATABASES) and len(location) > columns.LOCATION:
            raise StoreError(
                f"artifact_root is too long: {location} has {len(location)} characters, and the "
                f"database takes {columns.LOCATION}; name a shorter folder or prefix"
            )


def current() -> Store:
    """The store activated in this process or inherited from its parent.

    Raises:
        StoreError: no project was opened.
    """
    text = os.environ.get(STORE_VARIABLE)
    if not text:
        raise StoreError(
            "no MLflow store is configured: open the Crisol project first "
            "(kedro run, a Crisol command, or %load_ext kedro.ipython in a notebook)"
        )
    return Store(**json.loads(text))
