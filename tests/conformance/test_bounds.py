"""Every number that somebody else writes has a lower and an upper bound, in every family and room.

Without one a seed of 400 digits reaches a library that takes 32 bits, and 100,000 workers start.
"""

import importlib
import sys
from collections import Counter
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from tests.conformance.families import FAMILIES

from crisol.core.params import Params
from crisol.platform import app as platform_app
from crisol.platform.jobs.job import JobRequest
from crisol.platform.settings import PlatformSettings
from crisol.serving.http.config import EnvironmentSettings, Settings

LOADED = [
    platform_app,
    *(
        importlib.import_module(f"crisol.models.{family.name}.{part}")
        for family in FAMILIES
        for part in ("params", "contract")
    ),
]
"""Importing them defines every section, contract and setting that there is."""
RECORDS = ("Report", "DatasetProfile", "Description", "Schema", "Column", "Capabilities", "Store")
"""Sections that we write ourselves, and read back."""
ASKED = ("Request", "Query", "Change")
"""How classes end that are read from a request; answers are made by us."""


def below(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for child in kind.__subclasses__():
        yield child
        yield from below(child)


WRITTEN_BY_OTHERS = sorted(
    {
        kind
        for kind in below(BaseModel)
        if kind.__module__.startswith("crisol.")
        # Not the contract that another test has made for its own table.
        and getattr(sys.modules[kind.__module__], kind.__name__, None) is kind
        and (
            (issubclass(kind, Params | EnvironmentSettings) and kind.__name__ not in RECORDS)
            or kind.__name__.endswith(ASKED)
        )
    },
    key=lambda kind: f"{kind.__module__}.{kind.__qualname__}",
)


def numbers(schema: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every number in a schema of pydantic, however deep, with the path of its field."""
    if isinstance(schema, dict):
        if schema.get("type") in ("int", "float"):
            yield place, schema
        elif "JsonValue" in str(schema.get("ref")):  # of job parameters: their section checks them
            return
        for key, value in schema.items():
            if key == "fields" and isinstance(value, dict):
                for name, field in value.items():
                    yield from numbers(field, f"{place}.{name}")
            else:
                yield from numbers(value, place)
    elif isinstance(schema, list | tuple):
        for value in schema:
            yield from numbers(value, place)


def test_the_classes_are_found() -> None:
    own = {f"{f.name}: {kind.__name__}" for f in FAMILIES for kind in WRITTEN_BY_OTHERS
           if kind.__module__.startswith(f"crisol.models.{f.name}.")}  # fmt: skip
    assert {f"{f.name}: {s}Params" for f in FAMILIES for s in ("Data", "Model", "Train")} <= own
    assert {Settings, PlatformSettings, JobRequest} <= set(WRITTEN_BY_OTHERS)


@pytest.mark.parametrize("kind", WRITTEN_BY_OTHERS, ids=lambda kind: kind.__qualname__)
def test_numbers_have_bounds(kind: type[BaseModel]) -> None:
    endless = [
        place
        for place, number in numbers(kind.__pydantic_core_schema__, kind.__name__)
        if number.get("allow_inf_nan") is not False  # written at the field: any float64 will do
        and not (number.keys() & {"ge", "gt"} and number.keys() & {"le", "lt"})
    ]
    assert not endless


def bounds(kind: Any) -> Iterator[type]:
    """The kinds of bounds in an annotation, however deep."""
    for mark in getattr(kind, "__metadata__", ()):
        yield from map(type, getattr(mark, "metadata", [mark]))
    if get_origin(kind) in (Annotated, Union, UnionType):
        for part in get_args(kind)[: 1 if get_origin(kind) is Annotated else None]:
            yield from bounds(part)


@pytest.mark.parametrize("kind", WRITTEN_BY_OTHERS, ids=lambda kind: kind.__qualname__)
def test_no_bound_of_a_field_is_lost(kind: type[BaseModel]) -> None:
    """Of two bounds of one kind pydantic keeps the type's, and drops the field's."""
    for name, field in kind.model_fields.items():
        found = Counter([*map(type, field.metadata), *bounds(field.annotation)])
        assert not [mark for mark in (Ge, Gt, Le, Lt) if found[mark] > 1], name
