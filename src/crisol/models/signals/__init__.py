"""Sell, hold or buy from 60 OHLCV bars: an LSTM with attention, its risk and its evidence."""

from importlib import import_module
from typing import Any

_WHERE = {
    "DataParams": "params",
    "ModelParams": "params",
    "TrainParams": "params",
    "Predictor": "predictor.SignalsPredictor",
    "SignalsPredictor": "predictor",
    "Request": "contract.PredictionRequest",
    "Response": "contract.PredictionResponse",
    "PredictionRequest": "contract",
    "PredictionResponse": "contract",
    "BatchRequest": "contract",
    "BatchResponse": "contract",
    "OHLCVPoint": "contract",
    "example_request": "contract",
    "fetch": "sources",
    "validate_bars": "validation",
}
__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    """Import the named part when it is first asked for, so that the façade itself costs nothing."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _WHERE[name].partition(".")
    return getattr(import_module(f"{__name__}.{module}"), attribute or name)


def __dir__() -> list[str]:
    return __all__
