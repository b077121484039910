"""Histories of users as arrays: the one input of every model of this family.

Legend: B histories, U known users, I items, N events.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

VISITOR = -1
"""The user index of somebody the model was not trained on."""


@dataclass(frozen=True)
class Histories:
    """B histories, each with its oldest event first; an item may occur more than once.

    Attributes:
        starts: [B + 1] int64; history b is ``items[starts[b]:starts[b + 1]]``.
        items: [N] int32, item indices.
        weights: [N] float32, how much an event counts; 1 unless the data says otherwise.
        users: [B] int64, index of the known user, or :data:`VISITOR`.
    """

    starts: NDArray[np.int64]
    items: NDArray[np.int32]
    weights: NDArray[np.float32]
    users: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        items: Sequence[Sequence[int]],
        users: Sequence[int] | None = None,
        weights: Sequence[Sequence[float]] | None = None,
    ) -> Self:
        """Histories from lists of item indices.

        >>> Histories.of([[3, 1], []]).starts.tolist()
        [0, 2, 2]
        """
        sizes = [len(row) for row in items]
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        none = np.zeros(0, np.int32)
        flat = np.concatenate([none, *(np.asarray(row, np.int32) for row in items)])
        known = np.full(len(items), VISITOR) if users is None else np.asarray(users)
        counts = (
            np.ones(len(flat))
            if weights is None
            else np.concatenate([none, *(np.asarray(row, np.float32) for row in weights)])
        )
        return cls(starts, flat.astype(np.int32), counts.astype(np.float32), known.astype(np.int64))

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def sizes(self) -> NDArray[np.int64]:
        """[B] events of each history."""
        return np.diff(self.starts)

    @property
    def rows(self) -> NDArray[np.int64]:
        """[N] the history each event belongs to."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def row(self, index: int) -> NDArray[np.int32]:
        """The items of one history."""
        return self.items[self.starts[index] : self.starts[index + 1]]

    def take(self, rows: NDArray[np.int64] | Sequence[int]) -> "Histories":
        """The histories of these rows, in this order."""
        rows = np.asarray(rows, dtype=np.int64)
        sizes = self.sizes[rows]
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        at = np.arange(starts[-1]) - np.repeat(starts[:-1] - self.starts[rows], sizes)
        return Histories(starts, self.items[at], self.weights[at], self.users[rows])

    def batches(self, size: int) -> Iterator["Histories"]:
        """The histories in order, at most ``size`` at once."""
        for start in range(0, len(self), size):
            yield self.take(np.arange(start, min(start + size, len(self))))

    def matrix(self, item_count: int) -> csr_matrix:
        """[B, I] float32: the largest weight a history gives an item; columns sorted."""
        matrix = csr_matrix(
            (self.weights, self.items, self.starts),
            shape=(len(self), item_count),
            dtype=np.float32,
            copy=True,  # sorted in place below
        )
        matrix.sort_indices()
        again = np.zeros(len(matrix.indices), dtype=bool)
        again[1:] = matrix.indices[1:] == matrix.indices[:-1]
        again[self.starts[:-1][self.sizes > 0]] = False
        if again.any():
            first = np.flatnonzero(~again)
            matrix = csr_matrix(
                (
                    np.maximum.reduceat(matrix.data, first),
                    matrix.indices[first],
                    np.searchsorted(first, matrix.indptr),
                ),
                shape=matrix.shape,
            )
        return matrix


@dataclass(frozen=True)
class Interactions:
    """The known users' histories that a model learns from; history u is that of user u.

    Attributes:
        histories: U histories with ``users`` = 0 … U - 1.
        item_count: I, which may be more than the items that occur.
    """

    histories: Histories
    item_count: int

    @property
    def user_count(self) -> int:
        """U."""
        return len(self.histories)

    @cached_property
    def matrix(self) -> csr_matrix:
        """[U, I] float32, see :meth:`Histories.matrix`."""
        return self.histories.matrix(self.item_count)

    @cached_property
    def item_counts(self) -> NDArray[np.int64]:
        """[I] users that had each item."""
        return np.bincount(self.matrix.indices, minlength=self.item_count)
