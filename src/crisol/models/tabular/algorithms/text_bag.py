r"""A text column as weighted words (TF-IDF), and as a few topics of them for trees.

Weights are scikit-learn's ``TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True,
token_pattern=r"(?u)\b\w+\b")``; computed here because a bundle has no scikit-learn. Topics are a
truncated singular value decomposition (latent semantic analysis, Deerwester et al. 1990).

Legend: N texts, W words of the vocabulary, T topics.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_WORD = re.compile(r"\b\w+\b")


def terms(text: str) -> list[str]:
    """The words of a text in small letters, and every two that follow each other.

    >>> terms("Good, VERY good")
    ['good', 'very', 'good', 'good very', 'very good']
    """
    words = _WORD.findall(text.lower())
    return words + [f"{a} {b}" for a, b in pairwise(words)]


@dataclass(frozen=True)
class TextBag:
    """The vocabulary of one text column with its weights.

    Attributes:
        vocabulary: W words and word pairs.
        rarity: [W] inverse document frequencies.
    """

    vocabulary: tuple[str, ...]
    rarity: NDArray[np.float64]

    @classmethod
    def fit(cls, texts: Sequence[str], max_words: int) -> "TextBag":
        """The most frequent words of at least two texts (of one, where there are under 200)."""
        found: Counter[str] = Counter()
        for text in texts:
            found.update(set(terms(text)))
        least = 2 if len(texts) >= 200 else 1
        kept = [(word, count) for word, count in found.items() if count >= least]
        kept.sort(key=lambda entry: (-entry[1], entry[0]))
        kept = sorted(kept[:max_words])
        counts = np.array([count for _, count in kept], dtype=np.float64)
        rarity = np.log((1 + len(texts)) / (1 + counts)) + 1
        return cls(tuple(word for word, _ in kept), rarity)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {word: index for index, word in enumerate(self.vocabulary)}

    def rows(self, texts: Iterable[str]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Of each text: the word numbers in order, and their weights, of length 1 as a vector."""
        for text in texts:
            counts = Counter(self._index[t] for t in terms(text) if t in self._index)
            order = sorted(counts)
            words = np.array(order, dtype=np.int64)
            often = np.array([counts[word] for word in order], dtype=np.float64)
            weights = (1 + np.log(often)) * self.rarity[words]
            length = np.sqrt(weights @ weights)
            yield words, weights / length if length > 0 else weights

    def matrix(self, texts: Sequence[str]) -> "csr_matrix":
        """Sparse weights [N, W]; for fitting."""
        from scipy.sparse import csr_matrix

        rows = list(self.rows(texts))
        starts = np.cumsum([0, *(len(words) for words, _ in rows)])
        words = np.concatenate([words for words, _ in rows]) if rows else np.empty(0, np.int64)
        weights = np.concatenate([w for _, w in rows]) if rows else np.empty(0)
        return csr_matrix((weights, words, starts), shape=(len(rows), len(self.vocabulary)))

    def project(self, texts: Sequence[str], table: NDArray[Any]) -> NDArray[np.float64]:
        """Weights times a table [W, T]: [N, T]; each text by itself, so no other changes a bit."""
        answer = np.zeros((len(texts), table.shape[1]))
        for row, (words, weights) in enumerate(self.rows(texts)):
            answer[row] = weights @ table[words]
        return answer

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """JSON and arrays that :meth:`restore` takes."""
        return {"vocabulary": list(self.vocabulary)}, {"rarity": self.rarity}

    @classmethod
    def restore(cls, state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> "TextBag":
        """See :meth:`state`."""
        return cls(tuple(state["vocabulary"]), np.asarray(arrays["rarity"], dtype=np.float64))


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
        """How many numbers a text becomes."""
        return int(self.components.shape[1])

    def transform(self, texts: Sequence[str]) -> NDArray[np.float64]:
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
