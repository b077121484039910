"""Sell, hold or buy from 60 OHLCV bars: an LSTM with attention, its risk and its evidence."""

from crisol.core.capabilities import Capabilities
from crisol.core.facade import lazy

CAPABILITIES = Capabilities(trains_network=True, retrains=True)

__getattr__, __dir__ = lazy(
    __name__,
    {
        "DataParams": "params",
        "ModelParams": "params",
        "TrainParams": "params",
        "check_sections": "section_checks",
        "Predictor": "predictor:SignalsPredictor",
        "SignalsPredictor": "predictor",
        "Request": "contract:PredictionRequest",
        "Response": "contract:PredictionResponse",
        "PredictionRequest": "contract",
        "PredictionResponse": "contract",
        "BatchRequest": "contract",
        "BatchResponse": "contract",
        "OHLCVPoint": "contract",
        "example_request": "contract",
        "clean": "data.prepare",
        "label": "data.prepare",
        "fit": "training",
        "forecast_baselines": "methods.baselines:forecast",
        "evaluate": "evaluation",
        "fetch": "data.sources",
        "validate_bars": "data.validation",
    },
)
