"""The parameters of the network. Light: a served predictor reads them without training code."""

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, Strict, model_validator

from crisol.core.params import Float32, Params
from crisol.models.signals.features import NAMES
from crisol.models.signals.window_inputs import ALL_NAMES, FEATURE_SETS

Names = Annotated[tuple[str, ...], Strict(False)]
Architecture = Literal["attention_lstm", "alstm"]
Layer = Literal["lstm_0", "lstm_1", "attention", "head"]
Runtime = Literal["torch", "onnx", "int8"]
RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)
LAYERS: tuple[Layer, ...] = ("lstm_0", "lstm_1", "attention", "head")
"""Parts of the network that transfer learning may freeze."""


def _names_of_set(given: Any) -> Any:
    """The names of a set; anything else as it is."""
    return FEATURE_SETS.get(given, (given,)) if isinstance(given, str) else given


FeatureNames = Annotated[Names, BeforeValidator(_names_of_set)]


class NetworkParams(Params):
    """The LSTM: its inputs from the 60 bars and its size."""

    architecture: Architecture = "attention_lstm"
    """``attention_lstm``: two layers. ``alstm``: the small network of Feng et al., a tanh map and
    one layer, for few instruments with daily bars."""
    features: FeatureNames = NAMES
    """Names from :data:`crisol.models.signals.window_inputs.ALL_NAMES`, or the name of a set:
    ``stationary`` (the default) or ``percent``."""
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
        unknown = sorted(set(self.features) - set(ALL_NAMES))
        if unknown or not self.features or len(set(self.features)) != len(self.features):
            raise ValueError(
                f"features must be different names out of: {', '.join(ALL_NAMES)}; or the set "
                + " or ".join(FEATURE_SETS)
                + (f"; unknown: {', '.join(unknown)}" if unknown else "")
            )
        return self

    @model_validator(mode="after")
    def _check_architecture(self) -> Self:
        if self.architecture == "alstm" and self.newest_bar_path is not None:
            raise ValueError(
                "newest_bar_path is a part of architecture attention_lstm; for alstm set it to null"
            )
        return self
