"""Running the network: by torch, or by ONNX Runtime on the CPU; each is imported when it is used.

Legend: B windows, T steps, F features, C = 3 classes.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from crisol.core.onnx_session import cpu_session
from crisol.models.signals.network_params import Runtime

if TYPE_CHECKING:
    from crisol.models.signals.networks.ensemble import Ensemble

ONNX_FILES: dict[Runtime, str] = {"onnx": "model.onnx", "int8": "model.int8.onnx"}

Run = Callable[[np.ndarray], np.ndarray]
"""float32 windows [B, T, F] to float64 probabilities [B, C]."""


def torch_runner(ensemble: "Ensemble") -> Run:
    """Runs the members with torch."""
    import torch

    def run(windows_BTF: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            probabilities: np.ndarray = ensemble(torch.from_numpy(windows_BTF)).double().numpy()
        return probabilities

    return run


def onnx_runner(content: bytes, *, one_by_one: bool = False) -> Run:
    """Runs an exported network with ONNX Runtime, on one thread.

    Args:
        content: of the ONNX file.
        one_by_one: run the windows of a batch one after the other. Dynamic quantisation takes its
            scale from the whole batch, and an answer must not depend on who else is asking.
    """
    session = cpu_session(content)

    def run(windows_BTF: np.ndarray) -> np.ndarray:
        probabilities: np.ndarray = session.run(None, {"windows": windows_BTF})[0]
        return probabilities.astype(np.float64)

    def run_one_by_one(windows_BTF: np.ndarray) -> np.ndarray:
        return np.concatenate([run(window[None]) for window in windows_BTF])

    return run_one_by_one if one_by_one else run
