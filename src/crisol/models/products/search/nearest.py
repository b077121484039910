"""Nearest vectors by cosine: exactly, block by block, or through a graph that is asked first.

The graph is usearch's HNSW (Malkov and Yashunin, arXiv:1603.09320) over vectors of one byte a
component. It only proposes: what it finds is compared again with the vectors as they are, so the
similarities are exact and only a product that was never proposed can be missing.

Legend: N vectors, Q queries, D dimensions, K found.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats

Rows = NDArray[np.int64]

BLOCK = 2_048
"""Vectors compared at once: 2 MB of them at 256 dimensions, which a processor keeps at hand."""
NEAR, MOST_NEAR = 1e-6, 1_000
"""Cosines this far apart are ordered in double precision, unless there are more of them than that:
a catalogue can hold one product a thousand times."""
CONNECTIONS, EFFORT_OF_BUILDING, EFFORT_OF_ASKING = 32, 128, 1024
"""How many neighbours a vector is connected with, and how many are looked at while the graph is
built and asked. Measured on a million hard vectors, asking 256, 512 and 1,024: recall@10 .961, .978
and .983 in 2, 3 and 5 ms of processor time."""
PROPOSED = 4
"""So many times more than asked for are proposed by the graph, at least :data:`FEWEST`: bytes order
neighbours less finely than floats. Measured in ``benchmarks/search.py``."""
FEWEST = 64


def ranked(
    vectors_ND: Floats, rows: Rows, query_D: Floats, k: int
) -> tuple[Rows, NDArray[np.float32]]:
    """The ``k`` nearest among candidate ``rows``, best first; ties in the order of the rows.

    The products are summed in double precision, vector by vector, so that a query gets the same
    bits alone and among others.
    """
    candidates = vectors_ND[rows].astype(np.float64)
    cosines = np.einsum("nd,d->n", candidates, query_D.astype(np.float64)).astype(np.float32)
    best = np.lexsort((rows, -cosines))[:k]
    return rows[best], cosines[best]


def exact(
    vectors_ND: Floats, queries_QD: Floats, k: int, rows: Rows | None = None
) -> list[tuple[Rows, NDArray[np.float32]]]:
    """The ``k`` nearest of every query, all vectors compared.

    Args:
        vectors_ND: of length 1; may be mapped from a file.
        queries_QD: of length 1.
        k: fewer are found where there are fewer.
        rows: compare these alone.
    """
    count = len(vectors_ND) if rows is None else len(rows)
    kept = [(np.empty(0, np.int64), np.empty(0, np.float32)) for _ in queries_QD]
    for start in range(0, count, BLOCK):
        stop = min(start + BLOCK, count)
        places = np.arange(start, stop) if rows is None else rows[start:stop]
        block = vectors_ND[start:stop] if rows is None else vectors_ND[places]
        for number, cosines in enumerate(queries_QD @ block.T):
            best = _largest(cosines, k)
            before, theirs = kept[number]
            kept[number] = np.append(before, places[best]), np.append(theirs, cosines[best])
    # One cut at the end of the blocks' best costs less than one after each.
    found = [places[_largest(cosines, k)] for places, cosines in kept]
    return [ranked(vectors_ND, f, q, k) for f, q in zip(found, queries_QD, strict=True)]


def _largest(values: Floats, count: int) -> NDArray[np.intp]:
    """Places of the largest values and of those hardly smaller than the last of them."""
    if len(values) <= count:
        return np.arange(len(values))
    last = np.partition(values, len(values) - count)[-count]
    found = np.flatnonzero(values >= last - NEAR)
    if len(found) <= count + MOST_NEAR:
        return found
    above = values[found] > last + NEAR
    return np.append(found[above], found[~above][: count + MOST_NEAR])


class Graph:
    """A graph over N vectors that proposes neighbours. Reading it is safe from several threads."""

    def __init__(self, index: Any) -> None:
        self._index = index

    @classmethod
    def build(cls, vectors_ND: Floats) -> "Graph":
        """Add every vector, in their order."""
        from usearch.index import Index

        index = Index(
            ndim=vectors_ND.shape[1],
            metric="cos",
            dtype="i8",
            connectivity=CONNECTIONS,
            expansion_add=EFFORT_OF_BUILDING,
            expansion_search=EFFORT_OF_ASKING,
        )
        for start in range(0, len(vectors_ND), BLOCK):
            block = np.ascontiguousarray(vectors_ND[start : start + BLOCK])
            # One thread: the graph depends on the order in which vectors come.
            index.add(np.arange(start, start + len(block), dtype=np.uint64), block, threads=1)
        return cls(index)

    @classmethod
    def view(cls, path: Path) -> "Graph":
        """The graph that :meth:`save` wrote, mapped and not read."""
        from usearch.index import Index

        return cls(Index.restore(str(path), view=True, expansion_search=EFFORT_OF_ASKING))

    def __len__(self) -> int:
        return len(self._index)

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return int(self._index.memory_usage)

    def save(self, path: Path) -> None:
        """Write one file."""
        self._index.save(str(path))

    def proposed(self, query_D: Floats, count: int) -> Rows:
        """At most ``count`` rows that are near, in no promised order."""
        matches = self._index.search(query_D, min(count, len(self)), threads=1)
        return np.asarray(matches.keys, np.int64)


def proposals(k: int) -> int:
    """How many rows to have proposed for ``k`` that are exactly ranked."""
    return max(FEWEST, PROPOSED * k)


def unit_vectors(vectors: Floats | Sequence[Sequence[float]]) -> NDArray[np.float32]:
    """Vectors [..., D] at length 1.

    Raises:
        ValueError: one has no direction: it is zero or not finite.
    """
    found = np.asarray(vectors, np.float32)
    lengths = np.sqrt(np.einsum("...d,...d->...", found, found, dtype=np.float64))
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise ValueError("a vector of length zero, or with a value that is no number")
    normal: NDArray[np.float32] = found * (1 / lengths).astype(np.float32)[..., None]
    return normal
