"""Item vectors for similarity and for variety.

Which items are like this one? Those had by the same people: collaborative vectors, with a little
content, so that items nobody had yet have neighbours too. How varied is a list? As its categories,
brands and words are: content vectors; collaborative ones where items have no content.

Legend: I items, D dimensions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from crisol.core.arrays import Floats
from crisol.core.errors import MendableError
from crisol.models.recommender.method_params import PLACES_ITEMS
from crisol.models.recommender.methods.scorer import Scorer

COLLABORATIVE = tuple(name for name in PLACES_ITEMS if name != "content")
"""Methods whose vectors come from who had what, in order of preference."""
CONTENT = "content"
CONTENT_LENGTH = 0.3
"""Length of an item's content vector beside a collaborative one of length 1. Of 0.3, 0.5, 1, 2 and
3 this finds what Beauty's validation users had next most often among the 10 nearest (0.070; 0.068
without content, 0.052 with both at length 1)."""


@dataclass(frozen=True)
class Spaces:
    """Both spaces; vectors have length 1, or 0 for an item of which nothing is known.

    Attributes:
        likeness: [I, D] for similar items.
        variety: [I, D] for the diversity of lists; the same array where there is but one kind.
    """

    likeness: Floats
    variety: Floats

    @classmethod
    def of(cls, scorers: Mapping[str, Scorer]) -> Self:
        """From the vectors that these methods bring.

        Raises:
            MendableError: none brings any.
        """
        collaborative, content = _collaborative(scorers), _content(scorers)
        if collaborative is not None and content is not None:
            return cls(_beside(collaborative, content), content)
        only = collaborative if collaborative is not None else content
        if only is None:
            raise MendableError(
                "recommender.model.methods: no method brings item vectors; add one of: "
                + ", ".join((*COLLABORATIVE, CONTENT))
            )
        return cls(only, only)


def unit(vectors: Floats) -> Floats:
    """Rows brought to length 1; a row of zeros stays.

    >>> unit(np.array([[3, 4], [0, 0]], dtype=np.float32)).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    lengths = np.sqrt(np.einsum("id,id->i", vectors, vectors))
    return vectors / np.where(lengths > 0, lengths, 1)[:, None]


def _beside(collaborative: Floats, content: Floats) -> Floats:
    width = collaborative.shape[1]
    joined = np.empty((len(content), width + content.shape[1]), dtype=np.float32)
    joined[:, :width] = collaborative
    np.multiply(content, CONTENT_LENGTH, out=joined[:, width:])
    lengths = np.sqrt(np.einsum("id,id->i", joined, joined))
    joined /= np.where(lengths > 0, lengths, 1)[:, None]
    return joined


def _collaborative(scorers: Mapping[str, Scorer]) -> Floats | None:
    found = (scorers[name].item_vectors() for name in COLLABORATIVE if name in scorers)
    vectors = next((vectors for vectors in found if vectors is not None), None)
    return None if vectors is None else unit(vectors)


def _content(scorers: Mapping[str, Scorer]) -> Floats | None:
    """The content's vectors; nothing when no item has attributes."""
    vectors = scorers["content"].item_vectors() if "content" in scorers else None
    return unit(vectors) if vectors is not None and vectors.any() else None
