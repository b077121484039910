from pydantic import Field

from crisol.core.candidate import GateRule
from crisol.core.params import Params


class DataParams(Params):
    held_out: int = Field(default=40, gt=0)
    gate: GateRule = GateRule(metric="mae", higher_is_better=False, tolerance=0.01)
    names: str = "x,y"


class ModelParams(Params):
    slope_error: float = 0.0
    """Added to the fitted slope, to make a bad model on purpose."""


class TrainParams(Params):
    epochs: int = Field(default=3, gt=0)
    pause_s: float = 0.0
    fail: bool = False
