"""A straight line: the smallest real family, for the registry's tests."""

from crisol.core.facade import lazy

__getattr__, __dir__ = lazy(
    __name__,
    {
        "DataParams": "params",
        "ModelParams": "params",
        "TrainParams": "params",
        "Predictor": "predictor:LinePredictor",
        "Request": "contract",
        "Response": "contract",
        "example_request": "contract",
    },
)
