"""Checks on the parameters of a job: a client may set most of them, an operator all."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kedro.framework.project import pipelines
from kedro.validation.type_extractor import TypeExtractor
from pydantic import BaseModel, ValidationError

from crisol import models
from crisol.core.params import Place, operator_only
from crisol.serving.http.errors import ApiError, ErrorDetail

Sections = Mapping[str, type[BaseModel]]
"""The classes of a family's parameter sections, by name."""
_DEEPEST = 20
"""Levels of objects and lists; what reads configurations goes down by recursion."""
_MOST = 12_000
"""Values, those of objects and lists included: the overrides of 5,000 columns. Reading them as a
configuration takes 0.2 ms each."""
_LONGEST_KEY = 500
_TOLD = 50
"""Unknown parameters that are named."""


@dataclass(frozen=True)
class DatasetChoice:
    """The dataset of a job.

    Attributes:
        id: of the dataset.
        family: that reads it.
        name: of the dataset.
        data: the ``data`` parameters that say where and what it is.
    """

    id: str
    family: str
    name: str
    data: Mapping[str, Any]


def field_error(field: str, message: str) -> ApiError:
    """422 for one field."""
    detail = ErrorDetail(field=field, message=message, type="invalid")
    return ApiError(422, "1 field is wrong; see details.", details=[detail])


def sections_of(family: str) -> Sections:
    """The sections that the nodes of a family read; empty: there is no such family any more."""
    if family not in pipelines:
        return {}
    found = TypeExtractor({family: pipelines[family]}).extract_types_from_pipelines()
    return {key.partition(".")[2]: kind for key, kind in sorted(found.items())}


def check_client(family: str, given: Mapping[str, Any], sections: Sections) -> None:
    """Check that a client may set these parameters, before they are read as configuration.

    Args:
        family: of the job.
        given: values by section and name.
        sections: of the family.

    Raises:
        ApiError: 422, naming the field.
    """
    prefix = f"parameters.{family}"
    if _depth(given) > _DEEPEST:
        raise field_error(prefix, f"goes more than {_DEEPEST} levels deep")
    if (count := _count(given)) > _MOST:
        raise field_error(prefix, f"holds {count} values; give at most {_MOST}")
    for name, values in given.items():
        if name not in sections:
            said = f"no node reads this section; there are: {', '.join(sections)}"
            raise field_error(f"{prefix}.{name}", said)
        if not isinstance(values, Mapping):
            said = "must be an object of parameters; leave it out to take the defaults"
            raise field_error(f"{prefix}.{name}", said)
        known = sections[name].model_fields
        unknown = [key for key in values if key not in known]
        if len(unknown) > _TOLD:  # fewer are told with everything else that is wrong
            said = f"there is no such parameter; there are: {', '.join(known)}"
            places = [f"{prefix}.{name}.{key[:_LONGEST_KEY]}" for key in unknown[:_TOLD]]
            details = [ErrorDetail(field=p, message=said, type="invalid_parameter") for p in places]
            raise ApiError(422, f"{len(unknown)} unknown parameters; see details.", details=details)
        for place, mark in operator_only(sections[name], values).items():
            if _at(values, place) is not None:
                said = f"is set by the operator, or by the dataset, as it {mark.reason}"
                where = ".".join([prefix, name, *map(str, place)])
                raise field_error(where, f"{said}; leave it out")
    for name, text in _texts(given):
        problem = _text_problem(text)
        if problem:
            raise field_error(f"{prefix}.{name}", problem)


def with_dataset(
    given: Mapping[str, Any], sections: Sections, family: str, dataset: DatasetChoice
) -> dict[str, Any]:
    """The parameters, completed by the ``data`` section of a dataset.

    Every field of the section is named, so that no value of the environment's own data is left.

    Raises:
        ApiError: 422, the family does not take the dataset.
    """
    if family not in models.dataset_families():
        raise field_error("dataset", f"{family} reads what its catalog names; it takes no dataset")
    if dataset.family != family:
        raise field_error("dataset", f"it is a dataset of {dataset.family}, not of {family}")
    try:
        described = sections["data"].model_validate(dict(dataset.data))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise field_error("dataset", f"its option {where} does not fit: {first['msg']}") from None
    own = given.get("data", {})
    # A client may set the marked ones to null, which would mean the sample.
    own = _without(own, operator_only(sections["data"], own))
    return {**given, "data": _merged(described.model_dump(mode="json"), own)}


def without_sample_settings(
    given: Mapping[str, Any], sections: Sections, configured: Mapping[str, Any]
) -> dict[str, Any]:
    """The parameters with the family's defaults in place of what ``conf/base`` sets for its sample.

    Parameters that neither names stay unset: networks choose the rest of their loop themselves.
    """
    whole = dict(given)
    for section, kind in sections.items():
        if section != "data":
            defaults = _named(kind().model_dump(mode="json"), configured.get(section, {}))
            whole[section] = _merged(defaults, given.get(section, {}))
    return whole


def visible(family: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a job for clients to see, without those that only an operator may set.

    Nothing is visible of a family that is gone: nobody knows which of its parameters are marked.
    """
    sections = sections_of(family)
    return {
        name: _without(values, operator_only(sections[name], values))
        for name, values in parameters.items()
        if name in sections
    }


def _without(value: Any, hidden: Mapping[Place, Any], place: Place = ()) -> Any:
    """A nested value without the places in ``hidden``.

    >>> _without({"file": "/srv/adult", "target": "income"}, {("file",): ""})
    {'target': 'income'}
    """
    if isinstance(value, Mapping):
        return {
            name: _without(item, hidden, (*place, name))
            for name, item in value.items()
            if (*place, name) not in hidden
        }
    if isinstance(value, list):
        kept = [(i, v) for i, v in enumerate(value) if (*place, i) not in hidden]
        return [_without(item, hidden, (*place, index)) for index, item in kept]
    return value


def _at(value: Any, place: Place) -> Any:
    for name in place:
        value = value[name]
    return value


def _named(defaults: Mapping[str, Any], by: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults that ``by`` names too.

    >>> _named({"epochs": 10, "auto": {"folds": 5, "prune": True}}, {"auto": {"folds": 3}})
    {'auto': {'folds': 5}}
    """
    return {
        name: _named(value, by[name])
        if isinstance(value, Mapping) and isinstance(by[name], Mapping)
        else value
        for name, value in defaults.items()
        if name in by
    }


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = _merged(below, value)
        else:
            merged[key] = value
    return merged


def _depth(value: Any) -> int:
    """How many objects and lists lie in one another.

    >>> _depth({"model": {"hidden": [32]}})
    3
    """
    if isinstance(value, Mapping):
        value = list(value.values())
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _count(value: Any) -> int:
    """How many values there are, those of objects and lists included.

    >>> _count({"model": {"hidden": [32, 64]}})
    5
    """
    if isinstance(value, Mapping):
        value = list(value.values())
    return 1 + sum(map(_count, value)) if isinstance(value, list) else 1


def _texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text in nested values, keys too, with the name of its place."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            inner = f"{name}.{key}" if name else str(key)
            yield inner, str(key)
            yield from _texts(item, inner)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{name}.{index}")
    elif isinstance(value, str):
        yield name, value


def _text_problem(text: str) -> str:
    """Why a text cannot stand in a configuration; empty: it can."""
    if "${" in text:
        return "'${' would be replaced when the configuration is read; leave it out"
    if text == "???":
        return "'???' means a missing value in a configuration; leave the field out"
    if not text.replace("\n", "").replace("\t", "").isprintable():
        return "holds characters that cannot be printed"
    return ""
