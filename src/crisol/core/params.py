"""The base of every parameter section: strict, frozen, no unknown keys."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

TEN_YEARS_S = 3653 * 86_400
_PER_CORE = 4


def cores() -> int:
    """Processor cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def fits_the_machine(count: int) -> int:
    """A number of processes or threads, if this machine has the cores for it.

    Raises:
        ValueError: it is more than four for each core; the message says how many cores there are.
    """
    most = _PER_CORE * cores()
    if count > most:
        raise ValueError(f"{count} is too many for {cores()} cores; give at most {most}")
    return count


# The types below are the upper bounds of numbers. A field adds its own lower bound, which a bound
# of the same kind in the type would replace without a word.
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
"""A seed that numpy and scikit-learn accept."""
Count = Annotated[int, Field(le=2**31 - 1)]
"""Rows, rounds and indices: the integers of LightGBM, XGBoost and SciPy have 32 bits."""
Width = Annotated[int, Field(le=65_536)]
"""One side of a layer or of a dense matrix; two such sides are 16 GiB of float32."""
Float32 = Annotated[float, Field(le=3.4028234663852886e38)]
"""A number that a float32 holds; networks calculate with those."""
Seconds = Annotated[float, Field(le=TEN_YEARS_S)]
Megabytes = Annotated[int, Field(le=16 * 1024**2)]
"""16 TiB, more than any machine has."""
Int64 = Annotated[int, Field(le=2**63 - 1)]
"""Positions and sizes of files, and the integers of databases."""
WorkerCount = Annotated[int, Field(ge=1, le=4096), AfterValidator(fits_the_machine)]
"""Processes that run at once on this machine."""
ThreadCount = WorkerCount
"""Threads that run at once on this machine."""


def _as_list(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Words = Annotated[
    tuple[str, ...],
    Strict(False),
    BeforeValidator(_as_list, json_schema_input_type=tuple[str, ...] | str),
]
"""Words; a YAML list is taken as a tuple, and one word, as a command line gives it, as a list."""


class Params(BaseModel):
    """A typed section of a family's parameters (``data``, ``model`` or ``train``).

    Values are never coerced (``"3"`` is not an integer), unknown keys are refused, and a built
    section cannot be changed. A field that takes a YAML list as a tuple is annotated
    ``Annotated[tuple[...], Strict(False)]``. Every number has a lower and an upper bound, such as
    :data:`Count`.

    >>> class TrainParams(Params):
    ...     epochs: int = 3
    >>> TrainParams(epochs=5).epochs
    5
    >>> TrainParams(epoch=5)
    Traceback (most recent call last):
    ...
    pydantic_core._pydantic_core.ValidationError: 1 validation error for TrainParams
    epoch
      Extra inputs are not permitted [type=extra_forbidden, input_value=5, input_type=int]
    ...
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_default=True
    )


def at_place(error: ValidationError, *place: str, known: str = "") -> ValidationError:
    """The same errors at a deeper place, for a validator that checks a part of its section.

    Args:
        error: of the part.
        place: of the part in the section.
        known: added where a field of the part is unknown.

    >>> class LoopParams(Params):
    ...     epochs: int = 3
    >>> try:
    ...     LoopParams(epochs="three")
    ... except ValidationError as error:
    ...     at_place(error, "by_study", "b").errors()[0]["loc"]
    ('by_study', 'b', 'epochs')
    """
    details = []
    for found in error.errors(include_url=False, include_context=False):
        said = found["msg"]
        if known and found["type"] == "extra_forbidden":
            said = f"{said}; {known}"
        # The text is a value of the template: braces in it mean nothing.
        kind = PydanticCustomError(found["type"], "{said}", {"said": said})
        details.append(
            InitErrorDetails(type=kind, loc=(*place, *found["loc"]), input=found["input"])
        )
    return ValidationError.from_exception_data(error.title, details)


NAMES_A_FILE = "names a file or folder of the machine"
NAMES_AN_ENCODER = "names an encoder that is downloaded or read from the machine"


@dataclass(frozen=True)
class OperatorOnly:
    """Marks a field that only an operator may set, not a client of the platform.

    Write ``Annotated[str | None, OperatorOnly("names a file of the machine")]``: file paths,
    folders, addresses of databases, names of encoders that are loaded from disk or downloaded.

    Attributes:
        reason: completes the sentence "it ..." in the answer to a client that sets it.
    """

    reason: str


@dataclass(frozen=True)
class ChangesTo:
    """Marks a mapping of plain dictionaries whose values replace fields of a section.

    Attributes:
        section: whose fields they are; its marks hold for the dictionaries too. ``None``: the
            section that has the mapping.
    """

    section: type[BaseModel] | None = None


Place = tuple[str | int, ...]
"""The keys and indices that lead to a value in nested mappings and lists."""


def operator_only(section: type[BaseModel], values: Any) -> dict[Place, OperatorOnly]:
    """The values that a section marks with :class:`OperatorOnly`, at any depth.

    Args:
        section: the class that the values are for.
        values: plain mappings and lists, valid or not.

    >>> class DataParams(Params):
    ...     file: Annotated[str | None, OperatorOnly("names a file")] = None
    ...     rows: int = 3
    >>> operator_only(DataParams, {"file": "/etc/passwd", "rows": 4})
    {('file',): OperatorOnly(reason='names a file')}
    """
    return dict(_in_section(section, values, ())) if isinstance(values, Mapping) else {}


def _in_section(
    section: type[BaseModel], values: Mapping[str, Any], place: Place
) -> Iterator[tuple[Place, OperatorOnly]]:
    for name, field in section.model_fields.items():
        if name not in values:
            continue
        here = (*place, name)
        marks = [mark for mark in field.metadata if isinstance(mark, OperatorOnly)]
        if marks:
            yield here, marks[0]
            continue
        yield from _in_value(field.annotation, values[name], here)
        for mark in field.metadata:
            if isinstance(mark, ChangesTo) and isinstance(values[name], Mapping):
                for key, changes in values[name].items():
                    yield from _in_value(mark.section or section, changes, (*here, key))


def _in_value(kind: Any, value: Any, place: Place) -> Iterator[tuple[Place, OperatorOnly]]:
    """The marked places in a value whose annotation is ``kind``."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is None:
        if isinstance(kind, type) and issubclass(kind, BaseModel) and isinstance(value, Mapping):
            yield from _in_section(kind, value, place)
    elif origin is Annotated:
        mark = next((part for part in parts[1:] if isinstance(part, OperatorOnly)), None)
        if mark is not None:
            yield place, mark
        else:
            yield from _in_value(parts[0], value, place)
    elif origin in (Union, UnionType):
        for part in parts:
            yield from _in_value(part, value, place)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _in_value(parts[-1], item, (*place, key))
    elif isinstance(value, list | tuple):
        kinds = [part for part in parts if part is not Ellipsis]
        for index, item in enumerate(value):
            yield from _in_value(kinds[min(index, len(kinds) - 1)], item, (*place, index))
