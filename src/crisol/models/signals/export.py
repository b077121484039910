"""The predictor's network as ONNX, in float32 and with INT8 weights."""

import tempfile
import warnings
from pathlib import Path

import torch

from crisol.models.signals.params import Runtime
from crisol.models.signals.predictor import SignalsPredictor


def export(predictor: SignalsPredictor) -> dict[Runtime, bytes]:
    """The ensemble as ONNX files, by runtime; input ``windows`` [B, T, F], any B."""
    network = predictor.description.network
    example = torch.zeros(2, network.steps, len(network.features))
    with tempfile.TemporaryDirectory() as name:
        plain, small = Path(name) / "model.onnx", Path(name) / "small.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                predictor.ensemble(),
                (example,),
                plain,
                input_names=["windows"],
                output_names=["probabilities"],
                dynamic_axes={"windows": {0: "batch"}, "probabilities": {0: "batch"}},
                dynamo=False,
            )
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(plain, small, weight_type=QuantType.QInt8)
        return {"onnx": plain.read_bytes(), "int8": small.read_bytes()}
