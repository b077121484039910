"""MLflow runs addressed by explicit id: open, schedule, adopt, and end those of dead processes.

A *job* is a run that was scheduled first (:func:`schedule_run`) and is carried out later by a
``kedro run`` that adopts it (:func:`adopt_run`). Its tag ``crisol.job`` is ``true``, and its
scheduler ends it when the process that carried it out is gone: :func:`sweep` leaves it alone.
"""

import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from crisol.registry.naming import family_of
from crisol.registry.store import Store, StoreError, current
from crisol.registry.tracking import provenance
from crisol.registry.tracking.run_log import RunLog

if TYPE_CHECKING:
    from mlflow.entities import Run

RUNS_VARIABLE = "CRISOL_RUNS"
"""Carries the ids of the open runs to worker processes, as JSON from family to run id."""
FAMILY_TAG, MODEL_TAG, JOB_TAG = "crisol.family", "crisol.model", "crisol.job"
STARTED_TAG = "crisol.started_at"
"""The time when a process began the run; MLflow's start time is that of the scheduling."""
_KEPT_TAGS = ("mlflow.user", "mlflow.runName")
"""Tags that a job keeps: its user and its name."""
_PROCESS_TAGS = ("crisol.host", "crisol.pid", "crisol.process_started", STARTED_TAG)

_RUN_ID = re.compile(r"[\w-]{1,256}", re.ASCII)

_open: dict[str, RunLog] = {}


def announce(logs: Mapping[str, RunLog]) -> None:
    """Make these the open runs of this process and of its future workers (none: an empty map)."""
    _open.clear()
    _open.update(logs)
    os.environ[RUNS_VARIABLE] = json.dumps({name: log.run_id for name, log in logs.items()})


def active(family: str) -> RunLog | None:
    """The open run of a family, if there is one."""
    if family not in _open:
        run_id = json.loads(os.environ.get(RUNS_VARIABLE, "{}")).get(family)
        if run_id is None:
            return None
        store = current().patient()
        _open[family] = _log(store, get_run(store, run_id))
    return _open[family]


def open_run(store: Store, model: str, tags: Mapping[str, str], name: str | None = None) -> RunLog:
    """Start the run of a model (a family, or a line of it), with its provenance in its tags.

    Raises:
        StoreError: it is no model's name, or there is no such family.
    """
    family = family_of(model)
    store = store.patient()
    created = store.client().create_run(
        store.experiment_id(family),
        run_name=name,
        tags={FAMILY_TAG: family, MODEL_TAG: model, **_circumstances(store), **tags},
    )
    return _log(store, created)


def schedule_run(
    store: Store, family: str, model: str, tags: Mapping[str, str], name: str | None = None
) -> str:
    """Create a run that a later process carries out: SCHEDULED, with the tag ``crisol.job``.

    MLflow can only create a run as RUNNING. One with ``crisol.job`` and without ``crisol.pid`` that
    is RUNNING was cut short between the two writes, and :func:`reschedule_run` mends it.

    Args:
        store: the MLflow store.
        family: the family whose pipeline will carry it out.
        model: the model name of its version: the family, or a line of it.
        tags: further ones, such as ``mlflow.user``.
        name: the run's name.

    Returns:
        The run's id, for the runtime parameter ``run_id``.

    Raises:
        StoreError: the model is not one of the family, or there is no such family.
    """
    if family_of(model) != family:
        raise StoreError(f"{model} is not a model of {family}: a line is named {family}.<line>")
    client = store.client()
    created = client.create_run(
        store.experiment_id(family),
        run_name=name,
        tags={**tags, FAMILY_TAG: family, MODEL_TAG: model, JOB_TAG: "true"},
    )
    run_id = str(created.info.run_id)
    client.update_run(run_id, status="SCHEDULED")
    return run_id


def reschedule_run(store: Store, run_id: str) -> None:
    """Schedule an unfinished job again, whether its process has ended or not.

    Only the caller, which started that process, can know that it is gone.

    Raises:
        StoreError: there is no such run, it is no job, or it has ended.
    """
    run = get_run(store, run_id)
    _check_unfinished(run)
    if run.data.tags.get(JOB_TAG) != "true":
        raise StoreError(f"run {run_id} was not scheduled: it belongs to a kedro run of its own")
    client = store.client()
    for tag in _PROCESS_TAGS:
        if tag in run.data.tags:
            client.delete_tag(run_id, tag)
    client.update_run(run_id, status="SCHEDULED")


def adopt_run(
    store: Store,
    run_id: str,
    families: list[str],
    model: str | None,
    tags: Mapping[str, str],
) -> RunLog:
    """Carry out a scheduled run: it becomes RUNNING and gets the tags of :func:`open_run`.

    Args:
        store: the MLflow store.
        run_id: a run that is SCHEDULED, or RUNNING and left by a process that is gone.
        families: the families of this run; it must be the scheduled run's alone.
        model: the model named for this run, if any; it must be the scheduled run's.
        tags: tags of this run; ``mlflow.user`` and the name stay unchanged.

    Raises:
        StoreError: there is no such run, it has ended, another process is carrying it out, or it
            was scheduled for another family or model.
    """
    store = store.patient()
    run = get_run(store, run_id)
    _check_unfinished(run)
    known = run.data.tags
    family = known.get(FAMILY_TAG)
    scheduled = known.get(MODEL_TAG, family)
    if families != [family]:
        raise StoreError(
            f"run {run_id} was scheduled for {family}, and this kedro run is of "
            f"{', '.join(families) or 'no family'}: kedro run --pipelines {family}"
        )
    if model is not None and model != scheduled:
        raise StoreError(f"run {run_id} was scheduled for the model {scheduled}, not for {model}")
    if known.get("crisol.pid") and not _is_ours_or_gone(known):
        raise StoreError(
            f"run {run_id} is being carried out by another process (pid {known['crisol.pid']} on "
            f"{known.get('crisol.host')})"
        )
    log = _log(store, run)
    kept = {tag for tag in _KEPT_TAGS if tag in known}
    written = {**_circumstances(store), **tags}
    log.tags({tag: value for tag, value in written.items() if tag not in kept})
    store.client().update_run(run_id, status="RUNNING")
    return log


def get_run(store: Store, run_id: str) -> "Run":
    """A run by its id.

    Raises:
        StoreError: there is none.
    """
    from mlflow.exceptions import MlflowException

    try:
        if _RUN_ID.fullmatch(run_id) is not None:  # a database refuses some texts with other errors
            return store.client().get_run(run_id)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
    raise StoreError(f"there is no run {run_id!r} in the store")


def sweep(store: Store) -> list[str]:
    """Mark as KILLED the runs whose process is gone; one sentence for each.

    Jobs are left alone: their scheduler decides whether they go on.
    """
    said = []
    for run in _running(store):
        tags = run.data.tags
        if tags.get(JOB_TAG) == "true" or not provenance.is_gone(tags):
            continue
        log = _log(store, run)
        log.kill("its process ended without a word")
        said.append(
            f"run {run.info.run_id[:8]} of {log.model} was left running by a process that is gone "
            f"(pid {tags['crisol.pid']}): marked KILLED"
        )
    return said


def _log(store: Store, run: "Run") -> RunLog:
    tags = run.data.tags
    model = tags.get(MODEL_TAG, tags[FAMILY_TAG])
    return RunLog(store, model, run.info.run_id, began_ms=run.info.start_time)


def _circumstances(store: Store) -> dict[str, str]:
    """Tags with the time, process, software and code of a run that begins."""
    return {
        STARTED_TAG: datetime.now(tz=UTC).isoformat(timespec="milliseconds"),
        **provenance.process_tags(),
        **provenance.software_tags(),
        **provenance.code_tags(Path(store.project)),
    }


def _check_unfinished(run: "Run") -> None:
    status = run.info.status
    if status not in ("SCHEDULED", "RUNNING"):
        raise StoreError(
            f"run {run.info.run_id} has ended ({status}): only a scheduled run can be carried out; "
            "schedule another one"
        )


def _is_ours_or_gone(tags: Mapping[str, str]) -> bool:
    mine = provenance.process_tags()
    return provenance.is_gone(tags) or all(tags.get(k) == v for k, v in mine.items())


def _running(store: Store) -> "list[Run]":
    from mlflow.entities import ViewType

    client = store.client()
    experiments = client.search_experiments(view_type=ViewType.ACTIVE_ONLY)
    return list(
        client.search_runs(
            [e.experiment_id for e in experiments],
            filter_string="attributes.status = 'RUNNING' and tags.`crisol.host` != ''",
        )
    )
