"""The sentence about one wrong parameter: its path, the broken rule, and how to write it right.

The same for every family and section, in ``kedro run`` and in the answers of the platform.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from reprlib import Repr
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

_WRITE = {
    "int_type": "a whole number, such as 3",
    "float_type": "a number, such as 0.5",
    "bool_type": "true or false",
    "tuple_type": "a list, such as [a]; several items in a file, as a comma ends it in --params",
    "list_type": "a list, such as [a]; several items in a file, as a comma ends it in --params",
}
"""The form of a value by pydantic's kind of error."""
_MOST_PLACES = 3


def sentence(key: str, kind: type[BaseModel], value: Any, detail: Mapping[str, Any]) -> str:
    """One error of a section.

    Args:
        key: of the section, such as ``signals.train``.
        kind: its class.
        value: everything that was given for the section.
        detail: pydantic's description of the error.
    """
    notes = []
    given = detail["input"]
    if not isinstance(given, Mapping | Sequence) or isinstance(given, str):
        notes.append(f"given: {_short(given)}")
    wanted = _write(detail["type"], given)
    if wanted:
        notes.append(wanted)
    if detail["type"] == "extra_forbidden":
        notes += _instead(key, kind, detail["loc"])
    said = str(detail["msg"]).removeprefix("Value error, ")
    return f"{path(key, value, detail['loc'])}: {said}" + (
        f" ({'; '.join(notes)})" if notes else ""
    )


def path(key: str, value: Any, location: Sequence[str | int]) -> str:
    """The path of a parameter as ``--params`` takes it.

    Pydantic's location also names the member of a union that it tried, which is no part of it.

    >>> studies = {"studies": [{"split": {"kind": "random", "share": "x"}}]}
    >>> path("iris.data", studies, ("studies", 0, "split", "random", "share"))
    'iris.data.studies.0.split.share'
    """
    parts = [key]
    for index, step in enumerate(location):
        last = index == len(location) - 1
        if isinstance(value, Mapping) and (step in value or last):
            parts.append(str(step))
            value = value.get(step)
        elif isinstance(value, list | tuple) and isinstance(step, int) and step < len(value):
            parts.append(str(step))
            value = value[step]
    return ".".join(parts)


def places(key: str, kind: type[BaseModel], name: str) -> list[str]:
    """The paths of the parameters of that name in a section, at any depth.

    >>> class LoopParams(BaseModel):
    ...     epochs: int = 3
    >>> class TrainParams(BaseModel):
    ...     attention: LoopParams = LoopParams()
    >>> places("recommender.train", TrainParams, "epochs")
    ['recommender.train.attention.epochs']
    """
    found = []
    for field, described in kind.model_fields.items():
        if field == name:
            found.append(f"{key}.{field}")
        for part in _sections_in(described.annotation):
            found += places(f"{key}.{field}", part, name)
    return list(dict.fromkeys(found))


def did_you_mean(found: Sequence[str]) -> str:
    """A note that names the paths that were perhaps meant."""
    return f"did you mean {' or '.join(found[:_MOST_PLACES])}?"


def _instead(key: str, kind: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """What else the unknown parameter may have been meant to be."""
    notes = []
    found = places(key, kind, str(location[-1]))
    if len(location) == 1:
        near = get_close_matches(str(location[0]), kind.model_fields, n=1)
        found = found or [f"{key}.{name}" for name in near]
        notes.append(f"known here: {', '.join(kind.model_fields)}")
    return [did_you_mean(found), *notes] if found else notes


def _write(error: str, given: Any) -> str:
    """How to write the value that was meant."""
    if error in ("int_type", "float_type") and isinstance(given, str):
        try:
            float(given)
        except ValueError:
            return f"write {_WRITE[error]}"
        return f"write it without quotes: {given}"
    if error == "int_type" and isinstance(given, float) and given.is_integer():
        return f"write {int(given)}"
    if error == "string_type" and isinstance(given, int | float) and not isinstance(given, bool):
        return f"""write '"{given}"', or ./{given} for a file: this looks like a number"""
    return f"write {_WRITE[error]}" if error in _WRITE else ""


def _sections_in(annotation: Any) -> list[type[BaseModel]]:
    """The sections of a field, which may be a union; items of lists have no name of their own."""
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else [annotation]
    return [m for m in members if isinstance(m, type) and issubclass(m, BaseModel)]


def _short(value: Any) -> str:
    shortened = Repr()
    shortened.maxstring = shortened.maxother = 200
    try:
        return shortened.repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return "a very long integer"
