"""Encodes products for the network: tokens, terms, pixels, price, brand and category.

Byte pairs, term frequencies, names and the scale of prices are fitted on training products.

Legend: N products, T tokens of the longest one, G terms of the longest one, S sides of a picture.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crisol.core.arrays import Floats
from crisol.core.data.pictures import Pixels
from crisol.models.products.data.records import ProductRecord
from crisol.models.products.data.taxonomy import SEPARATOR
from crisol.models.products.networks.bag import counted_terms, rarity, weights
from crisol.models.products.networks.tokens import TITLE, BytePairs, TextTokenizer, texts_of
from crisol.models.products.params import NetworkParams

Inputs = dict[str, Tensor]
"""The network's inputs; see :func:`inputs_of`."""

BRAND_TOKENS = 8
ABSENT, UNKNOWN = 0, 1
"""Numbers of a missing name, and of a name that fewer than two training products have."""
TERM_SHARES = (1.0, 0.5, 0.5, 0.7)
"""The weights of each field's terms (order: :data:`crisol.models.products.networks.tokens.TEXTS`):
a title is more informative than a description."""


@dataclass(frozen=True, slots=True)
class EncodedProduct:
    """One product, encoded.

    Attributes:
        tokens: [T].
        fields: [T] the text field of each token.
        words: [T] the number of the word of each token.
        terms: [G] buckets.
        weights: [G] TF-IDF.
        term_fields: [G] the text field of each term.
        pixels: [S, S, 3]; ``None`` without a picture.
        price: standardised logarithm; NaN where it is unknown.
        names: numbers of brand, category, main category and currency.
    """

    tokens: NDArray[np.int32]
    fields: NDArray[np.int8]
    words: NDArray[np.int16]
    terms: NDArray[np.int32]
    weights: NDArray[np.float32]
    term_fields: NDArray[np.int8]
    pixels: Pixels | None
    price: float
    names: tuple[int, int, int, int]


@dataclass(frozen=True)
class NameNumbers:
    """Numbers of the brands, categories and currencies of the training products."""

    brands: Mapping[str, int]
    categories: Mapping[str, int]
    currencies: Mapping[str, int]

    @classmethod
    def of(cls, records: Sequence[ProductRecord]) -> "NameNumbers":
        """The numbers of all names that at least two products have."""
        categories = [key for record in records for key in _levels(record.category) if key]
        return cls(
            _numbered(_key(record.brand) for record in records),
            _numbered(categories),
            _numbered(record.currency for record in records),
        )

    @property
    def sizes(self) -> tuple[int, int, int]:
        """The rows of the embedding tables of brands, categories and currencies."""
        return 2 + len(self.brands), 2 + len(self.categories), 2 + len(self.currencies)

    def numbers(self, record: ProductRecord) -> tuple[int, int, int, int]:
        """The numbers of a product's brand, category, main category and currency."""
        whole, main = _levels(record.category)
        return (
            _number(self.brands, _key(record.brand)),
            _number(self.categories, whole),
            _number(self.categories, main),
            _number(self.currencies, record.currency),
        )


class ProductEncoder:
    """Encodes products.

    Args:
        words: the tokenizer of the texts.
        names: the numbers of the names.
        idf: [buckets] of the bag of terms.
        scale: mean and spread of the training products' log-prices.
        limits: most tokens of each text, in the order of the texts.
    """

    def __init__(
        self,
        words: TextTokenizer,
        names: NameNumbers,
        idf: NDArray[np.float32],
        scale: tuple[float, float],
        limits: Sequence[int],
    ) -> None:
        self.words, self.names, self.idf = words, names, idf
        self.scale, self.limits = scale, tuple(limits)

    @classmethod
    def fit(
        cls,
        records: Sequence[ProductRecord],
        log_prices: Floats,
        params: NetworkParams,
        buckets: int,
        words: TextTokenizer | None = None,
    ) -> "ProductEncoder":
        """The encoder fitted on training products.

        Args:
            records: N products.
            log_prices: [N]; NaN where a price is unknown.
            params: the vocabulary and the limits of tokens.
            buckets: of the bag of terms.
            words: a trained tokenizer; ``None``: a byte-pair encoding is trained.
        """
        if words is None:
            texts = (text for record in records for text in texts_of(record) if text)
            words = BytePairs.train(texts, params.vocabulary)
        idf = rarity((_all_terms(record, buckets) for record in records), buckets)
        known = log_prices[~np.isnan(log_prices)]
        spread = float(known.std()) if len(known) > 1 else 0.0
        scale = (float(known.mean()) if len(known) else 0.0, spread or 1.0)
        limits = (
            params.title_tokens, BRAND_TOKENS, params.attribute_tokens, params.description_tokens,
        )  # fmt: skip
        return cls(words, NameNumbers.of(records), idf, scale, limits)

    def __call__(self, record: ProductRecord) -> EncodedProduct:
        """The encoding of one product."""
        texts = texts_of(record)
        tokens, fields, words = self.words.read(texts, self.limits)
        found = [
            (field, counts)
            for field, text in enumerate(texts)
            if text and (counts := _field_terms(field, text, len(self.idf)))
        ]
        shares = [TERM_SHARES[field] * weights(counts, self.idf) for field, counts in found]
        log_price = math.log(record.price) if record.price > 0 else math.nan
        return EncodedProduct(
            np.array(tokens, np.int32),
            np.array(fields, np.int8),
            np.array(words, np.int16),
            np.array([bucket for _, counts in found for bucket in counts], np.int32),
            np.concatenate([*shares, np.zeros(0, np.float32)]),
            np.array([field for field, counts in found for _ in counts], np.int8),
            None if record.image is None else record.image.pixels,
            (log_price - self.scale[0]) / self.scale[1],
            self.names.numbers(record),
        )

    def state(self) -> dict[str, Any]:
        """The state as JSON; ``words`` and ``idf`` are kept in files of their own."""
        names = self.names
        return {
            "brands": dict(names.brands),
            "categories": dict(names.categories),
            "currencies": dict(names.currencies),
            "scale": list(self.scale),
            "limits": list(self.limits),
        }

    @classmethod
    def restore(
        cls, state: Mapping[str, Any], words: TextTokenizer, idf: NDArray[np.float32]
    ) -> "ProductEncoder":
        """The inverse of :meth:`state`."""
        names = NameNumbers(state["brands"], state["categories"], state["currencies"])
        return cls(words, names, idf, tuple(state["scale"]), state["limits"])


def inputs_of(encoded: Sequence[EncodedProduct], step: int = 1) -> Inputs:
    """The tensors of N products.

    Args:
        encoded: the products.
        step: T is rounded up to a multiple of it, so that few different shapes occur.

    Returns:
        ``tokens, fields, words`` [N, T], ``present`` [N, T] (false on padding), ``terms, weights,
        term_fields`` [N, G], ``price`` [N] (0 where unknown), ``has_price`` [N], ``names`` [N, 4],
        ``image_row`` [N]: the position of a product's picture among those of :func:`pictures_of`;
        -1 without a picture.
    """
    length = step * -(-max(1, *(len(one.tokens) for one in encoded)) // step)
    terms = max(1, *(len(one.terms) for one in encoded))
    has_image = np.array([one.pixels is not None for one in encoded])
    prices = torch.tensor([one.price for one in encoded], dtype=torch.float32)
    return {
        "tokens": _filled([one.tokens for one in encoded], length, np.int32),
        "fields": _filled([one.fields for one in encoded], length, np.int32),
        "words": _filled([one.words for one in encoded], length, np.int64),
        "present": _filled([np.ones(len(one.tokens)) for one in encoded], length, np.bool_),
        "terms": _filled([one.terms for one in encoded], terms, np.int32),
        "weights": _filled([one.weights for one in encoded], terms, np.float32),
        "term_fields": _filled([one.term_fields for one in encoded], terms, np.int32),
        "price": prices.nan_to_num(),
        "has_price": ~prices.isnan(),
        "names": torch.tensor([one.names for one in encoded]),
        "image_row": torch.from_numpy(np.where(has_image, has_image.cumsum() - 1, -1)),
    }


def pictures_of(encoded: Sequence[EncodedProduct]) -> Tensor:
    """[M, S, S, 3] the bytes of the M pictures of the products."""
    found = [one.pixels for one in encoded if one.pixels is not None]
    return torch.from_numpy(np.stack(found)) if found else torch.zeros(0, 1, 1, 3).byte()


def _filled(rows: Sequence[NDArray[Any]], length: int, kind: type) -> Tensor:
    filled: NDArray[Any] = np.zeros((len(rows), length), kind)
    for target, row in zip(filled, rows, strict=True):
        target[: len(row)] = row
    return torch.from_numpy(filled)


def _field_terms(field: int, text: str, buckets: int) -> dict[int, int]:
    """The terms of a text; pieces of words for the title only, as long texts have very many."""
    return counted_terms(text, buckets, pieces=field == TITLE)


def _all_terms(record: ProductRecord, buckets: int) -> dict[int, int]:
    found: dict[int, int] = {}
    for field, text in enumerate(texts_of(record)):
        found |= _field_terms(field, text, buckets)
    return found


def _key(name: str) -> str:
    return " ".join(name.lower().split())


def _levels(category: str) -> tuple[str, str]:
    """The keys of ``main > sub`` and of ``main``; equal where there is one level."""
    parts = [_key(part) for part in category.split(SEPARATOR.strip())]
    return SEPARATOR.join(parts), parts[0]


def _numbered(names: Iterable[str]) -> dict[str, int]:
    counts = Counter(name for name in names if name)
    often = sorted(name for name, count in counts.items() if count > 1)
    return {name: number for number, name in enumerate(often, start=2)}


def _number(numbers: Mapping[str, int], name: str) -> int:
    return numbers.get(name, UNKNOWN) if name else ABSENT
