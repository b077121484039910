"""Sentence vectors of texts by ONNX Runtime.

Texts are sorted by their number of tokens, so that a batch pads little (single precision). An INT8
graph takes the scale of its inputs over the whole batch; it therefore gets one text at a time, and
a vector never depends on the other texts.

Legend: N texts, T tokens, D dimensions.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from crisol.core.arrays import Floats
from crisol.core.backbone_reference import BackboneReference, Precision
from crisol.core.backbones import store
from crisol.core.backbones.graphs import GRAPHS
from crisol.core.backbones.store import Backbone
from crisol.core.onnx_session import cpu_session

BATCH = 32
LONGEST = 256
"""Most tokens of a text, where the backbone names no limit."""


class TextEncoder:
    """Turns texts into vectors of length one.

    Args:
        backbone: of the kind ``text``.
        precision: of the graph.
        threads: processor threads of a call.

    Raises:
        BackboneError: its graph or tokenizer is missing or changed.
    """

    def __init__(self, backbone: Backbone, precision: Precision = "fp32", threads: int = 1) -> None:
        from tokenizers import Tokenizer

        graph = GRAPHS[precision]
        backbone.check(("tokenizer.json", graph))
        self.reference = backbone.reference(precision)
        self._tokenizer: Any = Tokenizer.from_file(str(backbone.folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(_longest(backbone))
        self._session = cpu_session(backbone.folder / graph, threads)
        self._batch = 1 if precision == "int8" else BATCH
        self.dimensions = int(self._session.get_outputs()[0].shape[-1])

    def encode(self, texts: Sequence[str]) -> Floats:
        """[N, D] float32: rows of length one, and of zeros for texts without a character."""
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        there = [row for row, text in enumerate(texts) if text.strip()]
        tokens = self._tokenizer.encode_batch([texts[row] for row in there])
        ids = {row: found.ids for row, found in zip(there, tokens, strict=True)}
        there.sort(key=lambda row: len(ids[row]))
        for start in range(0, len(there), self._batch):
            rows = there[start : start + self._batch]
            vectors[rows] = self._run([ids[row] for row in rows])
        return vectors

    def _run(self, ids: Sequence[Sequence[int]]) -> Floats:
        longest = max(map(len, ids))
        padded = np.zeros((len(ids), longest), np.int64)
        mask = np.zeros((len(ids), longest), np.int64)
        for row, found in enumerate(ids):
            padded[row, : len(found)] = found
            mask[row, : len(found)] = 1
        return np.asarray(self._session.run(None, {"ids": padded, "mask": mask})[0])


@lru_cache(maxsize=4)
def text_encoder(reference: BackboneReference, threads: int = 1) -> TextEncoder:
    """The encoder of a reference; loaded once in a process.

    Raises:
        BackboneError: the backbone is missing, changed, or of another kind.
    """
    return TextEncoder(store.referred(reference), reference.precision, threads)


def _longest(backbone: Backbone) -> int:
    path = backbone.folder / "sentence_bert_config.json"
    if path.is_file():
        said = json.loads(path.read_text(encoding="utf-8")).get("max_seq_length")
        if isinstance(said, int):
            return said
    return LONGEST
