"""The open run of one family: parameters, metrics, tags and artefacts, written in batches."""

import hashlib
import json
import logging
import posixpath
import re
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crisol.registry import columns
from crisol.registry.outages import is_away
from crisol.registry.store import Store, StoreError
from crisol.registry.tracking import provenance

PARAMETERS_TAG = "crisol.parameters_digest"
"""SHA-256 of the resolved parameters without their seeds."""
CHAMPION_TAG = "crisol.compared_with"
"""The champion's number at evaluation, or ``none``."""
_SEED = re.compile(r"(.*_)?seeds?")
_BATCH = 500
_INTERVAL_S = 3.0
_PROGRESS_INTERVAL_S = 1.0

logger = logging.getLogger(__name__)


def dotted(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of nested parameters, dotted; lists and scalars as JSON-like text.

    >>> dict(dotted({"train": {"epochs": 3, "sizes": [1, 2]}}))
    {'train.epochs': '3', 'train.sizes': '[1, 2]'}
    """
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from dotted(item, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value if isinstance(value, str) else json.dumps(value)


def parameters_digest(resolved: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of parameters, whatever their seeds.

    >>> a, b = {"train": {"seed": 1, "epochs": 3}}, {"train": {"seed": 2, "epochs": 3}}
    >>> parameters_digest(a) == parameters_digest(b) != parameters_digest({})
    True
    """
    leaves = {
        name: value
        for name, value in dotted(resolved)
        if _SEED.fullmatch(name.rpartition(".")[2]) is None
    }
    return hashlib.sha256(json.dumps(leaves, sort_keys=True).encode()).hexdigest()


def metric_name(name: str) -> str:
    """A name that MLflow accepts: other characters become underscores, a long end a digest.

    A name may look like a path, as long as it leads nowhere else.

    >>> metric_name("btc[1h].macro_f1"), metric_name("a/../b")
    ('btc_1h_.macro_f1', 'a_.._b')
    """
    known = re.sub(r"[^\w\-. /]", "_", name)
    if posixpath.normpath(known) != known or known.startswith((".", "/")):
        known = re.sub(r"^\.|^$|/", "_", known)
    if len(known) <= columns.KEY:
        return known
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:12]
    return f"{known[: columns.KEY - 13]}_{digest}"


@dataclass
class RunLog:
    """The open run of one family, as one process sees it. Safe to use from several threads."""

    store: Store
    model: str
    """The model name of its version: the family's, or that of one of its lines."""
    run_id: str
    emitted: set[tuple[str, int]] = field(default_factory=set)
    """Name and step of metrics logged during training, which a history table does not repeat."""
    began_ms: int = 0
    """Start of the MLflow run, in milliseconds since 1970; the steps of progress count from it, so
    that they also grow over a resume."""
    _pending: list[Any] = field(default_factory=list)
    _progress_pending: dict[str, float] = field(default_factory=dict)
    _progress_written: dict[str, float] = field(default_factory=dict)
    _progress_written_at: float = field(default_factory=time.monotonic)
    _timer: threading.Timer | None = None
    _flushed_at: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def family(self) -> str:
        """The family that runs."""
        return self.model.partition(".")[0]

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log metrics; written in batches, so call :meth:`flush` before they must be seen."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        with self._lock:
            for name, value in values.items():
                key = metric_name(name)
                if isinstance(value, bool) or not isinstance(value, int | float):
                    raise TypeError(
                        f"metric {name!r} of {self.family!r} is {value!r}: not a number"
                    )
                self._pending.append(Metric(key, float(value), now, step))
                self.emitted.add((key, step))
            due = len(self._pending) >= _BATCH
            due = due or time.monotonic() - self._flushed_at > _INTERVAL_S
        if due:
            self._write_metrics(self.store.impatient())

    def progress(self, values: Mapping[str, float]) -> None:
        """Log progress: the newest value of each name, in at most one write a second."""
        with self._lock:
            self._progress_pending.update(values)
            wait = _PROGRESS_INTERVAL_S - (time.monotonic() - self._progress_written_at)
            if wait > 0 and self._timer is None:
                self._timer = threading.Timer(wait, self._write_progress)
                self._timer.daemon = True
                self._timer.start()
        if wait <= 0:
            self._write_progress()

    def reset_progress(self) -> None:
        """Set the progress within a node to 0, at its end."""
        with self._lock:
            names = self._progress_written.keys() | self._progress_pending.keys()
        of_node = [k for k in names if k.endswith("seconds_left") or k == "progress.fraction"]
        self.progress(dict.fromkeys(of_node, 0.0))

    def _write_progress(self, store: Store | None = None) -> None:
        """Write changed values; while the store is away they wait, and the training goes on."""
        from mlflow.entities import Metric
        from mlflow.exceptions import MlflowException

        store = store or self.store.impatient()
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None
            self._progress_written_at = time.monotonic()
            changed = {
                k: v
                for k, v in self._progress_pending.items()
                if self._progress_written.get(k) != v
            }
            self._progress_written |= changed
            self._progress_pending = {}
        if not changed:
            return
        now = int(1000 * time.time())
        step = max(now - self.began_ms, 0)
        metrics = [Metric(metric_name(k), float(v), now, step) for k, v in changed.items()]
        try:
            store.client().log_batch(self.run_id, metrics=metrics)
        except MlflowException as error:
            why = "the MLflow store is away" if is_away(error) else error
            logger.warning("progress of run %s could not be written: %s", self.run_id, why)
            with self._lock:
                self._progress_pending = {**changed, **self._progress_pending}
                for name in changed:
                    self._progress_written.pop(name, None)

    def flush(self) -> None:
        """Write everything that is pending; waits for a store that is away."""
        self._write_progress(self.store)
        self._write_metrics(self.store)

    def _write_metrics(self, store: Store) -> None:
        """Write the pending metrics; with an impatient store they may have to stay pending."""
        with self._lock:
            pending, self._pending = self._pending, []
            self._flushed_at = time.monotonic()
        try:
            while pending:
                store.client().log_batch(self.run_id, metrics=pending[:1000])
                pending = pending[1000:]
        except Exception as error:
            if store.waits or not is_away(error):
                raise
            logger.warning("metrics of run %s wait: the MLflow store is away", self.run_id)
            with self._lock:
                self._pending = pending + self._pending

    def tags(self, tags: Mapping[str, str]) -> None:
        """Set tags on the run; long values are cut (the full text belongs in an artefact)."""
        from mlflow.entities import RunTag

        tagged = [RunTag(name, value) for name, value in tags.items()]
        self.store.client().log_batch(self.run_id, tags=tagged)

    def parameters(self, given: Mapping[str, Any], resolved: Mapping[str, Any]) -> None:
        """Log parameters: as dotted leaves (with defaults), and both forms whole as JSON."""
        from mlflow.entities import Param

        client = self.store.client()
        params: list[Param] = []
        for name, value in dotted(resolved):
            text = value
            if len(value) > columns.PARAMETER:
                file = f"parameters/{metric_name(name)}.json"
                client.log_text(self.run_id, value, file)
                text = f"see artefact {file}"
            params.append(Param(metric_name(name), text))
        for start in range(0, len(params), 100):
            self._params(params[start : start + 100])
        self.tags({PARAMETERS_TAG: parameters_digest(resolved)})
        client.log_dict(self.run_id, dict(given), "parameters/given.json")
        client.log_dict(self.run_id, dict(resolved), "parameters/resolved.json")

    def _params(self, params: list[Any]) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.store.client().log_batch(self.run_id, params=params)
        except MlflowException as error:
            if error.error_code != "INVALID_PARAMETER_VALUE":
                raise
            raise StoreError(
                f"run {self.run_id} was begun with other parameters, and MLflow keeps those it has "
                "(or it refuses one as it is): schedule a new run"
            ) from error

    def data(self, name: str, path: Path, table: Any) -> str:
        """Record the digest of an input (tag and MLflow dataset); returns the SHA-256."""
        digest = provenance.path_digest(path)
        columns = getattr(table, "dtypes", None)
        schema = profile = None
        if columns is not None and hasattr(columns, "items"):
            schema = json.dumps(
                {
                    "mlflow_colspec": [
                        {"name": str(column), "type": str(kind), "required": True}
                        for column, kind in columns.items()
                    ]
                }
            )
            profile = json.dumps({"num_rows": len(table)})
        self.source(name, digest, path.as_posix(), schema, profile)
        return digest

    def source(
        self,
        name: str,
        sha256: str,
        path: str,
        schema: str | None = None,
        profile: str | None = None,
    ) -> None:
        """Record an input by its digest, such as the raw data of an earlier run."""
        from mlflow.entities import Dataset, DatasetInput

        # MLflow keeps at most 36 characters; the whole digest is in the tag.
        uri = json.dumps({"uri": path})
        dataset = Dataset(name, sha256[:32], "local", uri, schema, profile)
        self.store.client().log_inputs(self.run_id, [DatasetInput(dataset)])
        self.tags({f"crisol.data.{name}": sha256})

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Copy a file, or everything in a folder, to the run's artefacts."""
        client = self.store.client()
        if path.is_dir():
            client.log_artifacts(self.run_id, str(path), folder)
        else:
            client.log_artifact(self.run_id, str(path), folder)

    def finish(self, status: str = "FINISHED") -> None:
        """Write everything that is pending and end the run."""
        self.flush()
        self.store.client().set_terminated(self.run_id, status)

    def fail(self, error: BaseException) -> None:
        """End the run as FAILED with its traceback."""
        text = "".join(traceback.format_exception(error))
        self.store.client().log_text(self.run_id, text, "error.txt")
        self.tags({"crisol.error": f"{type(error).__name__}: {error}"})
        self.finish("FAILED")

    def kill(self, reason: str) -> None:
        """End the run as KILLED, with a reason."""
        self.tags({"crisol.killed": reason})
        self.finish("KILLED")
