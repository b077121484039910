"""The progress of a job, read from the metrics of its run once for all who ask at the same time."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import Field
from pydantic_core import to_json

from crisol.core.contract import Contract
from crisol.core.progress import PREFIX
from crisol.platform.jobs.job import Job, Status, job_of
from crisol.platform.jobs.job_runs import JobRuns

if TYPE_CHECKING:
    from mlflow.entities import Run

FRESH_S = 0.5
_CURVES_S = 2.0
"""How often curves are read anew: each costs a query."""
_KEPT = 1000
_MAX_CURVES = 24
_MAX_POINTS = 2000
BEST = "auto.best"
"""The metric with the value of a search's best trial so far."""
_CURVES = ("loss", "accuracy", "f1", "auc", "rmse", "mae", "best")
Shares = Callable[[str], Sequence[float]]
_NOT_CURVES = (PREFIX, "seconds.", "system/")


class TrialView(Contract):
    """A trial of a search that has ended."""

    number: int
    algorithm: str
    state: str = Field(description="complete, pruned, failed or timeout.")
    value: float | None = Field(description="Of the metric that is searched for.")
    seconds: float
    settings: dict[str, str]


class TrialsView(Contract):
    """The state of a search."""

    ended: int
    complete: int
    best: float | None = Field(description="Of the metric that is searched for.")
    last: TrialView | None


class Progress(Contract):
    """The progress of a job; values that are not known yet are null."""

    id: str
    status: Status
    detail: str | None
    reason: str | None
    fraction: float = Field(description="0 to 1; it never goes back. 1 is for what went well.")
    nodes_done: int | None
    nodes: int | None
    unit: int | None = Field(description="Which training of the node, from 1.")
    epoch: int | None
    epochs: int | None
    batch: int | None
    batches: int | None
    loss: float | None
    accuracy: float | None
    learning_rate: float | None
    samples_per_second: float | None
    seconds: float | None = Field(description="Since it began.")
    seconds_left: float | None = Field(description="At the speed that was measured.")
    trials: TrialsView | None
    metrics: dict[str, float] = Field(description="The newest value of each result.")
    history: dict[str, list[tuple[int, float]]] = Field(
        description="Curves: (step, value) by the name of the metric."
    )
    step: int = Field(description="The highest step of the history.")

    def since(self, step: int) -> "Progress":
        """Without the points of the history up to a step."""
        if step < 0:
            return self
        later = {n: [p for p in points if p[0] > step] for n, points in self.history.items()}
        return self.model_copy(update={"history": {n: p for n, p in later.items() if p}})


@dataclass(frozen=True)
class Snapshot:
    """A job at one moment.

    Attributes:
        job: how it stands.
        progress: how far it is.
        trials: all that have ended, in the order in which they did.
    """

    job: Job
    progress: Progress
    trials: tuple[TrialView, ...]

    @cached_property
    def body(self) -> bytes:
        """The progress as JSON, made once for all who ask."""
        return to_json(self.progress)


@dataclass
class _Known:
    lock: threading.Lock = field(default_factory=threading.Lock)
    read_at: float = -1e9
    snapshot: Snapshot | None = None
    fraction: float = 0.0
    trials: dict[str, TrialView] = field(default_factory=dict)
    trials_ms: int = 0
    curves: dict[str, tuple[float, list[tuple[int, float]]]] = field(default_factory=dict)
    """By name: the newest value when it was read, and its points."""
    curves_at: float = -1e9


class ProgressReader:
    """Reads the progress of jobs: each at most twice a second, however many clients ask.

    Safe to use from several threads.

    Args:
        jobs: where they are.
        shares: of the bar, for each node of a family in the order in which they run; of a pipeline
            of another length, all nodes have the same.
    """

    def __init__(self, jobs: JobRuns, shares: Shares = lambda _: ()) -> None:
        self._jobs, self._shares = jobs, shares
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, job_id: str) -> Snapshot:
        """The newest snapshot of a job, :data:`FRESH_S` old at most unless it is just being read.

        Raises:
            StoreError: there is no such job.
        """
        known = self._of(job_id)
        found = known.snapshot
        if found is not None and self._is_fresh(known, found):
            return found
        if found is None or known.read_at < 0:
            known.lock.acquire()
        elif not known.lock.acquire(blocking=False):  # another thread reads it anew just now
            return found
        try:
            found = known.snapshot
            if found is None or not self._is_fresh(known, found):
                found = self._look(job_id, known)
                known.snapshot, known.read_at = found, time.monotonic()
        finally:
            known.lock.release()
        return found

    def forget(self, job_id: str) -> None:
        """Make the next :meth:`read` read the job again, as it was changed."""
        with self._lock:
            known = self._known.get(job_id)
        if known is not None:
            known.read_at = -1e9

    def _is_fresh(self, known: _Known, found: Snapshot) -> bool:
        return found.job.over or time.monotonic() - known.read_at < FRESH_S

    def _of(self, job_id: str) -> _Known:
        with self._lock:
            known = self._known.setdefault(job_id, _Known())
            self._known.move_to_end(job_id)
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return known

    def _look(self, job_id: str, known: _Known) -> Snapshot:
        try:
            run = self._jobs.run(job_id)
        except Exception:
            with self._lock:  # of what does not exist nothing is kept
                self._known.pop(job_id, None)
            raise
        job = job_of(run)
        if job.started is not None:
            self._read_trials(run, known)
        trials = tuple(known.trials.values())
        progress = self._progress(run, job, known, trials)
        return Snapshot(job, progress, trials)

    def _read_trials(self, run: "Run", known: _Known) -> None:
        """Add the child runs that have ended since the last look."""
        found = self._jobs.store.client().search_runs(
            [run.info.experiment_id],
            filter_string=f"tags.`mlflow.parentRunId` = '{run.info.run_id}' "
            f"and attributes.end_time >= {known.trials_ms}",
            order_by=["attributes.end_time ASC"],
            max_results=1000,
        )
        for child in found:
            known.trials[child.info.run_id] = _trial(child)
            known.trials_ms = max(known.trials_ms, child.info.end_time)

    def _progress(
        self, run: "Run", job: Job, known: _Known, trials: tuple[TrialView, ...]
    ) -> Progress:
        metrics = run.data.metrics
        told = {k.removeprefix(PREFIX): v for k, v in metrics.items() if k.startswith(PREFIX)}
        known.fraction = max(known.fraction, _fraction(job, told, self._shares(job.family)))
        results = {k: v for k, v in metrics.items() if not k.startswith(_NOT_CURVES)}
        curves = [k for k in sorted(results) if k.lower().endswith(_CURVES)][:_MAX_CURVES]
        history = self._read_curves(job, known, {name: results[name] for name in curves})
        return Progress(
            id=job.id,
            status=job.status,
            detail=job.detail,
            reason=job.reason,
            fraction=round(known.fraction, 4),
            nodes_done=_whole(told.get("nodes_done")),
            nodes=_whole(told.get("nodes")),
            unit=_whole(told.get("unit")),
            epoch=_whole(told.get("epoch")),
            epochs=_whole(told.get("epochs")),
            batch=_whole(told.get("batch")),
            batches=_whole(told.get("batches")),
            loss=told.get("loss"),
            learning_rate=told.get("learning_rate"),
            samples_per_second=told.get("samples_per_second"),
            accuracy=_accuracy(results),
            seconds=job.seconds,
            seconds_left=None if job.over else _seconds_left(told),
            trials=_trials_view(trials, metrics) if trials else None,
            metrics=results,
            history=history,
            step=max((p[-1][0] for p in history.values() if p), default=-1),
        )

    def _read_curves(
        self, job: Job, known: _Known, newest: Mapping[str, float]
    ) -> dict[str, list[tuple[int, float]]]:
        """The curves; those whose newest value changed are read again every few seconds."""
        now = time.monotonic()
        if job.over or now - known.curves_at > _CURVES_S:
            known.curves_at = now
            for name, value in newest.items():
                if job.over or name not in known.curves or known.curves[name][0] != value:
                    known.curves[name] = (value, self._curve(job.id, name))
        return {name: points for name, (_, points) in known.curves.items()}

    def _curve(self, run_id: str, name: str) -> list[tuple[int, float]]:
        points = self._jobs.store.client().get_metric_history(run_id, name)
        curve = sorted((point.step, point.value) for point in points)
        every = -(-len(curve) // _MAX_POINTS)
        return curve[::every] if every > 1 else curve


def _fraction(job: Job, told: Mapping[str, float], shares: Sequence[float]) -> float:
    """The share of the pipeline that is done: whole nodes, and a part of the running one."""
    if job.status == "completed":
        return 1.0
    nodes = int(told.get("nodes", 0))
    if not nodes:
        return 0.0
    if len(shares) != nodes:
        shares = [1 / nodes] * nodes
    of_node = min(max(told.get("fraction") or _of_epochs(told), 0.0), 1.0)
    ended = int(told.get("nodes_done", 0))
    done = sum(shares[:ended]) + of_node * sum(shares[ended : ended + 1])
    return min(done, 0.999)  # 1 is for what has gone well


def _of_epochs(told: Mapping[str, float]) -> float:
    """The fraction of a node that trains once; 0 where it trains several times."""
    epochs, batches = told.get("epochs"), told.get("batches")
    if not epochs or not batches or told.get("unit", 1) > 1 or not told.get("unit_seconds_left"):
        return 0.0
    return (told.get("epoch", 1) - 1 + told.get("batch", 0) / batches) / epochs


def _seconds_left(told: Mapping[str, float]) -> float | None:
    """The seconds left as the running node reports them; ``None`` between nodes."""
    return told.get("seconds_left") or told.get("unit_seconds_left") or None


def _trials_view(trials: tuple[TrialView, ...], metrics: Mapping[str, float]) -> TrialsView:
    complete = sum(trial.state == "complete" for trial in trials)
    return TrialsView(ended=len(trials), complete=complete, best=metrics.get(BEST), last=trials[-1])


def _trial(child: "Run") -> TrialView:
    params: dict[str, Any] = dict(child.data.params)
    return TrialView(
        number=int(child.data.tags.get("crisol.trial", -1)),
        algorithm=params.pop("algorithm", ""),
        state=child.data.tags.get("crisol.trial_state", ""),
        value=child.data.metrics.get("value"),
        seconds=child.data.metrics.get("seconds", 0.0),
        settings=params,
    )


def _accuracy(results: Mapping[str, float]) -> float | None:
    """The model's own accuracy: of the held-out rows, else of validation, else of training.

    >>> _accuracy({"accuracy": 0.9, "linear.accuracy": 0.8, "net.valid_accuracy": 0.7})
    0.9
    >>> _accuracy({"net.train_accuracy": 0.8, "net.valid_accuracy": 0.7})
    0.7
    """
    for end in ("accuracy", "valid_accuracy", "train_accuracy", ".accuracy"):
        found = [k for k in sorted(results) if k == end or (end != "accuracy" and k.endswith(end))]
        if found:
            return results[found[-1]]
    return None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
