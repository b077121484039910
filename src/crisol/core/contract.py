"""The base of every request and response type."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Contract(BaseModel):
    """A request, a response, or a part of one.

    Unknown fields and non-finite numbers are refused (JSON parsers accept ``NaN``; we do not).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


_CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_NOT_STORABLE = re.compile(rf"[{_CONTROL}\ud800-\udfff]")


def _storable(text: str) -> str:
    wrong = _NOT_STORABLE.search(text)
    if wrong is not None:
        raise ValueError(f"holds U+{ord(wrong[0]):04X}, which cannot be stored; leave it out")
    return text


StoreText = Annotated[
    str,
    AfterValidator(_storable),
    Field(json_schema_extra={"pattern": rf"^[^{_CONTROL}]*$"}),
]
"""A text that goes into a database: no control characters but line ends and tabs (PostgreSQL stores
no NUL), no half of a surrogate pair."""


@dataclass(frozen=True)
class ModelContract:
    """The contract of one model, where it depends on the data and not on the family alone.

    Attributes:
        request: the type of a request's body.
        response: the type of the answer.
        example: makes a valid request.
    """

    request: type[BaseModel]
    response: type[BaseModel]
    example: Callable[[], BaseModel]
