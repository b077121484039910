"""What the linear members see of a product, as blocks of sparse columns.

Legend: N records, F columns.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from scipy.sparse import csr_matrix, hstack

from crisol.models.products.linear_params import FeatureParams
from crisol.models.products.member import Floats
from crisol.models.products.picture_features import PictureFeatures
from crisol.models.products.records import Record
from crisol.models.products.taxonomy import SEPARATOR
from crisol.models.products.terms import Sparse, Terms, words

Block = Literal["words", "characters", "names", "picture", "category", "price"]

Row = Mapping[Block, Sparse]
"""A record: its columns in every block."""
WordShare = tuple[int, float, str, float]

_STEPS = 20
"""Between how many quantiles of the price is told apart, beside its logarithm."""


def all_text(record: Record) -> str:
    """Everything that is written, a line each."""
    attributes = (f"{name} {value}" for name, value in record.attributes.items())
    return "\n".join((record.title, record.description, record.brand, *attributes))


def names_of(record: Record) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The brand and the first words of the title, each with the words it is made of."""
    if record.brand:
        yield f"brand {record.brand.lower()}", tuple(words(record.brand))
    first = tuple(record.title.lower().split()[:2])
    for size in range(1, len(first) + 1):
        yield f"first {' '.join(first[:size])}", tuple(w for p in first[:size] for w in words(p))


def categories_of(record: Record) -> Iterator[str]:
    """The given category, and its first level."""
    levels = tuple(record.category.split(SEPARATOR)) if record.category else ()
    for size in range(1, len(levels) + 1):
        yield SEPARATOR.join(levels[:size])


@dataclass(frozen=True)
class Indicators:
    """Columns that say whether a record has a certain name."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, rows: Iterable[Iterable[str]], min_rows: int) -> Self:
        """The names that so many rows have."""
        counts = Counter(name for row in rows for name in set(row))
        return cls(tuple(sorted(name for name, count in counts.items() if count >= min_rows)))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    def place(self, name: str) -> int | None:
        """The column of a name."""
        return self._places.get(name)

    def mark(self, names: Iterable[str], weight: float) -> Sparse:
        """The columns of the known names."""
        columns = np.array(sorted({self._places[n] for n in names if n in self._places}), np.int64)
        return columns, np.full(len(columns), weight)


@dataclass(frozen=True)
class PriceFeatures:
    """The logarithm of the price, standardised, and between which quantiles it lies.

    Attributes:
        mean: of the logarithm.
        spread: its standard deviation.
        edges: quantiles, ascending.
    """

    mean: float
    spread: float
    edges: Floats

    @classmethod
    def of(cls, log_prices: Floats) -> Self:
        """From the prices of some products [N]."""
        edges = np.unique(np.quantile(log_prices, np.linspace(0, 1, _STEPS + 1)[1:-1]))
        return cls(float(log_prices.mean()), float(log_prices.std()) or 1.0, edges)

    @property
    def size(self) -> int:
        """How many columns."""
        return len(self.edges) + 2

    def mark(self, price: float, weight: float) -> Sparse:
        """Nothing where there is no price."""
        if not price > 0:
            return np.zeros(0, np.int64), np.zeros(0)
        logarithm = np.log(price)
        step = np.searchsorted(self.edges, logarithm)
        height = np.clip((logarithm - self.mean) / self.spread, -4, 4)
        return np.array([step, self.size - 1]), weight * np.array([1.0, height])


@dataclass(frozen=True)
class LinearFeatures:
    """Turns records into columns; everything it counts is counted on training products.

    Attributes:
        params: the weights of the blocks.
        words: of all texts.
        characters: of the title; ``None``: left out.
        names: brands and first words.
        categories: what the shop says.
        prices: ``None`` where no price is known.
        pictures: ``None`` where there are none.
    """

    params: FeatureParams
    words: Terms
    characters: Terms | None
    names: Indicators
    categories: Indicators
    prices: PriceFeatures | None
    pictures: PictureFeatures | None

    @classmethod
    def of(cls, records: Sequence[Record], params: FeatureParams) -> Self:
        """Count on training records."""
        least = params.min_rows
        pixels = [record.image.pixels for record in records if record.image is not None]
        components = params.image_components if len(pixels) > 1 else 0
        logs = np.log([record.price for record in records if record.price > 0])
        return cls(
            params,
            Terms.of(
                map(all_text, records), "word", (1, 2), min_rows=least, most=params.max_features
            ),
            Terms.of(
                (record.title for record in records),
                "char",
                (3, 5),
                min_rows=least,
                most=params.max_characters,
            )
            if params.max_characters
            else None,
            Indicators.of(([name for name, _ in names_of(record)] for record in records), least),
            Indicators.of(map(categories_of, records), least),
            PriceFeatures.of(logs) if len(logs) and params.price else None,
            PictureFeatures.fit(pixels, components) if components else None,
        )

    @cached_property
    def sizes(self) -> dict[Block, int]:
        """How many columns every block has, of those that there are."""
        params = self.params
        sizes: dict[Block, int] = {
            "words": len(self.words),
            "characters": 0 if self.characters is None else len(self.characters),
            "names": len(self.names.names) if params.names else 0,
            "picture": 0 if self.pictures is None else self.pictures.axes.shape[1],
            "category": len(self.categories.names) if params.category else 0,
            "price": 0 if self.prices is None else self.prices.size,
        }
        return {block: size for block, size in sizes.items() if size}

    def of_records(self, records: Iterable[Record]) -> list[dict[Block, Sparse]]:
        """The columns of each record in every block.

        What several records share, such as the picture of one product's variants, is read once.
        """
        read: dict[tuple[Block, object], Sparse] = {}
        rows: list[dict[Block, Sparse]] = []
        for record in records:
            keys: dict[Block, object] = {
                "words": all_text(record),
                "characters": record.title,
                "picture": id(record.image),
            }
            row: dict[Block, Sparse] = {}
            for block in self.sizes:
                if block not in keys:
                    row[block] = self._block(block, record)
                    continue
                key = block, keys[block]
                if key not in read:
                    read[key] = self._block(block, record)
                row[block] = read[key]
            rows.append(row)
        return rows

    def _block(self, block: Block, record: Record) -> Sparse:
        params = self.params
        if block == "words":
            return self.words.weigh(all_text(record))
        if block == "characters" and self.characters is not None:
            return self.characters.weigh(record.title)
        if block == "names":
            return self.names.mark((name for name, _ in names_of(record)), params.names)
        if block == "category":
            return self.categories.mark(categories_of(record), params.category)
        if block == "price" and self.prices is not None:
            return self.prices.mark(record.price, params.price)
        if block == "picture" and self.pictures is not None and record.image is not None:
            values = self.pictures.transform(record.image.pixels)
            return np.arange(len(values)), values * (params.image / np.sqrt(len(values)))
        return np.zeros(0, np.int64), np.zeros(0)

    def matrix(self, rows: Sequence[Row], wanted: Sequence[Block]) -> csr_matrix:
        """[N, F] float64: those of the wanted blocks that there are, side by side."""
        there = [block for block in wanted if block in self.sizes]
        return hstack([_stacked([r[b] for r in rows], self.sizes[b]) for b in there], format="csr")

    def word_shares(self, record: Record, blocks: Sequence[Block]) -> Iterator[WordShare]:
        """How much of a record's columns each of its words has, in the columns of these blocks.

        Yields:
            A column of the blocks side by side, its value, and a word's share of it.
        """
        start = 0
        for block in blocks:
            if block in ("words", "characters"):
                terms = self.words if block == "words" else self.characters
                assert terms is not None
                text = all_text(record) if block == "words" else record.title
                for column, value, share in zip(*terms.trace(text), strict=True):
                    for word, part in share.items():
                        yield start + int(column), float(value), word, part
            elif block == "names":
                for name, made_of in names_of(record):
                    column = self.names.place(name)
                    if column is not None and made_of:
                        for word in made_of:
                            yield start + column, self.params.names, word, 1 / len(made_of)
            start += self.sizes[block]

    def state(self) -> tuple[dict[str, Floats], dict[str, Any]]:
        """Arrays, and JSON."""
        arrays = {"words.idf": self.words.idf}
        json: dict[str, Any] = {
            "params": {name: getattr(self.params, name) for name in FeatureParams.model_fields},
            "words": self.words.state(),
            "characters": None,
            "names": list(self.names.names),
            "categories": list(self.categories.names),
            "prices": None,
        }
        if self.characters is not None:
            arrays["characters.idf"] = self.characters.idf
            json["characters"] = self.characters.state()
        if self.prices is not None:
            arrays["prices.edges"] = self.prices.edges
            json["prices"] = {"mean": self.prices.mean, "spread": self.prices.spread}
        if self.pictures is not None:
            arrays["pictures.mean"] = self.pictures.mean
            arrays["pictures.axes"] = self.pictures.axes
        return arrays, json

    @classmethod
    def restore(cls, arrays: Mapping[str, Floats], json: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`state`."""
        characters, prices = json["characters"], json["prices"]
        return cls(
            FeatureParams.model_validate(json["params"]),
            Terms.restore(json["words"], arrays["words.idf"]),
            None if characters is None else Terms.restore(characters, arrays["characters.idf"]),
            Indicators(tuple(json["names"])),
            Indicators(tuple(json["categories"])),
            None if prices is None else PriceFeatures(**prices, edges=arrays["prices.edges"]),
            PictureFeatures(arrays["pictures.mean"], arrays["pictures.axes"])
            if "pictures.mean" in arrays
            else None,
        )


def _stacked(rows: Sequence[Sparse], size: int) -> csr_matrix:
    starts = np.concatenate([[0], np.cumsum([len(columns) for columns, _ in rows])])
    columns, values = (np.concatenate([row[part] for row in rows]) for part in (0, 1))
    return csr_matrix((values, columns, starts), shape=(len(rows), size))
