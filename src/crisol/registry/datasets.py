"""The catalog's own entries for predictors: local, registered, promoted.

Saving ``<family>.predictor`` *is* registering it; loading ``<family>.champion`` gives the promoted
predictor or ``None``.
"""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from crisol import models
from crisol.core.candidate import Candidate
from crisol.core.predictor import Predictor
from crisol.registry import registration, runs, versions
from crisol.registry.store import Store, current

AnyPredictor = Predictor[Any, Any]


def load_version(store: Store, version: versions.Version) -> AnyPredictor:
    """A registered version's predictor, which reports that version in its answers."""
    with versions.predictor_directory(store, version) as directory:
        predictor = models.load_predictor(directory)
    predictor.model_version = version.number
    return predictor


class PredictorDirectory(AbstractDataset[AnyPredictor, AnyPredictor]):
    """A predictor directory on disk, written whole or not at all."""

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
    """The search index of a family on disk: what its package calls ``Index``."""

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
    """The registry, as a catalog entry: save a candidate to register it, load the newest."""

    def __init__(self, *, family: str, metadata: dict[str, Any] | None = None) -> None:
        """Register under the name of ``family``."""
        self._family = family
        self.metadata = metadata

    def load(self) -> AnyPredictor:
        """The newest registered version's predictor."""
        store = current()
        reference = versions.Reference(self._family, alias=versions.CANDIDATE)
        return load_version(store, versions.find(store, reference))

    def save(self, data: Candidate) -> None:
        """Log, judge and register; opens a run of its own when none is open (notebooks)."""
        log = runs.active(self._family)
        if log is not None:
            registration.register(log, data)
            return
        log = runs.open_run(current(), self._family, {"crisol.env": "catalog"})
        try:
            registration.register(log, data)
        except BaseException as error:
            log.fail(error)
            raise
        log.finish()

    def _exists(self) -> bool:
        return versions.CANDIDATE in versions.aliases(current(), self._family)

    def _describe(self) -> dict[str, Any]:
        return {"family": self._family}


class ChampionPredictor(AbstractDataset[AnyPredictor, AnyPredictor | None]):
    """The promoted predictor of a family, or ``None`` before the first promotion."""

    def __init__(
        self, *, family: str, version: str | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        """Follow the alias ``champion``, or stay with one ``version`` (``none``: no champion)."""
        self._family = family
        self._version = version
        self.metadata = metadata

    def load(self) -> AnyPredictor | None:
        """The champion's predictor, or ``None``."""
        store = current()
        version = self._find(store)
        log = runs.active(self._family)
        if log is not None:
            # The gate and `kedro reproduce` must know whom the candidate was compared with.
            log.tags({registration.CHAMPION_TAG: version.number if version else "none"})
        return None if version is None else load_version(store, version)

    def _find(self, store: Store) -> versions.Version | None:
        if self._version == "none":
            return None
        if self._version is not None:
            return versions.find(store, versions.Reference(self._family, version=self._version))
        return versions.try_find(store, self._family, versions.CHAMPION)

    def save(self, data: AnyPredictor) -> None:  # noqa: ARG002
        """Refused: a champion is promoted, never saved."""
        raise DatasetError(
            f"{self._family}.champion cannot be saved; promote a version: "
            f"kedro promote {self._family}"
        )

    def _exists(self) -> bool:
        return self._find(current()) is not None

    def _describe(self) -> dict[str, Any]:
        return {"family": self._family, "version": self._version}
