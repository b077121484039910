"""ONNX graphs of a backbone in single precision and INT8, made once when it is fetched.

INT8 weights have a scale for each output channel. The scale of the inputs is taken when the graph
runs, over everything that is in the batch: the reader therefore runs an INT8 graph one text at a
time. Convolutions stay in single precision: ONNX Runtime has no quick dynamic INT8 convolution on
CPUs.

Legend: B texts or pictures, T tokens, D dimensions, S pixels a side.
"""

import json
import logging
import warnings
from pathlib import Path
from typing import Any

from crisol.core.backbones.efficientnet_size import SIZE
from crisol.core.backbones.origins import WeightsError

GRAPHS = {"fp32": "graph.fp32.onnx", "int8": "graph.int8.onnx"}
"""The file of each precision."""


def make_text_graphs(folder: Path) -> None:
    """Export the encoder of a folder, its pooling and its length of one, in both precisions.

    Inputs ``ids`` and ``mask`` [B, T] int64; output ``vector`` [B, D] float32.

    Raises:
        WeightsError: transformers cannot load the encoder, or its pooling is not known.
    """
    import torch

    encoder = _sentence_encoder(folder)
    ids = torch.randint(3, 100, (2, 12))
    mask = torch.ones_like(ids)
    mask[1, 8:] = 0
    rows, tokens = torch.export.Dim("rows"), torch.export.Dim("tokens")
    _export(
        encoder,
        (ids, mask),
        folder / GRAPHS["fp32"],
        ["ids", "mask"],
        ({0: rows, 1: tokens}, {0: rows, 1: tokens}),
    )
    _quantize(folder)


def make_picture_graph(folder: Path) -> None:
    """Export EfficientNet-Lite0: ``pixels`` [B, 3, S, S] float32 (0 to 255), ``vector`` [B, D]."""
    import torch

    from crisol.core.backbones.efficientnet_lite import load_efficientnet

    network = load_efficientnet(folder)
    pixels = torch.randint(0, 255, (2, 3, SIZE, SIZE)).float()
    rows = torch.export.Dim("rows")
    _export(network, (pixels,), folder / GRAPHS["fp32"], ["pixels"], ({0: rows},))


def _export(
    module: Any, example: tuple[Any, ...], path: Path, names: list[str], shapes: tuple[Any, ...]
) -> None:
    import torch

    loud = logging.getLogger("torch.onnx")
    level = loud.level
    loud.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module.eval(), example, path, input_names=names, output_names=["vector"],
                dynamo=True, dynamic_shapes=shapes, external_data=False, verbose=False,
            )  # fmt: skip
    finally:
        loud.setLevel(level)


def _quantize(folder: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # its advice to pre-process does not hold for dynamic weights
    try:
        quantize_dynamic(
            folder / GRAPHS["fp32"], folder / GRAPHS["int8"], per_channel=True,
            weight_type=QuantType.QInt8,
        )  # fmt: skip
    finally:
        root.setLevel(level)


def _pooling(folder: Path) -> str:
    """``mean`` or ``cls``, as the sentence-transformers file of the folder says; else the mean."""
    path = folder / "1_Pooling" / "config.json"
    if not path.is_file():
        return "mean"
    said = json.loads(path.read_text(encoding="utf-8"))
    chosen = [name for name, value in said.items() if name.startswith("pooling_mode_") and value]
    known = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
    if len(chosen) != 1 or chosen[0] not in known:
        raise WeightsError(f"{path}: of the poolings, mean and cls are known; it has {chosen}")
    return known[chosen[0]]


def _sentence_encoder(folder: Path) -> Any:
    """A torch module of ids and mask [B, T] to unit vectors [B, D]."""
    import torch
    import torch.nn.functional as F

    model, cls_token = load_text_model(folder), _pooling(folder) == "cls"

    class Sentence(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
            if cls_token:
                pooled = states[:, 0]
            else:
                weights = mask.unsqueeze(-1).to(states.dtype)
                pooled = (states * weights).sum(1) / weights.sum(1).clamp(min=1)
            return F.normalize(pooled, dim=-1)

    return Sentence()


def load_text_model(folder: Path) -> Any:
    """The transformers encoder of a folder, in evaluation mode; for export and for training.

    Raises:
        WeightsError: transformers cannot load it.
    """
    from transformers import AutoConfig, AutoModel
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        more = {"add_pooling_layer": False} if config.model_type in ("bert", "roberta") else {}
        return AutoModel.from_pretrained(
            folder, local_files_only=True, attn_implementation="eager", **more
        ).eval()
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder} is no encoder that transformers loads: {error}") from error
    finally:
        transformers_logging.set_verbosity(verbosity)
