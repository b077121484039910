"""The base of every request and response type."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


class Contract(BaseModel):
    """A request, a response, or a part of one.

    Unknown fields and non-finite numbers are refused (JSON parsers accept ``NaN``; we do not).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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
