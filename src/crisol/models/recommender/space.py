"""Where items are near that are alike: two spaces, for two questions.

Which items are like this one? Those had by the same people: collaborative vectors, with a little
content, so that items nobody had yet have neighbours too. How varied is a list? By what a person
sees in it, its categories, brands and words: content vectors; who had what where items have none.

Legend: I items, D dimensions.
"""

from collections.abc import Mapping

import numpy as np

from crisol.models.recommender.scorer import Floats, Scorer

COLLABORATIVE = ("filter", "lightgcn", "attention", "ease")
"""Methods whose vectors come from who had what, in order of preference."""
CONTENT_LENGTH = 0.3
"""Length of an item's content vector beside a collaborative one of length 1. Of 0.3, 0.5, 1, 2 and
3 this finds what Beauty's validation users had next most often among the 10 nearest (0.070; 0.068
without content, 0.052 with both at length 1)."""


def likeness_space(scorers: Mapping[str, Scorer]) -> Floats:
    """[I, D] vectors of length 1, or 0 for an item of which nothing is known: for similar items.

    Raises:
        ValueError: no method has vectors.
    """
    collaborative, content = _collaborative(scorers), _content(scorers)
    if collaborative is not None and content is not None:
        return unit(np.concatenate([unit(collaborative), CONTENT_LENGTH * unit(content)], axis=1))
    return unit(_either(collaborative, content))


def variety_space(scorers: Mapping[str, Scorer]) -> Floats:
    """[I, D] vectors of length 1, or 0 for an item of which nothing is known: for diversity.

    Raises:
        ValueError: no method has vectors.
    """
    content = _content(scorers)
    return unit(_either(content, None if content is not None else _collaborative(scorers)))


def unit(vectors: Floats) -> Floats:
    """Rows brought to length 1; a row of zeros stays.

    >>> unit(np.array([[3, 4], [0, 0]], dtype=np.float32)).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    lengths = np.sqrt(np.einsum("id,id->i", vectors, vectors))[:, None]
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def _either(first: Floats | None, second: Floats | None) -> Floats:
    chosen = first if first is not None else second
    if chosen is None:
        raise ValueError(
            "no method brings item vectors; add one of: " + ", ".join((*COLLABORATIVE, "content"))
        )
    return chosen


def _collaborative(scorers: Mapping[str, Scorer]) -> Floats | None:
    found = (scorers[name].item_vectors() for name in COLLABORATIVE if name in scorers)
    return next((vectors for vectors in found if vectors is not None), None)


def _content(scorers: Mapping[str, Scorer]) -> Floats | None:
    """The content's vectors; nothing when no item has attributes."""
    vectors = scorers["content"].item_vectors() if "content" in scorers else None
    return vectors if vectors is not None and vectors.any() else None
