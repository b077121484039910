"""The widths of the columns of an MLflow database, and texts that are cut to them.

SQLite takes a text of any length, so it hides what PostgreSQL refuses. The widths are the narrower
of MLflow's validation (``mlflow.utils.validation``) and its tables (``mlflow.store.*.dbmodels``).
"""

import json
from collections.abc import Mapping
from typing import Any

KEY = 250
"""The name of a run, a metric, a parameter or a tag."""
USER = 256
PARAMETER = 6000
RUN_TAG = 8000
MODEL_TAG = DESCRIPTION = 5000
"""A tag of a registered model, and the description of a model or a version."""
VERSION_TAG = 100_000
DATASET_NAME, DATASET_SOURCE = 500, 65_535
DATASET_SCHEMA, DATASET_PROFILE = 1_048_575, 16_777_215
LOCATION = 157
"""The address of an experiment's artefacts: a run adds 43 characters, and has 200."""
_CUT = "…"


def storable(text: Any) -> str:
    """A text without NUL, which PostgreSQL refuses, and halves of surrogate pairs (UTF-8)."""
    return str(text).replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def cut(text: Any, width: int) -> str:
    r"""A storable text of at most ``width`` characters.

    >>> cut("a description", 8), cut("a\0b", 8)
    ('a descr…', 'a�b')
    """
    clean = storable(text)
    return clean if len(clean) <= width else clean[: width - len(_CUT)] + _CUT


def fitting_json(values: Mapping[str, Any], width: int) -> str:
    """The JSON of as many of the first values as fit into a column.

    >>> fitting_json({"mae": 0.25, "rmse": 0.5}, 15)
    '{"mae": 0.25}'
    """
    kept = dict(values)
    while len(text := json.dumps(kept)) > width:
        for name in list(kept)[len(kept) * width // len(text) :] or list(kept)[-1:]:
            del kept[name]
    return text
