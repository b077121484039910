"""Vectors of many texts and pictures for training and evaluation, through the cache on disk."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from crisol.core.arrays import Floats
from crisol.core.backbone_reference import BackboneReference
from crisol.core.backbones.embedding_cache import EmbeddingCache
from crisol.core.backbones.picture_encoder import PictureEncoder, picture_encoder
from crisol.core.backbones.text_encoder import TextEncoder, text_encoder
from crisol.core.data.pictures import Pixels


def text_vectors(
    reference: BackboneReference, texts: Sequence[str], cache: EmbeddingCache | None = None
) -> Floats:
    """[N, D] float32; see :meth:`~crisol.core.backbones.text_encoder.TextEncoder.encode`.

    Raises:
        BackboneError: the backbone is missing or changed.
    """
    return _cached(text_encoder(reference), texts, [text.encode() for text in texts], cache)


def picture_vectors(
    reference: BackboneReference, pictures: Sequence[Pixels], cache: EmbeddingCache | None = None
) -> Floats:
    """[N, D] float32; see :meth:`~crisol.core.backbones.picture_encoder.PictureEncoder.encode`.

    Raises:
        BackboneError: the backbone is missing or changed.
    """
    contents = [f"{one.shape}\0".encode() + one.tobytes() for one in pictures]
    return _cached(picture_encoder(reference), pictures, contents, cache)


def _cached(
    encoder: TextEncoder | PictureEncoder,
    items: Sequence[Any],
    contents: Sequence[bytes],
    cache: EmbeddingCache | None,
) -> Floats:
    """[N, D] the vectors of N items, which are looked up by their contents."""
    if not items:
        return np.zeros((0, encoder.dimensions), np.float32)
    return (cache or EmbeddingCache()).vectors(
        encoder.reference,
        contents,
        lambda places: encoder.encode([items[place] for place in places]),
    )
