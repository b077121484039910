"""Options as a person writes them: the text of a hint, and names with dots in parameters."""

import json
import shlex
from collections.abc import Mapping
from typing import Any, get_origin

from pydantic import BaseModel

_UNWRITABLE = (",", "=", "[", "]", "${", "\n", "\r")
"""Marks with which ``kedro run --params`` cuts its text, or which it replaces."""


def option(*path: str, value: Any) -> str:
    """A parameter and its value as ``kedro run --params`` takes them, or as YAML.

    Args:
        path: the names that lead to the parameter, the family's first. A name may be a column's,
            with any characters.
        value: the value to be shown.

    Returns:
        ``tabular.data.columns.zip.code.kind=number``, quoted for a shell where that is needed.
        Where a name holds a mark that no command line can, the YAML of a file for ``--config`` or
        ``conf/``; JSON options have the same names.

    >>> print(option("tabular", "data", "columns", "zip.code", "kind", value="number"))
    tabular.data.columns.zip.code.kind=number
    >>> print(option("tabular", "data", "columns", "a,b", "kind", value="number"))
    tabular: {data: {columns: {"a,b": {kind: number}}}}
    """
    written = _scalar(value)
    text = f"{'.'.join(path)}={written}"
    parts = [part for name in path for part in name.split(".")]
    plain = all(part and part == part.strip() for part in parts)
    if plain and not any(mark in name for mark in _UNWRITABLE for name in (*path, written)):
        return shlex.quote(text)
    for name in reversed(path):
        written = f"{{{_scalar(name)}: {written}}}"
    return written[1:-1]


def _scalar(value: Any) -> str:
    """A value as YAML; words that are plain ones have no quotes."""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    word = value.replace("_", "").replace(".", "").replace("-", "")
    first = value[:1].isalpha() and value.lower() not in _YAML_WORDS
    return value if first and word.isalnum() else json.dumps(value, ensure_ascii=False)


_YAML_WORDS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf")


def whole_names(named: Any, section: type[BaseModel] | None) -> Any:
    """A mapping by names of a person's, in which a command line has cut names at their dots.

    Args:
        named: from a name to the fields of ``section``; ``{"zip": {"code": {"kind": "number"}}}``
            becomes ``{"zip.code": {"kind": "number"}}``. Anything else is returned as it is.
        section: whose fields end a name; ``None``: what is no mapping ends one.

    >>> class ColumnParams(BaseModel):
    ...     kind: str
    >>> whole_names({"zip": {"code": {"kind": "number"}, "kind": "text"}}, ColumnParams)
    {'zip': {'kind': 'text'}, 'zip.code': {'kind': 'number'}}
    """
    if not isinstance(named, Mapping):
        return named
    whole: dict[Any, Any] = {}
    for name, values in named.items():
        _add(whole, name, values, section)
    return whole


def _add(whole: dict[Any, Any], name: Any, values: Any, section: type[BaseModel] | None) -> None:
    if not isinstance(values, Mapping):
        whole[name] = values
        return
    own = {}
    if section is not None:
        own = {key: value for key, value in values.items() if _is_field(key, value, section)}
    if own or not values:
        whole[name] = {**whole.get(name, {}), **own}
    for key, value in values.items():
        if key not in own:
            _add(whole, f"{name}.{key}", value, section)


def _is_field(key: Any, value: Any, section: type[BaseModel]) -> bool:
    """Whether a key and its value are a field of a section, and no further part of a name."""
    if not isinstance(value, Mapping):
        return True  # a name ends in a mapping; an unknown field is refused by the section
    field = section.model_fields.get(str(key))
    return field is not None and (
        get_origin(field.annotation) is dict
        or (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel))
    )
