"""Nearest vectors by cosine: exactly, in blocks, or among the candidates of a graph.

The graph is usearch's HNSW (Malkov and Yashunin, arXiv:1603.09320) over vectors of one byte a
component. It only proposes candidates, which are compared again with the full vectors: the
similarities are exact, and only a product that was not proposed can be missing.

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
"""Vectors compared at once: 2 MB at 256 dimensions, which fits into a processor's cache."""
NEAR, MOST_NEAR = 1e-6, 1_000
"""Cosines that differ by less are ordered in double precision, up to a number of them, because a
catalogue can hold one product a thousand times."""
CONNECTIVITY, EXPANSION_ADD, EXPANSION_SEARCH = 32, 128, 1024
"""Parameters of usearch: neighbours per vector, candidates when the graph is built and searched.
Measured on a million hard vectors with 256, 512 and 1,024 candidates in a search: recall@10 .961,
.978 and .983 in 2, 3 and 5 ms of processor time."""
PROPOSED = 4
"""Candidates per result, because bytes order neighbours less precisely than floats. Measured in
``benchmarks/search.py``."""
FEWEST = 64
"""Least number of candidates."""


def ranked(
    vectors_ND: Floats, rows: Rows, query_D: Floats, k: int
) -> tuple[Rows, NDArray[np.float32]]:
    """The ``k`` nearest among candidate ``rows``, best first; ties in the order of the rows.

    The products are summed in double precision, vector by vector, so that a result does not depend
    on the other queries.
    """
    candidates = vectors_ND[rows].astype(np.float64)
    cosines = np.einsum("nd,d->n", candidates, query_D.astype(np.float64)).astype(np.float32)
    best = np.lexsort((rows, -cosines))[:k]
    return rows[best], cosines[best]


def exact(
    vectors_ND: Floats, queries_QD: Floats, k: int, rows: Rows | None = None
) -> list[tuple[Rows, NDArray[np.float32]]]:
    """The ``k`` nearest vectors of every query, by comparing all vectors.

    Args:
        vectors_ND: of length 1; may be mapped from a file.
        queries_QD: of length 1.
        k: number of results; all vectors where there are fewer.
        rows: compare only these rows.
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
    # Selecting once among the best of all blocks is cheaper than after each block.
    found = [places[_largest(cosines, k)] for places, cosines in kept]
    return [ranked(vectors_ND, f, q, k) for f, q in zip(found, queries_QD, strict=True)]


def _largest(values: Floats, count: int) -> NDArray[np.intp]:
    """The positions of the ``count`` largest values, and of those nearly as large as the last."""
    if len(values) <= count:
        return np.arange(len(values))
    last = np.partition(values, len(values) - count)[-count]
    found = np.flatnonzero(values >= last - NEAR)
    if len(found) <= count + MOST_NEAR:
        return found
    above = values[found] > last + NEAR
    return np.append(found[above], found[~above][: count + MOST_NEAR])


class Graph:
    """A graph over N vectors that proposes neighbours. Several threads may search at once."""

    def __init__(self, index: Any) -> None:
        self._index = index

    @classmethod
    def build(cls, vectors_ND: Floats) -> "Graph":
        """The graph of all vectors, added in their order."""
        from usearch.index import Index

        index = Index(
            ndim=vectors_ND.shape[1],
            metric="cos",
            dtype="i8",
            connectivity=CONNECTIVITY,
            expansion_add=EXPANSION_ADD,
            expansion_search=EXPANSION_SEARCH,
        )
        for start in range(0, len(vectors_ND), BLOCK):
            block = np.ascontiguousarray(vectors_ND[start : start + BLOCK])
            # One thread, because the graph depends on the order of the vectors.
            index.add(np.arange(start, start + len(block), dtype=np.uint64), block, threads=1)
        return cls(index)

    @classmethod
    def view(cls, path: Path) -> "Graph":
        """The graph that :meth:`save` wrote, mapped into memory."""
        from usearch.index import Index

        return cls(Index.restore(str(path), view=True, expansion_search=EXPANSION_SEARCH))

    def __len__(self) -> int:
        return len(self._index)

    @property
    def nbytes(self) -> int:
        """The bytes of memory that the graph uses."""
        return int(self._index.memory_usage)

    def save(self, path: Path) -> None:
        """Write the graph to a file."""
        self._index.save(str(path))

    def proposed(self, query_D: Floats, count: int) -> Rows:
        """At most ``count`` rows near the query, in any order."""
        matches = self._index.search(query_D, min(count, len(self)), threads=1)
        return np.asarray(matches.keys, np.int64)


def proposals(k: int) -> int:
    """The number of candidates for ``k`` results."""
    return max(FEWEST, PROPOSED * k)


def unit_vectors(vectors: Floats | Sequence[Sequence[float]]) -> NDArray[np.float32]:
    """The vectors [..., D], scaled to length 1.

    Raises:
        ValueError: a vector is zero or not finite.
    """
    found = np.asarray(vectors, np.float32)
    lengths = np.sqrt(np.einsum("...d,...d->...", found, found, dtype=np.float64))
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise ValueError("a vector of length zero, or with a value that is no number")
    normal: NDArray[np.float32] = found * (1 / lengths).astype(np.float32)[..., None]
    return normal
