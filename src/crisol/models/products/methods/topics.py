"""Topics of texts: latent directions of words, which relate texts without a common word.

Latent semantic analysis (Deerwester et al., 1990): the right singular vectors of the TF-IDF of
texts. It uses no labels, so texts of other catalogues may be added.

Legend: T terms, K topics.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_matrix

from crisol.core.arrays import Floats
from crisol.core.text.terms import Terms

MIN_ROWS = 3
_MORE = 10
_POWERS = 4


@dataclass(frozen=True)
class Topics:
    """The K topic weights of a text, as a vector of length one.

    Attributes:
        terms: single words.
        directions: [T, K] float32.
    """

    terms: Terms
    directions: Floats

    @classmethod
    def of(cls, texts: Sequence[str], count: int, most: int) -> Self:
        """The directions of largest singular value; fewer where there are few texts or words.

        Args:
            texts: training texts.
            count: K.
            most: words that are kept.
        """
        terms = Terms.of(texts, "word", (1, 1), min_rows=MIN_ROWS, most=most)
        matrix = terms.matrix(texts)
        kept = min(count, min(matrix.shape) - 1)
        if kept < 1:
            return cls(terms, np.zeros((len(terms), 0), np.float32))
        return cls(terms, _directions(matrix, kept))

    def of_text(self, text: str) -> Floats:
        """[K] float32 of length one; zeros where no word is known."""
        columns, values = self.terms.weigh(text)
        found = values.astype(np.float32) @ self.directions[columns]
        length = float(np.sqrt((found**2).sum()))
        return found / np.float32(length) if length > 1e-6 else np.zeros_like(found)

    def state(self) -> tuple[dict[str, Floats], dict[str, Any]]:
        """The fitted arrays, and the remaining state as JSON."""
        return {"idf": self.terms.idf, "directions": self.directions}, self.terms.state()

    @classmethod
    def restore(cls, arrays: Mapping[str, Floats], json: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`state`."""
        return cls(Terms.restore(json, arrays["idf"]), arrays["directions"])


def _directions(matrix: csr_matrix, count: int) -> Floats:
    """[T, K] right singular vectors by a randomised range finder (Halko et al., arXiv:0909.4061).

    Every call gives the same result, which ARPACK does not.
    """
    start = np.random.default_rng(0).normal(size=(matrix.shape[0], count + _MORE))
    basis, _ = np.linalg.qr(matrix.T @ start)
    for _ in range(_POWERS):
        basis, _ = np.linalg.qr(matrix.T @ (matrix @ basis))
    _, _, turned = np.linalg.svd(matrix @ basis, full_matrices=False)
    # Row-major as after loading, so that sums agree to the last bit.
    return np.ascontiguousarray(basis @ turned[:count].T, np.float32)
