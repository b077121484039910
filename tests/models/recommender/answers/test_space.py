"""The two spaces of items."""

import numpy as np
import pytest

from crisol.models.recommender.answers.space import CONTENT_LENGTH, Spaces, unit


def test_rows_have_length_one_or_nothing(hybrid, catalogue):
    spaces = Spaces.of(hybrid.scorers)
    for space in (spaces.likeness, spaces.variety):
        lengths = np.linalg.norm(space, axis=1)
        assert len(space) == len(catalogue)
        np.testing.assert_allclose(lengths[:120], 1, atol=1e-5)
        np.testing.assert_array_equal(lengths[120:], 0)  # nobody had them, and no attributes


def test_variety_is_what_a_person_sees_and_likeness_who_had_what(hybrid):
    spaces = Spaces.of(hybrid.scorers)
    content = unit(hybrid.scorers["content"].item_vectors())
    had = unit(hybrid.scorers["filter"].item_vectors())
    np.testing.assert_array_equal(spaces.variety, content)
    square = CONTENT_LENGTH**2
    expected = (had[:120] @ had[:120].T + square * content[:120] @ content[:120].T) / (1 + square)
    mixed = spaces.likeness[:120] @ spaces.likeness[:120].T
    np.testing.assert_allclose(mixed, expected, atol=1e-5)


def test_an_item_that_nobody_had_is_near_those_of_like_content(hybrid):
    had, content = (hybrid.scorers[name].item_vectors() for name in ("filter", "content"))
    alone = had.copy()
    alone[0] = 0

    class Vectors:
        def __init__(self, vectors):
            self.item_vectors = lambda: vectors

    likeness = Spaces.of({"filter": Vectors(alone), "content": Vectors(content)}).likeness
    near = unit(content)[1:120] @ unit(content)[0]
    expected = near * CONTENT_LENGTH / np.sqrt(1 + CONTENT_LENGTH**2)
    np.testing.assert_allclose(likeness[1:120] @ likeness[0], expected, atol=1e-5)
    assert near.max() > 0.5


def test_one_kind_is_enough_and_none_is_refused(hybrid):
    for name in ("filter", "content"):
        spaces = Spaces.of({name: hybrid.scorers[name]})
        assert spaces.variety is spaces.likeness
    with pytest.raises(ValueError, match="add one of: filter"):
        Spaces.of({"popularity": hybrid.scorers["popularity"]})
