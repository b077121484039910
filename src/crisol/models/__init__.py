"""The families. Each is a subpackage that needs no Kedro, MLflow or BentoML.

A family's package exposes, lazily: ``DataParams``, ``ModelParams``, ``TrainParams``, ``Predictor``,
``Request``, ``Response`` and ``example_request()``. Its ``CAPABILITIES`` state what it can do. A
family that takes uploaded datasets also exposes ``DatasetOptions`` and ``profile_dataset``
(:mod:`crisol.core.data.profile`).
"""

import pkgutil
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from crisol.core.predictor import Predictor, PredictorError, read_manifest


@cache
def family_names() -> tuple[str, ...]:
    """Every family there is, in alphabetical order."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.ispkg))


def family(name: str) -> ModuleType:
    """The package of one family.

    Raises:
        ValueError: there is no such family; the message names those there are.
    """
    if name not in family_names():
        raise ValueError(f"no family {name!r}; there are: {', '.join(family_names())}")
    return import_module(f"{__name__}.{name}")


def dataset_families() -> tuple[str, ...]:
    """Every family that takes uploaded datasets, in alphabetical order."""
    return tuple(name for name in family_names() if "DatasetOptions" in dir(family(name)))


def load_predictor(directory: Path | str, runtime: str | None = None) -> Predictor[Any, Any]:
    """Load a predictor directory of whatever family its manifest names.

    Raises:
        PredictorError: the directory is not a whole predictor of a known family.
    """
    name = read_manifest(directory)["family"]
    if name not in family_names():
        raise PredictorError(f"{directory} holds a predictor of the unknown family {name!r}")
    predictor: Predictor[Any, Any] = family(name).Predictor.load(directory, runtime=runtime)
    return predictor
