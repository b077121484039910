"""Kedro datasets for predictors: local, registered, promoted.

Saving ``<family>.predictor`` *is* registering it; loading ``<family>.champion`` gives the promoted
predictor or ``None``.
"""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from crisol import models
from crisol.core.candidate import Candidate
from crisol.core.predictor import Predictor
from crisol.registry.release import registration, versions
from crisol.registry.store import Store, StoreError, current
from crisol.registry.tracking import runs
from crisol.registry.tracking.run_log import CHAMPION_TAG

AnyPredictor = Predictor[Any, Any]


def load_version(store: Store, version: versions.Version) -> AnyPredictor:
    """The predictor of a registered version; its answers name that version.

    Raises:
        StoreError: the project was moved, and its store names the old place.
    """
    store.check()
    with versions.predictor_directory(store, version) as directory:
        predictor = models.load_predictor(directory)
    predictor.model_version = version.number
    return predictor


class PredictorDirectory(AbstractDataset[AnyPredictor, AnyPredictor]):
    """A predictor directory on disk, replaced in one step."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Keep the predictor at ``filepath``."""
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> AnyPredictor:
        """Read the predictor, checking every file's digest."""
        return models.load_predictor(self._filepath)

    def save(self, data: AnyPredictor) -> None:
        """Write the predictor directory in one step."""
        data.save(self._filepath)

    def _exists(self) -> bool:
        return self._filepath.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class IndexDirectory(AbstractDataset[Any, Any]):
    """The search index of a family on disk: the class ``Index`` of its package."""

    def __init__(
        self, *, family: str, filepath: str, metadata: dict[str, Any] | None = None
    ) -> None:
        """Keep the index of ``family`` at ``filepath``."""
        self._family = family
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Any:
        """Read the index, checking its digests."""
        return models.family(self._family).Index.load(self._filepath)

    def save(self, data: Any) -> None:
        """Write the index directory in one step."""
        data.save(self._filepath)

    def _exists(self) -> bool:
        return self._filepath.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"family": self._family, "filepath": str(self._filepath)}


class RegisteredPredictor(AbstractDataset[Candidate, AnyPredictor]):
    """The registry as a dataset: save a candidate to register it, load the newest version."""

    def __init__(
        self, *, family: str, model: str | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        """Register a predictor of ``family``.

        An open run decides the model name. Without a run it is ``model``, a line such as
        ``tabular.adult``, or else the family's own name.
        """
        self._family, self._model = family, _checked(family, model)
        self.metadata = metadata

    def load(self) -> AnyPredictor:
        """The newest registered version's predictor."""
        store = current()
        reference = versions.Reference(_line(self._family, self._model), alias=versions.CANDIDATE)
        return load_version(store, versions.find(store, reference))

    def save(self, data: Candidate) -> None:
        """Register the candidate; opens a run of its own when none is open (notebooks)."""
        log = runs.active(self._family)
        if log is not None:
            registration.register(log, data)
            return
        log = runs.open_run(current(), self._model, {"crisol.env": "catalog"})
        try:
            registration.register(log, data)
        except BaseException as error:
            log.fail(error)
            raise
        log.finish()

    def _exists(self) -> bool:
        named = versions.aliases(current(), _line(self._family, self._model))
        return versions.CANDIDATE in named

    def _describe(self) -> dict[str, Any]:
        return {"family": self._family, "model": self._model}


class ChampionPredictor(AbstractDataset[AnyPredictor, AnyPredictor | None]):
    """The promoted predictor of a model, or ``None`` before the first promotion."""

    def __init__(
        self,
        *,
        family: str,
        version: str | None = None,
        model: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Follow the alias ``champion``, or stay with one ``version`` (``none``: no champion).

        An open run decides the model name; see :class:`RegisteredPredictor`.
        """
        self._family, self._model = family, _checked(family, model)
        self._version = version
        self.metadata = metadata

    def load(self) -> AnyPredictor | None:
        """The champion's predictor, or ``None``."""
        log = runs.active(self._family)
        store = current() if log is None else log.store
        version = self._find(store)
        if log is not None:
            # The gate and `kedro reproduce` must know the champion of the comparison.
            log.tags({CHAMPION_TAG: version.number if version else "none"})
        return None if version is None else load_version(store, version)

    def _find(self, store: Store) -> versions.Version | None:
        if self._version == "none":
            return None
        model = _line(self._family, self._model)
        if self._version is not None:
            return versions.find(store, versions.Reference(model, version=self._version))
        return versions.try_find(store, model, versions.CHAMPION)

    def save(self, data: AnyPredictor) -> None:  # noqa: ARG002
        """Refused: a champion is promoted, never saved."""
        raise DatasetError(
            f"{self._family}.champion cannot be saved; promote a version: "
            f"kedro promote {_line(self._family, self._model)}"
        )

    def _exists(self) -> bool:
        return self._find(current()) is not None

    def _describe(self) -> dict[str, Any]:
        return {"family": self._family, "model": self._model, "version": self._version}


def _checked(family: str, model: str | None) -> str:
    """The model name without a run: ``model``, or the family's own name."""
    if model is None:
        return family
    if versions.family_of(model) != family:
        raise StoreError(f"{model} is not a model of {family}: a line is named {family}.<line>")
    return model


def _line(family: str, otherwise: str) -> str:
    """The model name of the family's open run, or ``otherwise`` without one."""
    log = runs.active(family)
    return otherwise if log is None else log.model
