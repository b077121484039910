"""Vectors of titles, descriptions and pictures by pretrained encoders, as columns of products.

A vector is centred by the training products' mean and turned to their principal components, of
which the first K are kept: dense columns make the regressions slow. It is divided by the root mean
square of its length, so that a block has length about one; the components keep their variances.
Encoders see one text or picture at a time: a vector never depends on the other products of a call.
Pictures' features are square-rooted and scaled to length one first (as in RootSIFT, Arandjelović
and Zisserman, CVPR 2012).

Legend: N products, D dimensions, K components.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, Self

import numpy as np

from crisol.core.arrays import Floats
from crisol.core.backbone_reference import BackboneReference
from crisol.core.backbones import store
from crisol.core.backbones.cached import picture_vectors, text_vectors
from crisol.core.backbones.picture_encoder import picture_encoder
from crisol.core.backbones.text_encoder import text_encoder
from crisol.core.data.pictures import Pixels
from crisol.models.products.backbones import Backbones
from crisol.models.products.data.records import ProductRecord
from crisol.models.products.linear_params import FeatureParams

Field = Literal["title_meaning", "text_meaning", "picture_meaning"]
FIELDS: tuple[Field, ...] = ("title_meaning", "text_meaning", "picture_meaning")
_LEAST_VARIANCE = 1e-9
_REMEMBERED_TEXTS, _REMEMBERED_PICTURES = 8192, 1024


@dataclass(frozen=True)
class Meaning:
    """The scaled vectors of one field.

    Attributes:
        field: what is encoded.
        reference: of the encoder.
        mean: [D] float32 over the training products.
        axes: [D, K] float32, the scaled principal components.
    """

    field: Field
    reference: BackboneReference
    mean: Floats
    axes: Floats

    @classmethod
    def fit(
        cls,
        field: Field,
        reference: BackboneReference,
        records: Sequence[ProductRecord],
        components: int,
    ) -> "Meaning | None":
        """The mean and components of training products; ``None`` where fewer than two differ.

        Their vectors are computed in batches and kept in the cache on disk.
        """
        found = _training_vectors(field, reference, [one for one in records if _has(field, one)])
        if len(found) < 2:
            return None
        mean = found.mean(axis=0, dtype=np.float64)
        centred = found - mean
        values, axes = np.linalg.eigh(centred.T @ centred / len(centred))
        if values[-1] < _LEAST_VARIANCE:
            return None
        kept = np.argsort(-values, kind="stable")[: min(components, len(found) - 1)]
        kept = kept[values[kept] > 1e-9 * values[-1]]
        axes = axes[:, kept]
        # The sign of an axis is arbitrary: its largest component is made positive.
        axes *= np.where(axes[np.abs(axes).argmax(axis=0), np.arange(len(kept))] < 0, -1, 1)
        # Row-major as after loading, so that sums agree to the last bit.
        scaled = np.ascontiguousarray(axes / np.sqrt(values[kept].sum()), np.float32)
        return cls(field, reference, mean.astype(np.float32), scaled)

    def key(self, record: ProductRecord) -> object:
        """The input of the vector; products of equal keys have equal vectors."""
        return id(record.image) if self.field == "picture_meaning" else _text(self.field, record)

    def vectors(self, records: Sequence[ProductRecord]) -> list[Floats | None]:
        """The vector [K] float32 of each training product, through the cache on disk."""
        found: list[Floats | None] = [None] * len(records)
        there = [row for row, record in enumerate(records) if _has(self.field, record)]
        raw = _training_vectors(self.field, self.reference, [records[row] for row in there])
        for row, vector in zip(there, raw, strict=True):
            found[row] = self._scaled(vector)
        return found

    def vector(self, record: ProductRecord) -> Floats | None:
        """[K] float32; ``None`` where the product lacks the field."""
        if not _has(self.field, record):
            return None
        if self.field == "picture_meaning":
            assert record.image is not None  # it has the field
            pixels = record.image.pixels
            found = _of_picture(self.reference, pixels.tobytes(), pixels.shape)
            return self._scaled(_rooted(found[None])[0])
        return self._scaled(_of_text(self.reference, _text(self.field, record)))

    @classmethod
    def restore(cls, field: Field, reference: dict[str, Any], mean: Floats, axes: Floats) -> Self:
        """A stored one; its encoder is looked for.

        Raises:
            BackboneError: it is not on this machine; names the command.
        """
        found = BackboneReference.from_json(reference)
        store.referred(found)
        return cls(field, found, mean, axes)

    def _scaled(self, vector: Floats) -> Floats:
        return np.asarray((vector - self.mean) @ self.axes)


def _has(field: Field, record: ProductRecord) -> bool:
    if field == "picture_meaning":
        return record.image is not None
    return bool(_text(field, record).strip())


def _training_vectors(
    field: Field, reference: BackboneReference, records: Sequence[ProductRecord]
) -> Floats:
    """[N, D] the vectors of N training products that have the field, through the cache on disk."""
    if field == "picture_meaning":
        pictures = [one.image.pixels for one in records if one.image is not None]
        return _rooted(picture_vectors(reference, pictures))
    return text_vectors(reference, [_text(field, one) for one in records])


def _text(field: Field, record: ProductRecord) -> str:
    return record.title if field == "title_meaning" else record.description


def _rooted(vectors: Floats) -> Floats:
    """[N, D] the square roots, of length one; the features of the encoder are not negative."""
    if not len(vectors):
        return vectors
    roots = np.sign(vectors) * np.sqrt(np.abs(vectors))
    lengths = np.sqrt((roots**2).sum(axis=1, keepdims=True))
    return np.asarray(roots / np.maximum(lengths, 1e-9), np.float32)


def fit_meanings(
    records: Sequence[ProductRecord], params: FeatureParams, backbones: Backbones
) -> list[Meaning]:
    """The fields with a weight, an encoder, and training products that differ in them."""
    found: list[Meaning] = []
    for field in FIELDS:
        reference = backbones.picture if field == "picture_meaning" else backbones.text
        if reference is not None and getattr(params, field):
            meaning = Meaning.fit(field, reference, records, params.meaning_components)
            if meaning is not None:
                found.append(meaning)
    return found


@lru_cache(maxsize=_REMEMBERED_TEXTS)
def _of_text(reference: BackboneReference, text: str) -> Floats:
    """[D] float32. Members and the variants that drivers ask for share most texts."""
    found: Floats = text_encoder(reference).encode([text])[0]
    return found


@lru_cache(maxsize=_REMEMBERED_PICTURES)
def _of_picture(reference: BackboneReference, pixels: bytes, shape: tuple[int, ...]) -> Floats:
    """[D] float32."""
    picture: Pixels = np.frombuffer(pixels, np.uint8).reshape(shape)
    found: Floats = picture_encoder(reference).encode([picture])[0]
    return found
