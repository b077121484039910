"""The served network as ONNX: in float32, and with weights quantised to INT8 at load time."""

import logging
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch

from crisol.models.signals.network_params import Runtime
from crisol.models.signals.networks.ensemble import Ensemble
from crisol.models.signals.networks.runners import ONNX_FILES, onnx_runner, torch_runner

PARITY = 1e-5
"""Largest difference of a probability between torch and its float32 ONNX form."""
_OPSET = 17


class ExportError(RuntimeError):
    """An exported network that does not answer as the one it was made from."""


def export(ensemble: Ensemble, seed: int = 0) -> dict[Runtime, bytes]:
    """The ensemble as ONNX files, by runtime; input ``windows`` [B, T, F], any B.

    Raises:
        ExportError: the float32 form differs from torch by more than :data:`PARITY`.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    network = ensemble.params
    x = np.random.default_rng(seed).normal(size=(7, network.steps, len(network.features)))
    windows = x.astype(np.float32)
    with tempfile.TemporaryDirectory() as name:
        plain, small = (Path(name) / file for file in ONNX_FILES.values())
        with warnings.catch_warnings():
            # The TorchScript exporter is deprecated but keeps the LSTM one operator; the newer one
            # fixes the batch size of the initial state.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                ensemble,
                (torch.from_numpy(windows),),
                plain,
                input_names=["windows"],
                output_names=["probabilities"],
                dynamic_axes={"windows": {0: "batch"}, "probabilities": {0: "batch"}},
                opset_version=_OPSET,
                dynamo=False,
            )
        # onnxruntime announces on the root logger what it does not quantise; that is expected.
        root, level = logging.getLogger(), logging.getLogger().level
        root.setLevel(logging.ERROR)
        try:
            quantize_dynamic(plain, small, weight_type=QuantType.QInt8)
        finally:
            root.setLevel(level)
        exported: dict[Runtime, bytes] = {"onnx": plain.read_bytes(), "int8": small.read_bytes()}
    difference = np.abs(
        onnx_runner(exported["onnx"])(windows) - torch_runner(ensemble)(windows)
    ).max()
    if difference > PARITY:
        raise ExportError(
            f"the exported network differs from torch by {difference:.1e}, more than {PARITY:.0e}"
        )
    return exported
