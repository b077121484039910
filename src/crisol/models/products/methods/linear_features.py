"""The features of a product for the linear and the kernel member: blocks of sparse columns.

Legend: N records, F columns.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from scipy.sparse import csr_matrix, hstack

from crisol.core.arrays import Floats
from crisol.core.backbone_reference import BackboneReference
from crisol.core.text.terms import Sparse, Terms, sparse_matrix
from crisol.models.products.backbones import Backbones
from crisol.models.products.data.records import ProductRecord
from crisol.models.products.linear_params import FeatureParams
from crisol.models.products.methods.columns import Indicators, PriceFeatures, QuantityFeatures
from crisol.models.products.methods.meaning import Meaning, fit_meanings
from crisol.models.products.methods.picture_features import PictureFeatures
from crisol.models.products.methods.record_texts import (
    all_text,
    attribute_lines,
    categories_of,
    names_of,
)
from crisol.models.products.methods.topics import Topics

Block = Literal[
    "words", "characters", "names", "attributes", "topics", "quantities", "picture", "category",
    "price", "title_meaning", "text_meaning", "picture_meaning",
]  # fmt: skip

SparseRow = Mapping[Block, Sparse]
"""The columns of one record in every block."""
WordShare = tuple[int, float, str, float]
"""A column, its value, a word, and the word's share of the value."""

MIN_QUANTITIES = 20
"""Least number of products that must name a quantity."""


@dataclass(frozen=True)
class LinearFeatures:
    """Computes the columns of records; its vocabulary and scales come from training products.

    Attributes:
        params: the weights of the blocks.
        words: terms of all texts.
        characters: character n-grams of the title; ``None``: left out.
        names: brands and first words.
        attributes: names, and names with values; ``None``: left out.
        topics: latent directions of all texts; ``None``: left out.
        amounts: quantities of all texts; ``None``: left out.
        categories: the shop's categories.
        prices: ``None`` where no price is known.
        pictures: ``None`` where there are no pictures.
        meanings: vectors by pretrained encoders, of the fields that have them.
    """

    params: FeatureParams
    words: Terms
    characters: Terms | None
    names: Indicators
    attributes: Terms | None
    topics: Topics | None
    amounts: QuantityFeatures | None
    categories: Indicators
    prices: PriceFeatures | None
    pictures: PictureFeatures | None
    meanings: Mapping[Block, Meaning] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        records: Sequence[ProductRecord],
        params: FeatureParams,
        backbones: Backbones = Backbones(),  # noqa: B008 - frozen
    ) -> Self:
        """The features fitted on training records.

        Raises:
            BackboneError: a backbone is missing or changed.
        """
        least = params.min_rows
        pixels = [record.image.pixels for record in records if record.image is not None]
        components = params.image_components if len(pixels) > 1 else 0
        texts = [all_text(record) for record in records]
        logs = np.log([record.price for record in records if record.price > 0])
        return cls(
            params,
            Terms.of(texts, "word", (1, 2), min_rows=least, most=params.max_features),
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
            Terms.of(map(attribute_lines, records), "line", (1, 1), min_rows=least)
            if params.attributes
            else None,
            Topics.of(texts, params.topics, params.max_features) if params.topics else None,
            QuantityFeatures.of(texts, MIN_QUANTITIES) if params.quantities else None,
            Indicators.of(map(categories_of, records), least),
            PriceFeatures.of(logs) if len(logs) and params.price else None,
            PictureFeatures.fit(pixels, components) if components else None,
            {one.field: one for one in fit_meanings(records, params, backbones)},
        )

    @property
    def backbones(self) -> tuple[BackboneReference, ...]:
        """The pretrained encoders that the columns need."""
        return tuple(dict.fromkeys(one.reference for one in self.meanings.values()))

    @cached_property
    def sizes(self) -> dict[Block, int]:
        """The number of columns of every block that is not empty."""
        params = self.params
        sizes: dict[Block, int] = {
            "words": len(self.words),
            "characters": 0 if self.characters is None else len(self.characters),
            "names": len(self.names.names) if params.names else 0,
            "attributes": 0 if self.attributes is None else len(self.attributes),
            "topics": 0 if self.topics is None else self.topics.directions.shape[1],
            "quantities": 0 if self.amounts is None else len(self.amounts.means),
            "picture": 0 if self.pictures is None else self.pictures.axes.shape[1],
            "category": len(self.categories.names) if params.category else 0,
            "price": 0 if self.prices is None else self.prices.size,
            **{block: meaning.axes.shape[1] for block, meaning in self.meanings.items()},
        }
        return {block: size for block, size in sizes.items() if size}

    def of_records(
        self,
        records: Sequence[ProductRecord],
        wanted: Iterable[Block] | None = None,
        *,
        training: bool = False,
    ) -> list[dict[Block, Sparse]]:
        """The columns of each record in every block, or in the wanted ones.

        A text or picture that several records share is processed once.

        Args:
            records: N products.
            wanted: blocks; ``None``: all.
            training: whether the encoders' vectors are taken from the cache on disk and kept there.
        """
        blocks = self.sizes if wanted is None else tuple(wanted)
        read: dict[tuple[Block, object], Sparse] = {}
        rows: list[dict[Block, Sparse]] = []
        if training:
            read = self._trained(records, blocks)
        for record in records:
            text = all_text(record)
            keys: dict[Block, object] = {
                "words": text,
                "topics": text,
                "quantities": text,
                "characters": record.title,
                "picture": id(record.image),
                **{block: meaning.key(record) for block, meaning in self.meanings.items()},
            }
            row: dict[Block, Sparse] = {}
            for block in blocks:
                if block not in keys:
                    row[block] = self._block(block, record)
                    continue
                key = block, keys[block]
                if key not in read:
                    read[key] = self._block(block, record)
                row[block] = read[key]
            rows.append(row)
        return rows

    def _trained(
        self, records: Sequence[ProductRecord], blocks: Iterable[Block]
    ) -> dict[tuple[Block, object], Sparse]:
        """The columns of training records by the encoders, by block and content."""
        found: dict[tuple[Block, object], Sparse] = {}
        for block in blocks:
            if block in self.meanings:
                meaning = self.meanings[block]
                for record, vector in zip(records, meaning.vectors(records), strict=True):
                    found[block, meaning.key(record)] = self._dense(block, vector)
        return found

    def _dense(self, block: Block, vector: Floats | None) -> Sparse:
        if vector is None:
            return np.zeros(0, np.int64), np.zeros(0)
        return np.arange(len(vector)), vector * np.float32(getattr(self.params, block))

    def _block(self, block: Block, record: ProductRecord) -> Sparse:
        params = self.params
        if block == "words":
            return self.words.weigh(all_text(record))
        if block == "characters" and self.characters is not None:
            return self.characters.weigh(record.title)
        if block == "names":
            return self.names.mark((name for name, _ in names_of(record)), params.names)
        if block == "attributes" and self.attributes is not None:
            columns, values = self.attributes.weigh(attribute_lines(record))
            return columns, values * params.attributes
        if block == "topics" and self.topics is not None:
            found = self.topics.of_text(all_text(record))
            return np.arange(len(found)), found * params.topic_weight
        if block == "quantities" and self.amounts is not None:
            return self.amounts.mark(all_text(record), params.quantities)
        if block == "category":
            return self.categories.mark(categories_of(record), params.category)
        if block == "price" and self.prices is not None:
            return self.prices.mark(record.price, params.price)
        if block == "picture" and self.pictures is not None and record.image is not None:
            values = self.pictures.transform(record.image.pixels)
            return np.arange(len(values)), values * (params.image / np.sqrt(len(values)))
        if block in self.meanings:
            return self._dense(block, self.meanings[block].vector(record))
        return np.zeros(0, np.int64), np.zeros(0)

    def matrix(self, rows: Sequence[SparseRow], wanted: Sequence[Block]) -> csr_matrix:
        """[N, F] float64: the wanted blocks, without the empty ones, side by side."""
        there = [block for block in wanted if block in self.sizes]
        return hstack(
            [sparse_matrix([r[b] for r in rows], self.sizes[b]) for b in there], format="csr"
        )

    def word_shares(self, record: ProductRecord, blocks: Sequence[Block]) -> Iterator[WordShare]:
        """The share that each word of a record has in the columns of some blocks.

        Yields:
            A column of the blocks side by side, its value, a word, and the word's share.
        """
        start = 0
        for block in blocks:
            terms, text, weight = {
                "words": (self.words, all_text(record), 1.0),
                "characters": (self.characters, record.title, 1.0),
                "attributes": (self.attributes, attribute_lines(record), self.params.attributes),
            }.get(block, (None, "", 0.0))
            if terms is not None:
                for column, value, share in zip(*terms.trace(text), strict=True):
                    for word, part in share.items():
                        yield start + int(column), float(value) * weight, word, part
            elif block == "names":
                for name, made_of in names_of(record):
                    column = self.names.place(name)
                    if column is not None and made_of:
                        for word in made_of:
                            yield start + column, self.params.names, word, 1 / len(made_of)
            start += self.sizes[block]

    def state(self) -> tuple[dict[str, Floats], dict[str, Any]]:
        """The fitted arrays, and the remaining state as JSON."""
        arrays = {"words.idf": self.words.idf}
        json: dict[str, Any] = {
            "params": {name: getattr(self.params, name) for name in FeatureParams.model_fields},
            "words": self.words.state(),
            "characters": None,
            "names": list(self.names.names),
            "attributes": None,
            "topics": None,
            "categories": list(self.categories.names),
            "prices": None,
            "meanings": {one.field: one.reference.to_json() for one in self.meanings.values()},
        }
        for block, meaning in self.meanings.items():
            arrays[f"{block}.mean"], arrays[f"{block}.axes"] = meaning.mean, meaning.axes
        if self.characters is not None:
            arrays["characters.idf"] = self.characters.idf
            json["characters"] = self.characters.state()
        if self.attributes is not None:
            arrays["attributes.idf"] = self.attributes.idf
            json["attributes"] = self.attributes.state()
        if self.topics is not None:
            found, json["topics"] = self.topics.state()
            arrays |= {f"topics.{name}": array for name, array in found.items()}
        if self.amounts is not None:
            arrays["amounts.means"] = self.amounts.means
            arrays["amounts.spreads"] = self.amounts.spreads
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
        characters, prices, attributes = json["characters"], json["prices"], json["attributes"]
        topics = {
            name: arrays[f"topics.{name}"] for name in ("idf", "directions") if json["topics"]
        }
        return cls(
            FeatureParams.model_validate(json["params"]),
            Terms.restore(json["words"], arrays["words.idf"]),
            None if characters is None else Terms.restore(characters, arrays["characters.idf"]),
            Indicators(tuple(json["names"])),
            None if attributes is None else Terms.restore(attributes, arrays["attributes.idf"]),
            Topics.restore(topics, json["topics"]) if topics else None,
            QuantityFeatures(arrays["amounts.means"], arrays["amounts.spreads"])
            if "amounts.means" in arrays
            else None,
            Indicators(tuple(json["categories"])),
            None if prices is None else PriceFeatures(**prices, edges=arrays["prices.edges"]),
            PictureFeatures(arrays["pictures.mean"], arrays["pictures.axes"])
            if "pictures.mean" in arrays
            else None,
            {
                block: Meaning.restore(
                    block, reference, arrays[f"{block}.mean"], arrays[f"{block}.axes"]
                )
                for block, reference in json.get("meanings", {}).items()
            },
        )
