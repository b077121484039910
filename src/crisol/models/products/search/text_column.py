"""A column of texts in two arrays, so that a million titles can be mapped from a file."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


class TextColumn:
    """N texts, decoded on access.

    Args:
        data: [B] uint8, the concatenated texts in UTF-8.
        starts: [N + 1] int64, the start of each text; the last is B.

    >>> titles = TextColumn.of(["Watch", "", "Käse"])
    >>> titles[2], len(titles), list(titles)
    ('Käse', 3, ['Watch', '', 'Käse'])
    """

    def __init__(self, data: NDArray[np.uint8], starts: NDArray[np.int64]) -> None:
        self.data, self.starts = data, starts

    @classmethod
    def of(cls, texts: Iterable[str]) -> "TextColumn":
        """The column of texts, in their order."""
        encoded = [text.encode() for text in texts]
        starts = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(text) for text in encoded], out=starts[1:])
        return cls(np.frombuffer(b"".join(encoded), np.uint8), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, row: int) -> str:
        if not 0 <= row < len(self):
            raise IndexError(row)
        return self.data[self.starts[row] : self.starts[row + 1]].tobytes().decode()

    def __iter__(self) -> Iterator[str]:
        everything = self.data.tobytes()
        starts = self.starts.tolist()
        for start, end in pairwise(starts):
            yield everything[start:end].decode()
