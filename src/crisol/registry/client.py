"""The MLflow client of a store: it cuts texts to the columns, and waits for a store that is away.

Importing this module loads MLflow.
"""

import inspect
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, Param, RunTag

from crisol.registry import columns
from crisol.registry.columns import cut
from crisol.registry.outages import is_away

logger = logging.getLogger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 5.0
# The error is raised as well, and logged by whoever does not wait for the store.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
# Seven retries of a tracking server, MLflow's default, take four minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")


def _tags(width: int, tags: Mapping[str, Any]) -> dict[str, str]:
    widths = {"mlflow.user": columns.USER}  # a column of its own beside the tag
    return {key: cut(value, min(width, widths.get(key, width))) for key, value in tags.items()}


def _run_tags(tags: Sequence[RunTag]) -> list[RunTag]:
    return [RunTag(tag.key, cut(tag.value, columns.RUN_TAG)) for tag in tags]


def _params(params: Sequence[Param]) -> list[Param]:
    return [Param(param.key, cut(param.value, columns.PARAMETER)) for param in params]


def _datasets(inputs: Sequence[DatasetInput]) -> list[DatasetInput]:
    """Schema and profile are JSON, of which a part means nothing: too long, they are left out."""
    made = []
    for given in inputs:
        known = given.dataset
        schema, profile = known.schema or "", known.profile or ""
        dataset = Dataset(
            cut(known.name, columns.DATASET_NAME),
            known.digest,
            known.source_type,
            cut(known.source, columns.DATASET_SOURCE),
            schema if 0 < len(schema) <= columns.DATASET_SCHEMA else None,
            profile if 0 < len(profile) <= columns.DATASET_PROFILE else None,
        )
        made.append(DatasetInput(dataset, given.tags))
    return made


_Fit = Callable[[Any], Any]


def _text(width: int) -> _Fit:
    return partial(cut, width=width)


_FITS: Mapping[str, Mapping[str, _Fit]] = {
    "create_run": {"tags": partial(_tags, columns.RUN_TAG), "run_name": _text(columns.KEY)},
    "update_run": {"name": _text(columns.KEY)},
    "log_batch": {"params": _params, "tags": _run_tags},
    "set_tag": {"value": _text(columns.RUN_TAG)},
    "log_inputs": {"datasets": _datasets},
    "log_text": {"text": columns.storable},
    "create_registered_model": {
        "tags": partial(_tags, columns.MODEL_TAG),
        "description": _text(columns.DESCRIPTION),
    },
    "set_registered_model_tag": {"value": _text(columns.MODEL_TAG)},
    "create_model_version": {
        "tags": partial(_tags, columns.VERSION_TAG),
        "description": _text(columns.DESCRIPTION),
    },
    "set_model_version_tag": {"value": _text(columns.VERSION_TAG)},
}
"""The texts that Crisol writes to a store, by method and argument."""


class StoreClient:
    """An MLflow client whose texts fit into the store.

    It has the methods of :class:`mlflow.MlflowClient`.

    Args:
        uri: of the store.
        patience_s: how long a call waits for a store that is away; 0: it fails at once.
    """

    _outage: tuple[float, float] | None = None
    """When the store was first and last missed. All calls of a process wait for one outage
    together: the last writes of a run that gave up do not wait again, one after the other."""

    def __init__(self, uri: str, patience_s: float) -> None:
        self._client = MlflowClient(uri, uri)
        self._patience_s = patience_s

    def __getattr__(self, name: str) -> Any:
        method, fits = getattr(self._client, name), _FITS.get(name, {})

        def call(*arguments: Any, **named: Any) -> Any:
            bound = inspect.signature(method).bind(*arguments, **named)
            for argument, fit in fits.items():
                if bound.arguments.get(argument) is not None:
                    bound.arguments[argument] = fit(bound.arguments[argument])
            return self._patiently(partial(method, *bound.args, **bound.kwargs))

        return call

    def _patiently(self, call: Callable[[], Any]) -> Any:
        """Call, and again while the store is away and the patience lasts."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                answer = call()
            except Exception as error:
                if not self._patience_s or not is_away(error):
                    raise
                left_s = self._patience_s - self._missed()
                if left_s <= 0:
                    raise
                time.sleep(min(pause_s, left_s))
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                if pause_s > _FIRST_PAUSE_S:  # a first try may have needed the artefacts alone
                    logger.warning("the MLflow store answers again")
                    StoreClient._outage = None
                return answer

    def _missed(self) -> float:
        """How long the store has been away by now, in seconds."""
        now, known = time.monotonic(), StoreClient._outage
        if known is None or now - known[1] > self._patience_s:
            known = (now, now)
            logger.warning("the MLflow store is away; waiting up to %g s", self._patience_s)
        StoreClient._outage = (known[0], now)
        return now - known[0]
