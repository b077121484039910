"""Hashed words, word pairs and pieces of words: a bag of terms beside the word tokens.

A transformer needs many products to learn a rare word; a bag of hashed n-grams under one linear
layer needs a few (fastText: Joulin et al., arXiv:1607.01759; pieces of words:
Bojanowski et al., arXiv:1607.04606; hashing: Weinberger et al., arXiv:0902.2206).
"""

import math
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

PIECES = (3, 4, 5)
"""Lengths of the pieces of a word, including a mark at each end of the word."""
MAX_WORDS = 200
"""Most words of one text; the rest is ignored."""
_WORD = re.compile(r"[^\W_]+")


def counted_terms(text: str, buckets: int, *, pieces: bool) -> dict[int, int]:
    """The number of terms of a text in each bucket.

    Args:
        text: any text.
        buckets: number of buckets.
        pieces: whether pieces of words are counted, too.

    >>> sorted(counted_terms("Blue  blue!", 1000, pieces=False).values())
    [1, 2]
    """
    words = _WORD.findall(text.lower())[:MAX_WORDS]
    terms: Iterable[str] = [*words, *(f"{a} {b}" for a, b in pairwise(words))]
    if pieces:
        terms = [*terms, *_pieces(words)]
    counts: dict[int, int] = {}
    for term in terms:
        bucket = crc32(term.encode()) % buckets
        counts[bucket] = counts.get(bucket, 0) + 1
    return counts


def _pieces(words: Iterable[str]) -> Iterable[str]:
    for word in words:
        marked = f"<{word}>"
        for size in PIECES:
            for start in range(len(marked) - size + 1):
                yield marked[start : start + size]


def rarity(documents: Iterable[Mapping[int, int]], buckets: int) -> NDArray[np.float32]:
    """[buckets] the smoothed inverse document frequency of each bucket."""
    documents_with, total = np.zeros(buckets), 0
    for counts in documents:
        documents_with[list(counts)] += 1
        total += 1
    return (np.log((1 + total) / (1 + documents_with)) + 1).astype(np.float32)


def weights(counts: Mapping[int, int], idf: NDArray[np.float32]) -> NDArray[np.float32]:
    """The TF-IDF of the terms, as a vector of length 1."""
    found = np.array([1 + math.log(n) for n in counts.values()], np.float32) * idf[list(counts)]
    length = float(np.linalg.norm(found))
    return found / length if length else found
