"""The base of every request and response type."""

from pydantic import BaseModel, ConfigDict


class Contract(BaseModel):
    """A request, a response, or a part of one.

    Unknown fields and non-finite numbers are refused (JSON parsers accept ``NaN``; we do not).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
