r"""A text column as weighted words (TF-IDF), and as a few topics of them for trees.

Weights are scikit-learn's ``TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True,
token_pattern=r"(?u)\b\w+\b")`` (:mod:`crisol.core.text.terms`). Topics are a
truncated singular value decomposition (latent semantic analysis, Deerwester et al. 1990).

Legend: N texts, W words of the vocabulary, T topics.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.text.terms import Terms

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

LENGTHS = (1, 2)
"""Terms are words, and every two that follow each other."""
MANY_TEXTS = 200
"""From so many texts on a word counts only if two texts have it."""


@dataclass(frozen=True)
class TextBag:
    """The vocabulary of one text column with its weights.

    Attributes:
        terms: W words and word pairs with their inverse document frequencies.
    """

    terms: Terms

    @classmethod
    def fit(cls, texts: Sequence[str], max_words: int) -> "TextBag":
        """Learn the words that occur in the most texts."""
        least = 2 if len(texts) >= MANY_TEXTS else 1
        return cls(Terms.of(texts, "token", LENGTHS, min_rows=least, most=max_words, rank="texts"))

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The W words and word pairs, sorted."""
        return self.terms.names

    def matrix(self, texts: Sequence[str]) -> "csr_matrix":
        """Sparse weights [N, W]; for fitting."""
        return self.terms.matrix(texts)

    def project(self, texts: Sequence[str], table: NDArray[Any]) -> Floats:
        """Weights times a table [W, T]: [N, T]; each text by itself, so no other changes a bit."""
        answer = np.zeros((len(texts), table.shape[1]))
        for row, text in enumerate(texts):
            words, weights = self.terms.weigh(text)
            answer[row] = weights @ table[words]
        return answer

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """JSON and arrays that :meth:`restore` takes."""
        return {"vocabulary": list(self.vocabulary)}, {"rarity": self.terms.idf}

    @classmethod
    def restore(cls, state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> "TextBag":
        """See :meth:`state`."""
        idf = np.asarray(arrays["rarity"], dtype=np.float64)
        return cls(Terms("token", *LENGTHS, tuple(state["vocabulary"]), idf))


@dataclass(frozen=True)
class TextTopics:
    """A text column as T numbers.

    Attributes:
        bag: its words.
        components: float32 [W, T].
    """

    bag: TextBag
    components: NDArray[np.float32]

    @classmethod
    def fit(
        cls, texts: Sequence[str], *, topics: int = 64, max_words: int = 20_000, seed: int = 0
    ) -> "TextTopics":
        """Learned from training texts; at most as many topics as texts and words allow."""
        bag = TextBag.fit(texts, max_words)
        count = min(topics, len(bag.vocabulary) - 1, len(texts) - 1)
        if count < 1:
            return cls(bag, np.zeros((len(bag.vocabulary), 0), dtype=np.float32))
        from sklearn.decomposition import TruncatedSVD

        svd = TruncatedSVD(count, n_iter=4, random_state=seed).fit(bag.matrix(texts))
        return cls(bag, np.ascontiguousarray(svd.components_.T, dtype=np.float32))

    @property
    def topics(self) -> int:
        """The number of topics T."""
        return int(self.components.shape[1])

    def transform(self, texts: Sequence[str]) -> Floats:
        """The topics [N, T]."""
        return self.bag.project(texts, self.components)

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """JSON and arrays that :meth:`restore` takes."""
        state, arrays = self.bag.state()
        return state, arrays | {"components": self.components}

    @classmethod
    def restore(cls, state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> "TextTopics":
        """See :meth:`state`."""
        bag = TextBag.restore(state, arrays)
        return cls(bag, np.asarray(arrays["components"], dtype=np.float32))
