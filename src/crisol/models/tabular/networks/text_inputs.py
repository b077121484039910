"""Texts as byte-pair tokens, learned from the training rows.

Legend: N rows, T tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from crisol.core.text.byte_pairs import LONGEST_TOKEN, train
from crisol.models.tabular.features.encoded_rows import Features
from crisol.models.tabular.networks.table_inputs import TableInputs

PADDING, BEGIN, NEXT = 0, 1, 2
"""Tokens that are no text: nothing, the begin of a row, the end of one column and begin of the
next."""
_SPECIAL = ["[PADDING]", "[BEGIN]", "[NEXT]"]
COLUMN_BINS = 16


@dataclass(frozen=True)
class TextInputs:
    """Fitted on training rows: the tokens of all text columns of a row, and its other columns.

    Attributes:
        tokenizer: splits texts into tokens.
        longest: T, tokens of a row that are read.
        table: the other columns.
    """

    tokenizer: Tokenizer
    longest: int
    table: TableInputs

    @classmethod
    def fit(cls, features: Features, vocabulary: int, longest: int) -> Self:
        """Learn the most frequent pairs of the training texts; the same texts, the same tokens."""
        tokenizer = train(features.texts.ravel(), vocabulary, _SPECIAL)
        return cls(tokenizer, longest, TableInputs.fit(_without_texts(features), COLUMN_BINS))

    @property
    def size(self) -> int:
        """Tokens there are."""
        return int(self.tokenizer.get_vocab_size())

    def tensors(self, features: Features) -> dict[str, Tensor]:
        """``tokens`` int32 [N, T], beside those of :meth:`TableInputs.tensors`."""
        tokens = np.full((len(features), self.longest), PADDING, np.int32)
        for row, texts in enumerate(features.texts):
            read = self._read(texts)
            tokens[row, : len(read)] = read
        return {
            "tokens": torch.from_numpy(tokens),
            **self.table.tensors(_without_texts(features)),
        }

    def _read(self, texts: NDArray[np.object_]) -> list[int]:
        found: list[int] = []
        for position, text in enumerate(texts):
            found.append(NEXT if position else BEGIN)
            left = self.longest - len(found)
            if left <= 0:
                break
            found += self.tokenizer.encode(text[: LONGEST_TOKEN * left]).ids[:left]
        return found[: self.longest]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """For safetensors."""
        return self.table.arrays()

    def state(self) -> dict[str, Any]:
        """The tokenizer and the longest row, as JSON."""
        return {"tokenizer": self.tokenizer.to_str(), "longest": self.longest}

    @classmethod
    def read(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`arrays` and :meth:`state`."""
        tokenizer = Tokenizer.from_str(state["tokenizer"])
        return cls(tokenizer, state["longest"], TableInputs.read(arrays, ()))


def _without_texts(features: Features) -> Features:
    nothing = np.empty((len(features), 0), object)
    return replace(features, texts=nothing, text_names=())
