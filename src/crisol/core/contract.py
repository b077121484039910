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
    """What one model takes and answers, where its data decide that and not its family alone.

    Attributes:
        request: the body of a question.
        response: the answer.
        example: makes a request that the model answers.
    """

    request: type[BaseModel]
    response: type[BaseModel]
    example: Callable[[], BaseModel]
