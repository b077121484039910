"""One space for words and pictures: trained projections of the vectors of frozen backbones.

The vector of a text, and that of a picture, joins two parts, each of length one: the projection
that was trained with InfoNCE (arXiv:1807.03748; of two modalities as in CLIP, arXiv:2103.00020),
and the principal components of a picture, which a ridge regression predicts from a text. The inner
product of two vectors is thus a weighted mean of the two cosines.

Legend: N products, F text features, T terms, P picture features, H hidden, E projection, K
components.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from safetensors.numpy import load_file, save_file
from scipy.special import erf

from crisol.core.arrays import Floats, unit
from crisol.core.backbone_reference import BackboneReference
from crisol.core.backbones.picture_encoder import picture_encoder
from crisol.core.backbones.text_encoder import text_encoder
from crisol.core.text.terms import Terms
from crisol.models.products.data.records import ProductRecord
from crisol.models.products.methods.topics import Topics

ARRAYS, STATE = "embedding.safetensors", "embedding.json"
DESCRIPTION_CHARACTERS = 300
"""Most characters of a description that the text backbone reads."""
PROJECTION_WEIGHT = 0.6
"""Weight of the projection's cosine, chosen on training products of Myntra and Flipkart."""


@dataclass(frozen=True)
class Modalities:
    """The vectors of N products.

    Attributes:
        text: [N, E + K] of length 1; zeros without words.
        image: likewise; zeros without a picture.
    """

    text: Floats
    image: Floats

    @property
    def embedding(self) -> Floats:
        """[N, E + K] the mean of both at length 1; zeros where both are zero."""
        return unit(self.text + self.image)

    @property
    def agreement(self) -> Floats:
        """[N] cosine of text and picture; NaN where one of them is missing."""
        both = self.text.any(axis=1) & self.image.any(axis=1)
        return np.where(both, (self.text * self.image).sum(axis=1), np.nan)


@dataclass(frozen=True)
class RetrievalEmbedding:
    """Embeds the title and description, and the picture, of products.

    Attributes:
        text: the backbone of titles and descriptions.
        picture: the backbone of pictures.
        topics: of the training texts.
        terms: words and pairs of words of the training texts.
        arrays: means, projections, components and coefficients, see
            :mod:`crisol.models.products.embedding.retrieval_training`.
    """

    text: BackboneReference
    picture: BackboneReference
    topics: Topics
    terms: Terms
    arrays: Mapping[str, Floats]

    @property
    def size(self) -> int:
        """The length E + K of the vectors."""
        return int(self.arrays["text.w2"].shape[1] + self.arrays["components"].shape[1])

    @property
    def embedding_id(self) -> str:
        """The id of the space: a digest of the backbones, the arrays and the vocabularies."""
        arrays, state = self._state()
        digest = hashlib.sha256(json.dumps(state, sort_keys=True).encode())
        for name, part in sorted(arrays.items()):
            digest.update(name.encode() + part.tobytes())
        return digest.hexdigest()[:16]

    def modalities(self, records: Sequence[ProductRecord]) -> Modalities:
        """The vectors of N records, each computed apart from the others.

        Raises:
            BackboneError: a backbone is missing or changed.
        """
        text = np.zeros((len(records), self.size), np.float32)
        image = np.zeros_like(text)
        for row, record in enumerate(records):
            if text_of(record):
                text[row] = self._text(record)
            if record.image is not None:
                raw = picture_encoder(self.picture).encode([record.image.pixels])
                image[row] = self._image(raw)[0]
        return Modalities(text, image)

    def embed(self, records: Sequence[ProductRecord]) -> Floats:
        """[N, E + K] of length 1; zeros without words and picture."""
        return self.modalities(records).embedding

    def _text(self, record: ProductRecord) -> Floats:
        title, description = text_encoder(self.text).encode(
            [record.title, record.description[:DESCRIPTION_CHARACTERS]]
        )
        parts = [title[None], description[None], self.topics.of_text(text_of(record))[None]]
        x_F = centred(parts, self.arrays)[0]
        columns, values = self.terms.weigh(text_of(record))
        expected_K = x_F @ self.arrays["ridge.dense"]
        expected_K += values.astype(np.float32) @ self.arrays["ridge.terms"][columns]
        found = joined(projected(x_F[None], self.arrays, "text"), expected_K[None])
        return np.asarray(found[0])

    def _image(self, raw_NP: Floats) -> Floats:
        x_NK = picture_components(raw_NP, self.arrays)
        return joined(projected(x_NK, self.arrays, "image"), x_NK)

    # -- storing ---------------------------------------------------------------------------------

    def write(self, directory: Path) -> None:
        """Write ``embedding.safetensors`` and ``embedding.json``; the backbones by reference."""
        arrays, state = self._state()
        save_file(
            {name: np.ascontiguousarray(part) for name, part in arrays.items()}, directory / ARRAYS
        )
        (directory / STATE).write_text(json.dumps(state))

    @classmethod
    def read(cls, directory: Path) -> Self:
        """The inverse of :meth:`write`; the backbones are opened at the first use."""
        arrays = load_file(directory / ARRAYS)
        state = json.loads((directory / STATE).read_text())
        topics = {name: arrays.pop(f"topics.{name}") for name in ("idf", "directions")}
        return cls(
            BackboneReference.from_json(state["text"]),
            BackboneReference.from_json(state["picture"]),
            Topics.restore(topics, state["topics"]),
            Terms.restore(state["terms"], arrays.pop("terms.idf")),
            arrays,
        )

    def _state(self) -> tuple[dict[str, Floats], dict[str, Any]]:
        topics, words = self.topics.state()
        arrays = {
            **self.arrays,
            **{f"topics.{name}": part for name, part in topics.items()},
            "terms.idf": self.terms.idf,
        }
        return arrays, {
            "text": self.text.to_json(),
            "picture": self.picture.to_json(),
            "topics": words,
            "terms": self.terms.state(),
        }


def text_of(record: ProductRecord) -> str:
    """The words that are embedded."""
    return f"{record.title} {record.description}".strip()


def centred(parts: Sequence[Floats], arrays: Mapping[str, Floats]) -> Floats:
    """[N, F] the parts side by side, each without its mean; a missing part, of zeros, stays so."""
    joined_parts = [
        np.where(part.any(axis=1, keepdims=True), part - arrays[f"mean.{number}"], 0)
        for number, part in enumerate(parts)
    ]
    return np.concatenate(joined_parts, axis=1).astype(np.float32)


def picture_components(raw_NP: Floats, arrays: Mapping[str, Floats]) -> Floats:
    """[N, K] the principal components of the square roots of picture features, standardised."""
    standard = (np.sqrt(raw_NP) - arrays["picture.mean"]) / arrays["picture.spread"]
    return np.asarray(standard @ arrays["components"], np.float32)


def projected(x_NF: Floats, arrays: Mapping[str, Floats], side: str) -> Floats:
    """[N, E] of one hidden layer with GELU (arXiv:1606.08415)."""
    hidden = x_NF @ arrays[f"{side}.w1"] + arrays[f"{side}.b1"]
    hidden = hidden * (1 + erf(hidden / np.float32(np.sqrt(2)))) / 2
    return np.asarray(hidden @ arrays[f"{side}.w2"] + arrays[f"{side}.b2"], np.float32)


def joined(projection_NE: Floats, components_NK: Floats) -> Floats:
    """[N, E + K] both at length one, weighted, side by side."""
    left = math.sqrt(PROJECTION_WEIGHT) * unit(projection_NE)
    right = math.sqrt(1 - PROJECTION_WEIGHT) * unit(components_NK)
    return np.asarray(unit(np.concatenate([left, right], axis=1)), np.float32)
