"""Saying which parameter is wrong, and by which rule, in one line each."""

from collections.abc import Mapping, Sequence
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.project import pipelines
from kedro.validation.type_extractor import TypeExtractor
from pydantic import BaseModel, ValidationError


def problems(context: KedroContext) -> list[str]:
    """Every wrong parameter of the pipelines that were asked for.

    Kedro validates the same sections before the first node; this says it with the whole name, such
    as ``signals.train.epochs: Input should be greater than 0 (given: 0)``.
    """
    names = context._pipelines_to_validate or list(pipelines)
    requirements = TypeExtractor(
        {name: pipelines[name] for name in names}
    ).extract_types_from_pipelines()
    given = context.config_loader["parameters"]
    said: list[str] = []
    for key, kind in sorted(requirements.items()):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            said += section_problems(key, kind, _lookup(given, key))
    return said


def section_problems(key: str, kind: type[BaseModel], value: Any) -> list[str]:
    """What is wrong with one section.

    >>> class TrainParams(BaseModel, extra="forbid"):
    ...     epochs: int
    >>> section_problems("iris.train", TrainParams, {"epochs": 3, "lr": 1})
    ['iris.train.lr: Extra inputs are not permitted (given: 1; known here: epochs)']
    """
    try:
        kind.model_validate(value)
    except ValidationError as error:
        return [_sentence(key, kind, dict(detail)) for detail in error.errors(include_url=False)]
    return []


def _sentence(key: str, kind: type[BaseModel], detail: Mapping[str, Any]) -> str:
    name = ".".join([key, *(str(part) for part in detail["loc"])])
    notes = []
    if not isinstance(detail["input"], Mapping | Sequence) or isinstance(detail["input"], str):
        notes.append(f"given: {detail['input']!r}")
    if detail["type"] == "extra_forbidden" and len(detail["loc"]) == 1:
        notes.append(f"known here: {', '.join(kind.model_fields)}")
    return f"{name}: {detail['msg']}" + (f" ({'; '.join(notes)})" if notes else "")


def _lookup(parameters: Mapping[str, Any], key: str) -> Any:
    value: Any = parameters
    for part in key.split("."):
        value = value.get(part, {}) if isinstance(value, Mapping) else {}
    return value
