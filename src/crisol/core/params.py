"""The base of every parameter section: strict, frozen, no unknown keys."""

from pydantic import BaseModel, ConfigDict


class Params(BaseModel):
    """A typed section of a family's parameters (``data``, ``model`` or ``train``).

    Values are never coerced (``"3"`` is not an integer), unknown keys are refused, and a built
    section cannot be changed. A field that takes a YAML list as a tuple is annotated
    ``Annotated[tuple[...], Strict(False)]``.

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
