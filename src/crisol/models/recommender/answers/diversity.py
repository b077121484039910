"""Trade relevance for variety: greedy re-ranking of the best candidates.

Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998) with the mean, not the largest,
similarity to what is chosen already: each step then adds most to the sum that intra-list diversity
measures (greedy max-sum diversification, arXiv:1203.6397).

Legend: B lists, M candidates in each, K of them kept, D dimensions of an item's vector.
"""

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats


def diversify(
    scores: Floats,
    vectors: Floats,
    count: int,
    diversity: float,
    valid: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Choose K of M candidates of every list, one after the other.

    The next one has the largest ``(1 - diversity) * relevance - diversity * similarity``: relevance
    is the score on a scale from 0 (the list's lowest) to 1 (its highest), similarity the mean
    cosine to those chosen before. Ties go to the candidate that comes first.

    Args:
        scores: [B, M] best first.
        vectors: [B, M, D] of length 1 or 0.
        count: K.
        diversity: 0 (the plain order, exactly) to 1 (only variety counts after the first).
        valid: [B, M] which candidates there are, the first ones of each list; nothing: all.

    Returns:
        [B, K] positions among the candidates, in order of choice; -1 where there are no more.

    Raises:
        ValueError: ``diversity`` outside 0 to 1.
    """
    if not 0 <= diversity <= 1:
        raise ValueError(f"diversity is {diversity}; use a number from 0 to 1")
    free = np.ones(scores.shape, dtype=bool) if valid is None else valid.copy()
    lists, candidates = scores.shape
    chosen = np.full((lists, min(count, candidates)), -1, dtype=np.int64)
    # Exactly the plain order, though relevance in float32 may tie what the scores tell apart.
    gain = (1 - diversity) * _relevance(scores, free) if diversity else -np.arange(candidates)
    gain = np.broadcast_to(gain, scores.shape)
    similarity, rows = np.zeros(scores.shape, dtype=np.float32), np.arange(lists)
    for step in range(chosen.shape[1]):
        value = np.where(free, gain - diversity * similarity / max(step, 1), -np.inf)
        best = value.argmax(axis=1)
        there = free[rows, best]
        chosen[there, step] = best[there]
        free[rows, best] = False
        if diversity:
            similarity += np.matmul(vectors, vectors[rows, best, :, None])[:, :, 0]
    return chosen


def diversify_list(
    scores: Floats, vectors: Floats | None, count: int, diversity: float
) -> NDArray[np.int64]:
    """Choose K of one list's M candidates, one after the other.

    Args:
        scores: [M] best first.
        vectors: [M, D]; not needed when ``diversity`` is 0.
        count: K.
        diversity: see :func:`diversify`.

    Returns:
        [at most K] positions among the candidates, in order of choice.
    """
    if diversity == 0 or len(scores) == 0:
        return np.arange(min(count, len(scores)), dtype=np.int64)
    if vectors is None:
        raise ValueError("vectors: needed for a diversity above 0")
    return np.asarray(diversify(scores[None], vectors[None], count, diversity)[0])


def _relevance(scores: Floats, valid: NDArray[np.bool_]) -> Floats:
    """[B, M] scores on a scale from 0 to 1 within each list."""
    low = np.where(valid, scores, np.inf).min(axis=1, keepdims=True)
    high = np.where(valid, scores, -np.inf).max(axis=1, keepdims=True)
    spread = np.broadcast_to(high - low, scores.shape)
    share = np.zeros(scores.shape, np.float32)
    np.divide(scores - low, spread, out=share, where=valid & (spread > 0))
    return share


def intra_list_diversity(vectors: Floats) -> float | None:
    """1 - the mean cosine of all pairs of a list's [K, D] vectors, within 0 to 1.

    Lists of opposite vectors would go above 1 and are told as 1.

    >>> intra_list_diversity(np.eye(3, dtype=np.float32))
    1.0
    >>> intra_list_diversity(np.ones((1, 3), dtype=np.float32)) is None
    True
    """
    size = len(vectors)
    if size < 2:
        return None
    total = vectors.sum(axis=0, dtype=np.float64)
    own = np.square(vectors, dtype=np.float64).sum()
    mean = (total @ total - own) / (size * (size - 1))
    return float(np.clip(1 - mean, 0.0, 1.0))
