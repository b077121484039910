"""Encoded rows, which algorithms read: blocks of numbers, codes, texts and pictures.

Shapes: N rows, D numbers, C categories, S texts, V dimensions of all sentence vectors together.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats

MISSING, UNSEEN = 0, 1
"""Codes of a category column: no value; a word that training did not know (or hardly). Known words
begin at 2."""


@dataclass(frozen=True)
class Features:
    """N encoded rows.

    Attributes:
        numbers: float64 [N, D]; NaN where missing. Numbers, booleans (0/1) and what dates are
            taken apart into.
        codes: int32 [N, C]: :data:`MISSING`, :data:`UNSEEN`, or 2 and above.
        texts: [N, S] of str (object); empty where missing.
        images: uint8 [N, H, W, 3], or ``None`` where the table has no picture column.
        number_names: D names; a date's parts are ``column.month`` and the like.
        code_names: C names.
        cardinalities: C sizes: codes lie in [0, size).
        text_names: S names.
        vectors: float32 [N, V], sentence vectors of the texts side by side; ``None``: words alone.
        vector_owners: V names, the text column of each dimension.
    """

    numbers: Floats
    codes: NDArray[np.int32]
    texts: NDArray[np.object_]
    images: NDArray[np.uint8] | None
    number_names: tuple[str, ...]
    code_names: tuple[str, ...]
    cardinalities: tuple[int, ...]
    text_names: tuple[str, ...]
    vectors: NDArray[np.float32] | None = None
    vector_owners: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> "Features":
        """Some of the rows."""
        return replace(
            self,
            numbers=self.numbers[rows],
            codes=self.codes[rows],
            texts=self.texts[rows],
            images=None if self.images is None else self.images[rows],
            vectors=None if self.vectors is None else self.vectors[rows],
        )

    def with_sentences(self, encode: Callable[[list[str]], Floats]) -> "Features":
        """The same rows with the sentence vectors of their texts; ``encode`` reads a column."""
        if not self.text_names:
            return self
        blocks = [encode(column.tolist()) for column in self.texts.T]
        owners = [
            name
            for name, block in zip(self.text_names, blocks, strict=True)
            for _ in range(block.shape[1])
        ]
        vectors = np.concatenate(blocks, axis=1, dtype=np.float32)
        return replace(self, vectors=vectors, vector_owners=tuple(owners))

    @staticmethod
    def stack(parts: "list[Features]") -> "Features":
        """Several in one, in order; they come from one encoder."""
        first = parts[0]
        if len(parts) == 1:
            return first
        images = [p.images for p in parts if p.images is not None]
        vectors = [p.vectors for p in parts if p.vectors is not None]
        return replace(
            first,
            numbers=np.concatenate([p.numbers for p in parts]),
            codes=np.concatenate([p.codes for p in parts]),
            texts=np.concatenate([p.texts for p in parts]),
            images=np.concatenate(images) if images else None,
            vectors=np.concatenate(vectors) if vectors else None,
        )


@dataclass(frozen=True)
class Part:
    """Encoded rows with their targets.

    Attributes:
        features: N rows.
        target: int64 [N] class codes, float64 [N] numbers, or ``None`` (clustering).
    """

    features: Features
    target: NDArray[np.int64] | Floats | None

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Part":
        """Some of the rows."""
        return Part(self.features.take(rows), None if self.target is None else self.target[rows])
