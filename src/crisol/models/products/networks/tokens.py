"""Byte-pair encoding of a product's texts, learned from the training products."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from tokenizers import Tokenizer

from crisol.core.text.byte_pairs import LONGEST_TOKEN, train
from crisol.models.products.data.records import ProductRecord

FILE = "tokenizer.json"
TEXTS = ("title", "brand", "attributes", "description")
"""The text fields of a product, in the order in which they are tokenized."""
TITLE, BRAND, ATTRIBUTES, DESCRIPTION = range(len(TEXTS))


class TextTokenizer(Protocol):
    """The interface of a tokenizer of several texts."""

    @property
    def size(self) -> int:
        """The size of the vocabulary."""

    def read(self, texts: Sequence[str], limits: Sequence[int]) -> tuple[list[int], ...]:
        """The tokens of all texts in one row, their fields (positions in ``texts``) and words.

        At most ``limits[i]`` tokens of the i-th text are read.
        """

    def write(self, directory: Path) -> None:
        """Write the tokenizer's files."""

    def digest(self) -> str:
        """A digest that is equal for equal tokenizers."""


def texts_of(record: ProductRecord) -> tuple[str, str, str, str]:
    """The texts of a product in the order of :data:`TEXTS`."""
    attributes = ", ".join(f"{name} {value}" for name, value in record.attributes.items())
    return record.title, record.brand, attributes, record.description


class BytePairs:
    """A trained byte-pair encoding that ignores case and accents."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    @classmethod
    def train(cls, texts: Iterable[str], size: int) -> "BytePairs":
        """Learn the most frequent pairs; the same texts give the same tokens."""
        return cls(train(texts, size))

    @classmethod
    def load(cls, directory: Path) -> "BytePairs":
        """The inverse of :meth:`write`."""
        return cls(Tokenizer.from_file(str(directory / FILE)))

    @property
    def size(self) -> int:
        """The size of the vocabulary."""
        return int(self._tokenizer.get_vocab_size())

    def read(self, texts: Sequence[str], limits: Sequence[int]) -> tuple[list[int], ...]:
        """See :class:`TextTokenizer`."""
        tokens: list[int] = []
        fields: list[int] = []
        words: list[int] = []
        for field, (text, limit) in enumerate(zip(texts, limits, strict=True)):
            if not text or not limit:
                continue
            # A token has at least one byte, so the end of a long text need not be read.
            encoding = self._tokenizer.encode(text[: LONGEST_TOKEN * limit])
            first = words[-1] + 1 if words else 0
            ids = encoding.ids[:limit]
            tokens += ids
            fields += [field] * len(ids)
            words += [first + (word or 0) for word in encoding.word_ids[:limit]]
        return tokens, fields, words

    def write(self, directory: Path) -> None:
        """Write ``tokenizer.json``."""
        self._tokenizer.save(str(directory / FILE))

    def digest(self) -> str:
        """See :class:`TextTokenizer`."""
        return hashlib.sha256(self._tokenizer.to_str().encode()).hexdigest()
