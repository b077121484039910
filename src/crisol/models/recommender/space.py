"""Where items are near that are alike: for similar items and for the variety of a list.

Legend: I items, D dimensions.
"""

from collections.abc import Mapping

import numpy as np

from crisol.models.recommender.scorer import Floats, Scorer

COLLABORATIVE = ("filter", "lightgcn", "attention", "ease")
"""Methods whose vectors come from who had what, in order of preference."""


def item_space(scorers: Mapping[str, Scorer]) -> Floats:
    """[I, D] vectors of length 1 (0 for an item without any): their products are cosines.

    One collaborative method's vectors and the content's, each brought to length 1, side by side:
    the cosine is the mean of both, and an item that nobody had yet still has its attributes.

    Raises:
        ValueError: no method has vectors.
    """
    collaborative = (_vectors(scorers, name) for name in COLLABORATIVE)
    parts = [next((v for v in collaborative if v is not None), None), _vectors(scorers, "content")]
    found = [unit(part) for part in parts if part is not None and part.any()]
    if not found:
        raise ValueError(
            "no method brings item vectors; add one of: " + ", ".join((*COLLABORATIVE, "content"))
        )
    return unit(np.concatenate(found, axis=1)) if len(found) > 1 else found[0]


def unit(vectors: Floats) -> Floats:
    """Rows brought to length 1; a row of zeros stays.

    >>> unit(np.array([[3, 4], [0, 0]], dtype=np.float32)).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    lengths = np.sqrt(np.einsum("id,id->i", vectors, vectors))[:, None]
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def _vectors(scorers: Mapping[str, Scorer], name: str) -> Floats | None:
    return scorers[name].item_vectors() if name in scorers else None
