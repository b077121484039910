"""The two spaces of items."""

import numpy as np
import pytest

from crisol.models.recommender.space import likeness_space, unit, variety_space


def test_rows_have_length_one_or_nothing(hybrid, catalogue):
    for space in (likeness_space(hybrid.scorers), variety_space(hybrid.scorers)):
        lengths = np.linalg.norm(space, axis=1)
        assert len(space) == len(catalogue)
        np.testing.assert_allclose(lengths[:120], 1, atol=1e-5)
        np.testing.assert_array_equal(lengths[120:], 0)  # nobody had them, and no attributes


def test_variety_is_what_a_person_sees_and_likeness_who_had_what(hybrid):
    content = unit(hybrid.scorers["content"].item_vectors())
    had = unit(hybrid.scorers["filter"].item_vectors())
    np.testing.assert_array_equal(variety_space(hybrid.scorers), content)
    likeness = likeness_space(hybrid.scorers)
    mixed = likeness[:120] @ likeness[:120].T
    expected = (had[:120] @ had[:120].T + 0.09 * content[:120] @ content[:120].T) / 1.09
    np.testing.assert_allclose(mixed, expected, atol=1e-5)


def test_one_kind_is_enough_and_none_is_refused(hybrid):
    filtered = {"filter": hybrid.scorers["filter"]}
    np.testing.assert_array_equal(variety_space(filtered), likeness_space(filtered))
    content = {"content": hybrid.scorers["content"]}
    np.testing.assert_array_equal(variety_space(content), likeness_space(content))
    for space in (variety_space, likeness_space):
        with pytest.raises(ValueError, match="add one of: filter"):
            space({"popularity": hybrid.scorers["popularity"]})
