"""TF-IDF of words and of character n-grams in plain Python and NumPy.

The weights are those of scikit-learn's ``TfidfVectorizer(sublinear_tf=True)``, ``analyzer``
``word`` or ``char_wb``; a bundle computes them without scikit-learn. A term that occurs ``t`` times
weighs ``(1 + ln t) (1 + ln((1 + n) / (1 + d)))`` for ``d`` of ``n`` texts, and a text has length
one.

Legend: T terms.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Kind = Literal["word", "token", "char", "line"]
"""``word``: words of two characters and more; ``token``: also those of one."""

_WORD = re.compile(r"\b\w\w+\b")
_TOKEN = re.compile(r"\b\w+\b")
_MARKS = "()[]{}<>.,;:!?|/\\\"'*-+&"

Sparse = tuple[NDArray[np.int64], Floats]
"""The columns that are not 0, and their values."""
Gram = tuple[str, tuple[int, ...]]
"""A term, and the positions of the words that it is made of."""


def words(text: str) -> list[str]:
    """The words of two characters and more, in small letters.

    >>> words("Pack of 3 T-Shirts")
    ['pack', 'of', 'shirts']
    """
    return _WORD.findall(text.lower())


def tokens(text: str) -> list[str]:
    """The words of any length, in small letters.

    >>> tokens("Pack of 3 T-Shirts")
    ['pack', 'of', '3', 't', 'shirts']
    """
    return _TOKEN.findall(text.lower())


def word_grams(text: str, shortest: int, longest: int) -> Iterator[Gram]:
    """Words that follow each other, joined by a space.

    >>> [term for term, _ in word_grams("Red cotton sari", 1, 2)]
    ['red', 'cotton', 'sari', 'red cotton', 'cotton sari']
    """
    yield from _grams_of(words(text), shortest, longest)


def token_grams(text: str, shortest: int, longest: int) -> Iterator[Gram]:
    """Words of any length that follow each other, joined by a space.

    >>> [term for term, _ in token_grams("Good, VERY good", 1, 2)]
    ['good', 'very', 'good', 'good very', 'very good']
    """
    yield from _grams_of(tokens(text), shortest, longest)


def _grams_of(found: Sequence[str], shortest: int, longest: int) -> Iterator[Gram]:
    for size in range(shortest, longest + 1):
        for start in range(len(found) - size + 1):
            yield " ".join(found[start : start + size]), tuple(range(start, start + size))


def char_grams(text: str, shortest: int, longest: int) -> Iterator[Gram]:
    """Characters that follow each other within a word, which has a space at both ends.

    >>> [term for term, _ in char_grams("Kurta", 6, 7)]
    [' kurta', 'kurta ', ' kurta ']
    """
    for place, word in enumerate(text.lower().split()):
        padded = f" {word} "
        for size in range(shortest, longest + 1):
            yield padded[:size], (place,)
            if size >= len(padded):
                break  # the whole word, counted once
            for start in range(1, len(padded) - size + 1):
                yield padded[start : start + size], (place,)


def lines(text: str, shortest: int, longest: int) -> Iterator[Gram]:  # noqa: ARG001
    r"""Every line that is not empty.

    >>> [term for term, _ in lines("colour\ncolour=red", 1, 1)]
    ['colour', 'colour=red']
    """
    place = 0
    for line in text.splitlines():
        size = len(words(line))
        if line:
            yield line, tuple(range(place, place + size))
        place += size


@dataclass(frozen=True)
class Terms:
    """A vocabulary with the weight of each term.

    Attributes:
        kind: ``word``, ``token``, ``char`` or ``line``.
        shortest: length of the n-grams, in words or characters.
        longest: likewise.
        names: [T] the terms, sorted.
        idf: [T] their weights.
    """

    kind: Kind
    shortest: int
    longest: int
    names: tuple[str, ...]
    idf: Floats

    @classmethod
    def of(
        cls,
        texts: Iterable[str],
        kind: Kind,
        lengths: tuple[int, int],
        *,
        min_rows: int = 1,
        most: int | None = None,
        rank: Literal["occurrences", "texts"] = "occurrences",
    ) -> Self:
        """Count the terms of texts.

        Args:
            texts: N of them.
            kind: ``word``, ``token``, ``char`` or ``line``.
            lengths: of the n-grams, the shortest and the longest.
            min_rows: a term counts when so many texts have it.
            most: keep so many terms, the most frequent; of equals the first by name.
            rank: whether the most frequent terms have the most occurrences or occur in the most
                texts.
        """
        total: Counter[str] = Counter()
        rows: Counter[str] = Counter()
        count = 0
        for text in texts:
            found = _names(kind, text, *lengths)
            rows.update(set(found))
            if rank == "occurrences":
                total.update(found)
            count += 1
        kept = [term for term, known in rows.items() if known >= min_rows]
        if most is not None and len(kept) > most:
            often = total if rank == "occurrences" else rows
            kept = sorted(kept, key=lambda term: (-often[term], term))[:most]
        names = tuple(sorted(kept))
        known = np.array([rows[term] for term in names], np.float64)
        return cls(kind, *lengths, names, np.log((1 + count) / (1 + known)) + 1)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {term: place for place, term in enumerate(self.names)}

    def weigh(self, text: str) -> Sparse:
        """The known terms of a text, ascending, and their weights: of length one, if any."""
        places = self._places
        found = _names(self.kind, text, self.shortest, self.longest)
        counts = Counter(places[term] for term in found if term in places)
        columns = np.array(sorted(counts), np.int64)
        times = np.array([counts[column] for column in columns.tolist()], np.float64)
        weights = (1 + np.log(times)) * self.idf[columns]
        length = np.sqrt((weights**2).sum())
        return columns, weights / length if length > 0 else weights

    def matrix(self, texts: Sequence[str]) -> "csr_matrix":
        """[N, W] the weights of N texts."""
        return sparse_matrix([self.weigh(text) for text in texts], len(self))

    def trace(self, text: str) -> tuple[NDArray[np.int64], Floats, list[dict[str, float]]]:
        """The weight of each known term of a text, and the words it is made of.

        Returns:
            The terms [K], ascending; their weights [K]; for each what part every word has in its
            occurrences, 1 in all.
        """
        columns, weights = self.weigh(text)
        spelled = text.lower().split() if self.kind == "char" else words(text)
        parts: dict[int, Counter[str]] = {column: Counter() for column in columns.tolist()}
        for term, made_of in _GRAMS[self.kind](text, self.shortest, self.longest):
            if term in self._places:
                parts[self._places[term]].update(spelled[place].strip(_MARKS) for place in made_of)
        shares = [
            {word: count / part.total() for word, count in part.items()}
            for part in (parts[column] for column in columns.tolist())
        ]
        return columns, weights, shares

    def state(self) -> dict[str, Any]:
        """JSON: all but :attr:`idf`."""
        return {
            "kind": self.kind,
            "shortest": self.shortest,
            "longest": self.longest,
            "names": list(self.names),
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any], idf: Floats) -> Self:
        """The inverse of :meth:`state`."""
        return cls(state["kind"], state["shortest"], state["longest"], tuple(state["names"]), idf)


_GRAMS = {"word": word_grams, "token": token_grams, "char": char_grams, "line": lines}


def _names(kind: Kind, text: str, shortest: int, longest: int) -> list[str]:
    """Return the terms of a text without their positions, which take longer to find."""
    if kind not in ("word", "token"):
        return [term for term, _ in _GRAMS[kind](text, shortest, longest)]
    found = words(text) if kind == "word" else tokens(text)
    return [
        " ".join(gram)
        for size in range(shortest, longest + 1)
        for gram in zip(*(found[start:] for start in range(size)), strict=False)
    ]


def sparse_matrix(rows: Sequence[Sparse], size: int) -> "csr_matrix":
    """[N, size] the sparse rows one below the other."""
    from scipy.sparse import csr_matrix

    starts = np.cumsum([0, *(len(columns) for columns, _ in rows)])
    columns = np.concatenate([row[0] for row in rows]) if rows else np.empty(0, np.int64)
    values = np.concatenate([row[1] for row in rows]) if rows else np.empty(0)
    return csr_matrix((values, columns, starts), shape=(len(rows), size))
