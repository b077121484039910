"""The trials of a search as finished child runs of the run that searches."""

import time
from collections.abc import Mapping
from typing import Any

from crisol.core.progress import TrialResult
from crisol.registry.tracking import provenance
from crisol.registry.tracking.run_log import RunLog, dotted, metric_name

_STATUS = {"complete": "FINISHED", "pruned": "FINISHED", "failed": "FAILED", "timeout": "KILLED"}
_BATCH = 100
"""Most parameters MLflow takes in one write."""


def log_trial(log: RunLog, trial: TrialResult) -> str:
    """Log a trial that has ended; three writes, whatever is in it.

    Its metrics are ``value``, ``seconds``, ``fold_value`` (one step a fold) and its own; its
    parameters the algorithm and its settings; the tag ``crisol.trial_state`` says how it ended.

    Args:
        log: the open run that searches, which becomes the parent.
        trial: emitted by :func:`crisol.core.progress.emit_trial`.

    Returns:
        The child run's id.
    """
    from mlflow.entities import Metric, Param

    client = log.store.client()
    ended = int(1000 * time.time())
    created = client.create_run(
        log.store.experiment_id(log.family),
        start_time=ended - int(1000 * trial.seconds),
        run_name=f"trial {trial.number}: {trial.algorithm}",
        tags={
            "mlflow.parentRunId": log.run_id,
            "crisol.family": log.family,
            "crisol.model": log.model,
            "crisol.trial": str(trial.number),
            "crisol.trial_state": trial.state,
            # Killed between the writes below, it is closed as any other run is.
            **provenance.process_tags(),
        },
    )
    run_id = str(created.info.run_id)
    values = {"seconds": trial.seconds, **trial.metrics}
    if trial.value is not None:
        values["value"] = trial.value
    metrics = [Metric(metric_name(k), float(v), ended, 0) for k, v in values.items()]
    metrics += [Metric("fold_value", float(v), ended, i) for i, v in enumerate(trial.fold_values)]
    params = [Param(k, v) for k, v in _parameters(trial).items()]
    client.log_batch(run_id, metrics=metrics, params=params[:_BATCH])
    if params[_BATCH:]:
        client.log_batch(run_id, params=params[_BATCH : 2 * _BATCH])
    client.set_terminated(run_id, _STATUS[trial.state], end_time=ended)
    return run_id


def _parameters(trial: TrialResult) -> Mapping[str, str]:
    settings: dict[str, Any] = {"algorithm": trial.algorithm, **trial.settings}
    return {metric_name(name): value for name, value in dotted(settings)}
