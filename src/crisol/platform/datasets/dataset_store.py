"""Datasets in MLflow: a version is a run of the experiment ``datasets``.

Its id is the run's, its files, options, schema and profile are the run's artefacts, and its state
is the run's status. A version never changes once it is ready: other options make another version of
the same files.
"""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crisol.core.locks import FileLock
from crisol.platform.datasets.artefacts import keep_file, local_path
from crisol.platform.datasets.dataset import (
    STATUSES,
    TAG,
    Dataset,
    DatasetConflictError,
    DatasetLimitError,
    NewDataset,
    State,
    StoredFile,
    file_facts,
    files_of,
    from_run,
    unknown,
)
from crisol.platform.datasets.families import checked_options, dataset_family
from crisol.platform.settings import PlatformSettings
from crisol.registry.store import Store, StoreError
from crisol.registry.tracking.parameters import refuse_references
from crisol.registry.tracking.runs import get_run

EXPERIMENT = "datasets"
IDEMPOTENCY_TAG = "crisol.idempotency"
OPTIONS = "options.json"
CUT_SHORT = "making it was cut short; make it again"
NEWEST_FIRST = "attributes.start_time DESC"
_PAGE = 200
_EVERYTHING = 1_000_000


class DatasetStore:
    """The datasets of one MLflow store. Safe to use from several threads and processes.

    Args:
        store: the MLflow store.
        settings: limits, and the state folder that holds the lock of new names.
    """

    def __init__(self, store: Store, settings: PlatformSettings) -> None:
        self._store = store
        self._settings = settings
        self._lock = threading.Lock()

    def get_for(self, dataset_id: str, caller: str) -> Dataset:
        """One version, for a caller.

        Raises:
            UnknownDatasetError: there is none of this id that the caller may know of.
        """
        found = self.get(dataset_id)
        if not found.seen_by(caller):
            raise unknown(dataset_id)
        return found

    # -- finding -----------------------------------------------------------------------------------

    def get(self, dataset_id: str) -> Dataset:
        """One version.

        Raises:
            UnknownDatasetError: there is none of this id.
        """
        try:
            run = get_run(self._store, dataset_id)
        except StoreError:
            raise unknown(dataset_id) from None
        if f"{TAG}name" not in run.data.tags or run.info.lifecycle_stage != "active":
            raise unknown(dataset_id)
        return from_run(run)

    def search(
        self,
        filters: Mapping[str, str],
        order: str,
        position: Any,
        limit: int,
        caller: str | None = None,
        until_ms: int | None = None,
    ) -> tuple[list[Dataset], Any]:
        """One page of a listing.

        Args:
            filters: ``state`` and tags (``name``, ``owner``, ``task``) to their values.
            order: of MLflow, such as ``attributes.start_time DESC``.
            position: where the page begins; ``None``: at the beginning.
            limit: how many at most.
            caller: who asks; only what they may know of is given. ``None``: everything.
            until_ms: versions made later are left out: they would move the others on.

        Returns:
            The versions, and the position of the next page; ``None``: there is none.
        """
        token, skip = position or (None, 0)
        found: list[Dataset] = []
        while True:
            page = self._page(filters, order, token, until_ms)
            for index, run in enumerate(page):
                if index < skip:
                    continue
                if len(found) == limit:
                    return found, [token, index]
                dataset = from_run(run)
                if caller is None or dataset.seen_by(caller):
                    found.append(dataset)
            # MLflow's SQL store gives bytes, its server text.
            token = page.token.decode() if isinstance(page.token, bytes) else page.token
            skip = 0
            if not token:
                return found, None

    def _page(
        self, filters: Mapping[str, str], order: str, token: str | None, until_ms: int | None
    ) -> Any:
        clauses = [] if until_ms is None else [f"attributes.start_time <= {until_ms}"]
        for name, value in filters.items():
            if name == "state":
                clauses.append(f"attributes.status = '{STATUSES[value]}'")  # type: ignore[index]
            else:
                quoted = value.replace("\\", "").replace("'", "")
                clauses.append(f"tags.`{TAG}{name}` = '{quoted}'")
        return self._store.client().search_runs(
            [self._experiment()],
            filter_string=" and ".join(clauses),
            max_results=_PAGE,
            order_by=[order, "attributes.run_id ASC"],
            page_token=token,
        )

    def _all(self, filters: Mapping[str, str]) -> list[Dataset]:
        return self.search(filters, NEWEST_FIRST, None, _EVERYTHING)[0]

    def options(self, dataset: Dataset) -> dict[str, Any]:
        """The options of a version, as plain JSON."""
        return dict(self.json(dataset, OPTIONS))

    def json(self, dataset: Dataset, file: str) -> Any:
        """A JSON artefact: ``schema.json``, ``profile.json`` or ``options.json``."""
        path = local_path(self._store, dataset.id, dataset.artefact_uri, file, self._cache)
        return json.loads(path.read_bytes())

    def files(self, dataset: Dataset) -> Path:
        """A local path to its data: its only file, or the folder of ``train.*`` and ``test.*``."""
        holder = dataset if dataset.files_of == dataset.id else self.get(dataset.files_of)
        folder = local_path(self._store, holder.id, holder.artefact_uri, "files", self._cache)
        return folder / dataset.files[0].file if len(dataset.files) == 1 else folder

    def parameters(self, dataset: Dataset) -> dict[str, Any]:
        """The section ``data`` of a job on this version: its options, file and name."""
        found = self.options(dataset)
        return {**found, "file": str(self.files(dataset)), "dataset": dataset.name}

    @property
    def _cache(self) -> Path:
        return self._settings.state_dir / "cache"

    # -- making ------------------------------------------------------------------------------------

    def create(self, new: NewDataset, owner: str, idempotency: str | None = None) -> Dataset:
        """Make a version; one made from another is ``profiling`` at once, any other ``open``.

        Args:
            new: what it shall be.
            owner: who makes it.
            idempotency: mark of the request; the version that an earlier request with the same mark
                made is returned again.

        Raises:
            FieldError: the family takes no datasets.
            ValidationError: the options are not the family's.
            StoreError: the name is another's, the origin cannot be used, or too many are open.
        """
        origin = None if new.origin is None else self._origin(new.origin, owner)
        family = dataset_family(new.family or (origin.family if origin else None))
        options = checked_options(family, new.options).given()
        refuse_references(options, "options")
        with self._naming():
            if idempotency is not None:
                for made in self._marked(idempotency):
                    if made.reason == CUT_SHORT:
                        break
                    if self._was_cut_short(made):
                        self._store_options(made.id, options, origin)
                    return self.get(made.id)
            name = new.name or (origin.name if origin else "")
            version = self._next_version(name, owner)
            tags = {
                f"{TAG}name": name,
                f"{TAG}version": str(version),
                f"{TAG}family": family,
                f"{TAG}owner": owner,
                f"{TAG}description": new.description,
                **({IDEMPOTENCY_TAG: idempotency} if idempotency else {}),
                **({} if origin is None else files_of(origin)),
            }
            client = self._store.client()
            run = client.create_run(self._experiment(), run_name=f"{name}-v{version}", tags=tags)
            self._store_options(run.info.run_id, options, origin)
        return self.get(run.info.run_id)

    def _store_options(
        self, dataset_id: str, options: Mapping[str, Any], origin: Dataset | None
    ) -> None:
        """The second half of making a version."""
        client = self._store.client()
        client.log_dict(dataset_id, dict(options), OPTIONS)
        if origin is None:
            client.update_run(dataset_id, status=STATUSES["open"])

    def _was_cut_short(self, dataset: Dataset) -> bool:
        """Whether making the version was interrupted: its options are missing."""
        there = self._store.client().list_artifacts(dataset.id)
        return all(artefact.path != OPTIONS for artefact in there)

    def attach(self, dataset: Dataset, file: StoredFile, path: Path) -> Dataset:
        """Store a file that has arrived; the last one needed makes the dataset ``profiling``.

        Doing it again after a crash does no harm.

        Args:
            dataset: whose.
            file: what is known about it; ``path`` has its name.
            path: where it lies; it is moved.
        """
        keep_file(self._store, dataset.id, dataset.artefact_uri, path, "files")
        self._tag(dataset.id, {f"part.{file.part}": json.dumps(file_facts(file))})
        found = self.get(dataset.id)
        if found.whole and found.state == "open":
            self._store.client().update_run(dataset.id, status=STATUSES["profiling"])
        return self.get(dataset.id)

    def accept(self, dataset: Dataset, folder: Path, facts: Mapping[str, str]) -> None:
        """Make a version ready: its profile is known.

        Args:
            dataset: which.
            folder: with ``schema.json`` and ``profile.json``.
            facts: for listings: ``task``, ``rows``, ``format`` and the like.
        """
        for name in ("schema.json", "profile.json"):
            self._store.client().log_artifact(dataset.id, str(folder / name))
        self._tag(dataset.id, facts)
        self._store.client().set_terminated(dataset.id, STATUSES["ready"])

    def refuse(self, dataset: Dataset, reason: str) -> None:
        """End a version that cannot be used, with the reason."""
        self._tag(dataset.id, {"reason": reason})
        self._store.client().set_terminated(dataset.id, STATUSES["refused"])

    def settle(self) -> list[Dataset]:
        """Settle the versions that a killed service left; return those to be profiled."""
        waiting = []
        for dataset in self._all({"state": "profiling"}):
            with self._naming():  # nobody is making it just now
                cut_short = self._was_cut_short(dataset)
            if cut_short:
                self.refuse(dataset, CUT_SHORT)
            elif dataset.whole:
                waiting.append(dataset)
            else:
                self._store.client().update_run(dataset.id, status=STATUSES["open"])
        return waiting

    def open_since(self, before_ms: int) -> list[Dataset]:
        """Versions that have waited for files since before a time."""
        return [d for d in self._all({"state": "open"}) if d.created_ms < before_ms]

    def count(self, state: State) -> int:
        """How many versions are in a state."""
        return len(self._all({"state": state}))

    # -- inside ------------------------------------------------------------------------------------

    def _experiment(self) -> str:
        return self._store.experiment_id(EXPERIMENT)

    def _tag(self, dataset_id: str, facts: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        tags = [RunTag(TAG + name, text) for name, text in facts.items()]
        self._store.client().log_batch(dataset_id, tags=tags)

    def _marked(self, idempotency: str) -> Sequence[Dataset]:
        runs = self._store.client().search_runs(
            [self._experiment()], f"tags.`{IDEMPOTENCY_TAG}` = '{idempotency}'", max_results=1
        )
        return [from_run(run) for run in runs]

    def _origin(self, dataset_id: str, owner: str) -> Dataset:
        origin = self.get_for(dataset_id, owner)
        if not origin.whole:
            raise DatasetConflictError(
                f"{origin.name} version {origin.version} has not got its files yet: "
                "nothing can be made from it"
            )
        return origin

    def _next_version(self, name: str, owner: str) -> int:
        namesakes = self._all({"name": name})
        if namesakes and not any(d.owner == owner for d in namesakes):
            raise DatasetConflictError(
                f"the name {name!r} is in use by somebody else: take another"
            )
        waiting = [d for d in self._all({"state": "open", "owner": owner}) if d.owner == owner]
        if len(waiting) >= self._settings.max_open_datasets:
            raise DatasetLimitError(
                f"{len(waiting)} of your datasets wait for their files: upload those first "
                "(or let them expire)"
            )
        return max((d.version for d in namesakes), default=0) + 1

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Lock the version numbers against other threads and processes."""
        self._settings.state_dir.mkdir(parents=True, exist_ok=True)
        with self._lock, FileLock.on(self._settings.state_dir / "names.lock") as lock:
            lock.wait()
            yield
