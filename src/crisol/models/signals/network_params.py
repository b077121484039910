"""The parameters of the network. Light: a served predictor reads them without training code."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, Strict, model_validator

from crisol.core.params import Float32, Params
from crisol.models.signals.features import NAMES

Names = Annotated[tuple[str, ...], Strict(False)]
Layer = Literal["lstm_0", "lstm_1", "attention", "head"]
Runtime = Literal["torch", "onnx", "int8"]
RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)
LAYERS: tuple[Layer, ...] = ("lstm_0", "lstm_1", "attention", "head")
"""Parts of the network that transfer learning may freeze."""


class NetworkParams(Params):
    """The LSTM: its inputs from the 60 bars and its size."""

    features: Names = NAMES
    """Names from :data:`crisol.models.signals.features.NAMES`."""
    steps: int = Field(default=60, ge=2, le=60)
    """Number of the newest bars of the window that the recurrence reads."""
    hidden: int = Field(default=128, ge=2, le=1024)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    input_clip: Float32 = Field(default=4.0, gt=0)
    """Normalised inputs are cut at this many standard deviations."""
    newest_bar_path: int | None = Field(default=None, ge=1, le=1024)
    """Let the heads also see the newest step directly, through a linear map that starts at zero
    and a layer of this width."""

    @model_validator(mode="after")
    def _check_features(self) -> Self:
        unknown = sorted(set(self.features) - set(NAMES))
        if unknown or not self.features or len(set(self.features)) != len(self.features):
            raise ValueError(
                f"features must be different names out of: {', '.join(NAMES)}"
                + (f"; unknown: {', '.join(unknown)}" if unknown else "")
            )
        return self
