"""Errors of parameters: the wrong parameter and the broken rule, in one line each."""

from collections.abc import Mapping, Sequence
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.project import pipelines
from kedro.validation.type_extractor import TypeExtractor
from pydantic import BaseModel, ValidationError

from crisol import models
from crisol.core.errors import MendableError
from crisol.registry.store import StoreError
from crisol.registry.tracking.parameter_hints import did_you_mean, places, sentence

REPRODUCE = "crisol_reproduce"
"""Runtime parameter naming the version a run reproduces; such a run registers nothing."""
DATA_ROOT = "data_root"
"""Runtime parameter: the folder of the results."""
MODEL = "model"
"""Runtime parameter: the line a run registers its version under, such as ``tabular.adult``."""
RUN_ID = "run_id"
"""Runtime parameter: the scheduled MLflow run that this run carries out."""
_TOLD = 50
"""Errors of a section that are told."""
RUNTIME = (REPRODUCE, DATA_ROOT, MODEL, RUN_ID)


def problems(context: KedroContext) -> list[str]:
    """Every wrong parameter of the pipelines of the run.

    Kedro validates the same sections before the first node; these have the full name, such
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


def refuse_unknown(given: Mapping[str, Any], families: Sequence[str]) -> None:
    """Refuse a section that no node reads, and a missing section that a node reads.

    A typing mistake in a section's name would silently train with defaults.

    Args:
        given: every parameter of the configuration and the command line.
        families: the families of the run.

    Raises:
        StoreError: names the unknown section and the known ones.
    """
    for family in families:
        prefix = f"params:{family}."
        read = [name for name in pipelines[family].inputs() if name.startswith(prefix)]
        sections = {name.removeprefix(prefix).partition(".")[0] for name in read}
        missing = sorted(sections - given.get(family, {}).keys())
        if missing:
            raise StoreError(
                f"the parameters {family}.{missing[0]} are missing; a file of conf/local or of an "
                f"environment replaces the whole of {family} in conf/base, so it must name all of: "
                f"{', '.join(sorted(sections))} ({missing[0]}: {{}} takes the defaults)"
            )
        strange = sorted(given.get(family, {}).keys() - sections)
        if strange:
            raise StoreError(
                f"no node reads the parameters {family}.{strange[0]}; "
                f"known here: {', '.join(sorted(sections))}{_meant(strange[0], [family])}"
            )
    strange = sorted(given.keys() - {*models.family_names(), *RUNTIME})
    if strange:
        raise StoreError(
            f"no family reads the parameters {strange[0]}; "
            f"there are: {', '.join(models.family_names())}{_meant(strange[0], families)}"
            "; a comma in --params begins the next parameter"
        )


def _meant(name: str, families: Sequence[str]) -> str:
    """The parameters of that name in the sections of these families."""
    read = TypeExtractor({f: pipelines[f] for f in families}).extract_types_from_pipelines()
    found = [
        path
        for key, kind in sorted(read.items())
        if isinstance(kind, type) and issubclass(kind, BaseModel)
        for path in places(key, kind, name)
    ]
    return f"; {did_you_mean(found)}" if found else ""


def refuse_references(value: Any, name: str = "params") -> None:
    """Refuse ``${...}`` in the parameters of a job, which come from a client.

    The configuration would replace it, and ``${oc.env:...}`` reads the worker's environment.

    Raises:
        StoreError: names the parameter.
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            refuse_references(str(key), f"{name}.{key}")
            refuse_references(item, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            refuse_references(item, f"{name}[{index}]")
    elif isinstance(value, str) and "${" in value:
        raise StoreError(f"{name}: '${{' is not allowed in a job's parameters; give the value")


def refuse_mismatches(given: Mapping[str, Any], families: Sequence[str]) -> None:
    """Refuse sections that do not fit each other, such as values for a study that is not there.

    Args:
        given: every parameter of the configuration and the command line, each section valid.
        families: the families of the run.

    Raises:
        StoreError: names the parameter and what there is.
    """
    for family in families:
        problem = mismatch(family, given[family])
        if problem is not None:
            raise StoreError(problem)


def mismatch(family: str, sections: Mapping[str, Any]) -> str | None:
    """The first problem between the sections of a family, or ``None``.

    A family checks this with a function ``check_sections(data, model, train)``, if it has one.
    """
    package = models.family(family)
    if "check_sections" not in dir(package):
        return None
    kinds = {"data": "DataParams", "model": "ModelParams", "train": "TrainParams"}
    checked = [
        getattr(package, kind).model_validate(sections[name]) for name, kind in kinds.items()
    ]
    try:
        package.check_sections(*checked)
    except MendableError as error:
        return str(error)
    return None


def section_problems(key: str, kind: type[BaseModel], value: Any) -> list[str]:
    """The errors of one section.

    >>> class TrainParams(BaseModel, extra="forbid"):
    ...     epochs: int
    >>> section_problems("iris.train", TrainParams, {"epochs": 3, "lr": 1})
    ['iris.train.lr: Extra inputs are not permitted (given: 1; known here: epochs)']
    """
    try:
        kind.model_validate(value)
    except ValidationError as error:
        found = _own(error.errors(include_url=False))
        told = [sentence(key, kind, value, detail) for detail in found[:_TOLD]]
        more = len(found) - len(told)
        return told + ([f"{key}: {more} more errors are not listed"] if more else [])
    return []


def _own(found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The errors without those that follow from others: of a list none of whose items is valid."""

    def follows(detail: Mapping[str, Any]) -> bool:
        place = detail["loc"]
        inside = any(d["loc"][: len(place)] == place and d["loc"] != place for d in found)
        return detail["type"] == "too_short" and inside

    return [detail for detail in found if not follows(detail)]


def _lookup(parameters: Mapping[str, Any], key: str) -> Any:
    value: Any = parameters
    for part in key.split("."):
        value = value.get(part, {}) if isinstance(value, Mapping) else {}
    return value
