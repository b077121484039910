"""Features of a pair of shop entries: words, model numbers, numbers and prices.

The pairs come from two tables, one of each shop. The features of a pair are:

- cosines of TF-IDF with the weights of both tables: of words, of neighbouring words joined
  (``rs 120`` equals ``rs120``), of characters; of titles and of all texts;
- the weights of the shared words, and of the words of one entry only;
- model numbers: the best agreement between both entries, or with the other's whole text;
- shared numbers and numbers of one entry only; prices; lengths.

The standing of a pair compares its cosine with those of the other pairs of either entry.

Legend: P pairs, L and R entries of the left and the right table.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.feature_extraction.text import TfidfVectorizer

from crisol.models.products.report.pair_words import EntryText, ShopEntry, joined, words

Features = dict[str, NDArray[np.float64]]

BLOCK = 512
_UNKNOWN = -1.0


class EntryTable:
    """The distinct entries of one shop.

    Args:
        entries: one side of the P pairs.
    """

    def __init__(self, entries: Sequence[ShopEntry]) -> None:
        # NaN differs from itself: prices are compared as they are written.
        place: dict[tuple[str, ...], int] = {}
        self.entries: list[ShopEntry] = []
        self.places = np.empty(len(entries), np.int64)
        for number, entry in enumerate(entries):
            key = tuple(map(str, entry))
            if key not in place:
                place[key] = len(self.entries)
                self.entries.append(entry)
            self.places[number] = place[key]

    @cached_property
    def texts(self) -> list[EntryText]:
        """The text of each entry."""
        return [EntryText(entry) for entry in self.entries]


class EntryPairs(NamedTuple):
    """P pairs of entries of two tables."""

    left: EntryTable
    right: EntryTable

    @classmethod
    def of(cls, pairs: pd.DataFrame) -> Self:
        """The pairs of the canonical table."""
        return cls(*(EntryTable(_entries(pairs, side)) for side in ("left", "right")))

    def compared(self, left: Any, right: Any) -> NDArray[np.float64]:
        """[P] the cosines of the pairs, from unit vectors [L, D] and [R, D], sparse or dense."""
        a, b = left[self.left.places], right[self.right.places]
        product = a.multiply(b) if issparse(a) else a * b
        return np.asarray(product.sum(axis=1), np.float64).ravel()

    def standing(self, name: str, left: Any, right: Any) -> Features:
        """The gap of each pair's cosine to the best other pair of either entry, and its rank."""
        cosines = self.compared(left, right)
        found: Features = {}
        sides = (("left", self.left, self.right, left, right),
                 ("right", self.right, self.left, right, left))  # fmt: skip
        for side, own, other, mine, theirs in sides:
            gap, rank = _standing(mine, theirs, own.places, other.places, cosines)
            found |= {f"{name}_gap_{side}": gap, f"{name}_rank_{side}": np.log1p(rank)}
        return found


def _entries(pairs: pd.DataFrame, side: str) -> list[ShopEntry]:
    columns = [pairs[f"{side}_{name}"].tolist() for name in ShopEntry._fields]
    return [ShopEntry(*row) for row in zip(*columns, strict=True)]


def _standing(
    mine: Any, theirs: Any, rows: NDArray[np.int64], others: NDArray[np.int64], cosines: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    gap, rank = np.empty(len(rows)), np.empty(len(rows))
    order = np.argsort(rows, kind="stable")
    for start in range(0, mine.shape[0], BLOCK):
        product = mine[start : start + BLOCK] @ theirs.T
        every = product.toarray() if issparse(product) else product
        low, high = np.searchsorted(rows[order], (start, start + BLOCK))
        for pair in order[low:high]:
            line = every[rows[pair] - start]
            line[others[pair]], kept = -1, line[others[pair]]
            gap[pair] = cosines[pair] - max(line.max(), 0)
            rank[pair] = np.count_nonzero(line > cosines[pair] + 1e-9)
            line[others[pair]] = kept
    return gap, rank


# -- measuring a pair ------------------------------------------------------------------------------


def symbolic(pairs: EntryPairs) -> tuple[Features, Features]:
    """The features of every pair alone, and those of its standing in the tables."""
    alone, standing, weights = _cosines(pairs)
    left, right = pairs.left.texts, pairs.right.texts
    places = zip(pairs.left.places, pairs.right.places, strict=True)
    measured = [_measured(left[a], right[b], weights) for a, b in places]
    alone |= {name: np.array([row[name] for row in measured], float) for name in measured[0]}
    return alone, standing


def _cosines(pairs: EntryPairs) -> tuple[Features, Features, dict[str, float]]:
    sides = (pairs.left.texts, pairs.right.texts)
    titles = [[text.named for text in side] for side in sides]
    everything = [[text.everything for text in side] for side in sides]
    settings: dict[str, Any] = {"sublinear_tf": True}
    together = TfidfVectorizer(analyzer=joined, **settings).fit(everything[0] + everything[1])
    plain = TfidfVectorizer(analyzer=words, **settings).fit(titles[0] + titles[1])
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), **settings)
    characters.fit(titles[0] + titles[1])
    compared = {
        "joined_title": (together, titles[0], titles[1]),
        "joined_all": (together, everything[0], everything[1]),
        "characters": (characters, titles[0], titles[1]),
        "words": (plain, titles[0], titles[1]),
        "title_in_all": (together, titles[0], everything[1]),
        "all_in_title": (together, everything[0], titles[1]),
    }
    alone: Features = {}
    standing: Features = {}
    for name, (weigher, left, right) in compared.items():
        vectors = weigher.transform(left), weigher.transform(right)
        alone[name] = pairs.compared(*vectors)
        if name in ("joined_title", "joined_all", "characters"):
            standing |= pairs.standing(name, *vectors)
    weights = dict(zip(together.get_feature_names_out(), together.idf_, strict=True))
    return alone, standing, weights


def _measured(left: EntryText, right: EntryText, weights: Mapping[str, float]) -> dict[str, float]:
    known = (left.price > 0, right.price > 0)
    ratio = math.log(left.price / right.price) if all(known) else math.nan
    return {
        **_words_measured(left, right, weights),
        **_codes_measured(left, right),
        **_numbers_measured(left, right),
        "same_first_word": float(bool(left.first) and left.first == right.first),
        "price_ratio": abs(ratio) if all(known) else _UNKNOWN,
        "price_side": ratio if all(known) else 10 * _UNKNOWN,
        "title_words_left": len(left.title_words),
        "title_words_right": len(right.title_words),
        "words_left": len(left.all_joined),
        "words_right": len(right.all_joined),
    }


def _words_measured(
    left: EntryText, right: EntryText, weights: Mapping[str, float]
) -> dict[str, float]:
    def weigh(found: set[str]) -> list[float]:
        return [weights[word] for word in sorted(found)]

    shared = weigh(left.title_joined & right.title_joined)
    mine, theirs = sum(weigh(left.title_joined)), sum(weigh(right.title_joined))
    alone = weigh(left.title_words - right.all_words)
    alone_right = weigh(right.title_words - left.all_words)
    either = left.title_words | right.title_words
    return {
        "shared_of_left": sum(shared) / max(mine, 1),
        "shared_of_right": sum(shared) / max(theirs, 1),
        "shared_of_less": sum(shared) / max(min(mine, theirs), 1),
        "left_in_all": sum(weigh(left.title_joined & right.all_joined)) / max(mine, 1),
        "right_in_all": sum(weigh(right.title_joined & left.all_joined)) / max(theirs, 1),
        "shared_most": max(shared, default=0),
        "alone_most_left": max(alone, default=0),
        "alone_most_right": max(alone_right, default=0),
        "alone_left": sum(alone),
        "alone_right": sum(alone_right),
        "jaccard": len(left.title_words & right.title_words) / max(len(either), 1),
    }


def _codes_measured(left: EntryText, right: EntryText) -> dict[str, float]:
    return {
        "codes": _agreement(left.all_codes, right.all_codes),
        "title_codes": _agreement(left.title_codes, right.title_codes),
        "code_in_right": float(any(code in right.squeezed for code in left.all_codes)),
        "code_in_left": float(any(code in left.squeezed for code in right.all_codes)),
        "codes_left": len(left.all_codes),
        "codes_right": len(right.all_codes),
    }


def _agreement(left: set[str], right: set[str]) -> float:
    """The best similarity of two sides' codes: 1 if equal, else that of their common prefix."""
    return max((_alike(a, b) for a in left for b in right), default=0.0)


def _alike(a: str, b: str) -> float:
    if a == b:
        return 1.0
    same = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
    common = min(len(a), len(b)) if same is None else same
    share = common / max(len(a), len(b))
    if a in b or b in a:  # a suffix for colour or market: more similar than the prefix suggests
        share = max(share, min(len(a), len(b)) / max(len(a), len(b)) + 0.2)
    return min(share, 1.0)


def _numbers_measured(left: EntryText, right: EntryText) -> dict[str, float]:
    return {
        "numbers_shared": len(left.title_numbers & right.title_numbers),
        "numbers_left": len(left.title_numbers - right.title_numbers),
        "numbers_right": len(right.title_numbers - left.title_numbers),
        "all_numbers_shared": len(left.all_numbers & right.all_numbers),
        "all_numbers_left": len(left.all_numbers - right.all_numbers),
        "all_numbers_right": len(right.all_numbers - left.all_numbers),
        "numbers_left_in_all": len(left.title_numbers - right.all_numbers),
        "numbers_right_in_all": len(right.title_numbers - left.all_numbers),
    }
