"""Training state on disk: one file a training run, replaced in one step, safetensors and JSON only.

A training run is one call of :func:`crisol.core.training.loop.train`, known by its label. Its file
holds the tensors; the safetensors header holds everything else as JSON, so that there is no moment
at which the two disagree.
"""

import hashlib
import json
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from crisol.core.files import remove_scratch, replacing_file

FORMAT = 2
_SAFETENSORS_SCRATCH = ".tmp??????"
"""The file that safetensors writes before it renames; a kill may leave one behind."""

logger = logging.getLogger(__name__)


def fingerprint(**parts: Any) -> str:
    """SHA-256 (hex) of everything that decides the result of a training.

    Parts are JSON values, arrays, tensors, paths and pydantic models, also nested; of files give
    the digests. Their order does not matter.

    Raises:
        TypeError: a part that is none of these.

    >>> fingerprint(seed=1, data="ab") == fingerprint(data="ab", seed=1) != fingerprint(seed=2)
    True
    """
    text = json.dumps(parts, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        if value.dtype == torch.bfloat16:  # which NumPy does not know
            return {"bfloat16": _plain(value.float())}
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biufcmM":
            return value.tolist()  # the bytes of Python objects are their addresses
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return [value.dtype.str, list(value.shape), digest]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"fingerprint: a {type(value)} has no plain form; give its digest")


class Checkpoint:
    """The file of one training run in a checkpoint folder."""

    def __init__(self, folder: Path, label: str) -> None:
        readable = re.sub(r"[^A-Za-z0-9._-]+", "-", label).strip("-.") or "run"
        # Two labels may read the same once cleaned; the digest keeps them apart.
        digest = hashlib.sha256(label.encode()).hexdigest()[:8]
        self.path = folder / f"{readable}-{digest}.safetensors"
        self._label = label

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the file by ``state``: nested dicts and lists of tensors and JSON values."""
        tensors: dict[str, Tensor] = {}
        header = json.dumps({"format": FORMAT, "state": _split(state, tensors, "")})
        with replacing_file(self.path, fsync=True) as scratch:
            save_file(tensors, scratch, metadata={"crisol": header})

    def load(self, expected_fingerprint: str) -> dict[str, Any] | None:
        """The saved state, or ``None`` when there is none that belongs to this training run.

        A file of another fingerprint, or that is damaged, is deleted and a log line says so.
        """
        remove_scratch(self.path)
        for leftover in self.path.parent.glob(_SAFETENSORS_SCRATCH):
            leftover.unlink(missing_ok=True)
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                header = json.loads((file.metadata() or {})["crisol"])
                tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, KeyError, json.JSONDecodeError) as error:
            self._discard(f"it cannot be read ({error})")
            return None
        if header.get("format") != FORMAT:
            self._discard(f"its format is {header.get('format')!r}, not {FORMAT}")
            return None
        state: dict[str, Any] = _join(header["state"], tensors)
        if state.get("fingerprint") != expected_fingerprint:
            self._discard("it belongs to other parameters, data or network")
            return None
        return state

    def _discard(self, reason: str) -> None:
        logger.warning(
            "%s: checkpoint %s is discarded, %s; training starts again",
            self._label or "training",
            self.path.name,
            reason,
        )
        self.path.unlink(missing_ok=True)


def clear(folder: Path | str | None) -> None:
    """Remove the checkpoints of a folder, once everything they protected has been saved.

    Other files in the folder stay. Under several processes only the first one removes.
    """
    if folder is None or int(os.environ.get("RANK", "0")) != 0:
        return
    patterns = ("*-????????.safetensors", ".*-????????.safetensors.*.tmp", _SAFETENSORS_SCRATCH)
    for pattern in patterns:
        for path in Path(folder).glob(pattern):
            path.unlink(missing_ok=True)


def _split(node: Any, tensors: dict[str, Tensor], path: str) -> Any:
    """``node`` as JSON, its tensors moved to ``tensors`` under the path they had."""
    if isinstance(node, Tensor):
        # A copy: weights that are tied share memory, which safetensors refuses.
        tensors[path] = node.detach().to("cpu", copy=True).contiguous()
        return {"$tensor": path}
    if isinstance(node, Mapping):
        items = [[key, _split(value, tensors, f"{path}/{key}")] for key, value in node.items()]
        # Optimiser states have integer keys, which JSON objects cannot hold.
        return dict(items) if all(isinstance(key, str) for key in node) else {"$items": items}
    if isinstance(node, list | tuple):
        parts = [_split(value, tensors, f"{path}/{index}") for index, value in enumerate(node)]
        return parts if isinstance(node, list) else {"$tuple": parts}
    if node is None or isinstance(node, bool | int | float | str):
        return node
    raise TypeError(f"checkpoint: {path} is a {type(node)}, which JSON cannot hold")


def _join(node: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The inverse of :func:`_split`."""
    if isinstance(node, list):
        return [_join(value, tensors) for value in node]
    if not isinstance(node, dict):
        return node
    if "$tensor" in node:
        return tensors[node["$tensor"]]
    if "$items" in node:
        return {key: _join(value, tensors) for key, value in node["$items"]}
    if "$tuple" in node:
        return tuple(_join(value, tensors) for value in node["$tuple"])
    return {key: _join(value, tensors) for key, value in node.items()}


def describe_network(network: torch.nn.Module) -> dict[str, list[Any]]:
    """Name, shape and trainability of every weight, which a checkpoint must match."""
    described: dict[str, list[Any]] = {
        name: [list(tensor.shape), str(tensor.dtype)]
        for name, tensor in network.state_dict().items()
    }
    for name, parameter in network.named_parameters():
        described.setdefault(name, []).append(parameter.requires_grad)
    return described
