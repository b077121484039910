"""Vectors of many texts and pictures for training and evaluation, through the cache on disk."""

from collections.abc import Sequence

import numpy as np

from crisol.core.arrays import Floats
from crisol.core.backbone_reference import BackboneReference
from crisol.core.backbones.embedding_cache import EmbeddingCache
from crisol.core.backbones.picture_encoder import picture_encoder
from crisol.core.backbones.text_encoder import text_encoder
from crisol.core.data.pictures import Pixels


def text_vectors(
    reference: BackboneReference, texts: Sequence[str], cache: EmbeddingCache | None = None
) -> Floats:
    """[N, D] float32; see :meth:`~crisol.core.backbones.text_encoder.TextEncoder.encode`.

    Raises:
        BackboneError: the backbone is missing or changed.
    """
    encoder = text_encoder(reference)
    if not texts:
        return np.zeros((0, encoder.dimensions), np.float32)
    cache = cache or EmbeddingCache()
    return cache.vectors(
        reference,
        [text.encode() for text in texts],
        lambda places: encoder.encode([texts[place] for place in places]),
    )


def picture_vectors(
    reference: BackboneReference, pictures: Sequence[Pixels], cache: EmbeddingCache | None = None
) -> Floats:
    """[N, D] float32; see :meth:`~crisol.core.backbones.picture_encoder.PictureEncoder.encode`.

    Raises:
        BackboneError: the backbone is missing or changed.
    """
    encoder = picture_encoder(reference)
    if not pictures:
        return np.zeros((0, encoder.dimensions), np.float32)
    cache = cache or EmbeddingCache()
    return cache.vectors(
        reference,
        [f"{one.shape}\0".encode() + one.tobytes() for one in pictures],
        lambda places: encoder.encode([pictures[place] for place in places]),
    )
