"""The figures of a deletion test."""

import numpy as np
import pytest

from crisol.core.deletion import Deletion, deletion_figures


def test_a_case_is_the_named_fall_and_the_mean_of_the_random_ones():
    assert Deletion.from_falls(7, np.array([3.0, 1.0, 2.0])) == Deletion(7, 3.0, 1.5)


def test_figures_of_cases():
    cases = [Deletion(0, 2.0, 1.0), Deletion(0, 1.0, 2.0), Deletion(1, 5.0, 2.0)]
    figures = deletion_figures(cases)
    assert figures is not None
    assert figures["cases"] == 3
    assert figures["fall_named"] == pytest.approx(8 / 3)
    assert figures["fall_random"] == pytest.approx(5 / 3)
    assert figures["difference"] == pytest.approx(1.0)
    assert (figures["difference_low"], figures["difference_high"]) == (0.0, 3.0)  # whole groups
    assert figures["share_larger"] == pytest.approx(2 / 3)


def test_no_cases_have_no_figures():
    assert deletion_figures([]) is None
