"""Sessions of ONNX Runtime on the CPU, all with the same options."""

from pathlib import Path
from typing import Any


def cpu_session(graph: bytes | Path, threads: int = 1) -> Any:
    """An ``onnxruntime.InferenceSession``.

    Args:
        graph: the content of an ONNX file, or its path.
        threads: processor threads of a call.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
