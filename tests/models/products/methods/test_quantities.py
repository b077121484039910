import numpy as np
import pytest

from crisol.models.products.methods.columns import QuantityFeatures
from crisol.models.products.methods.quantities import KINDS, SIZE, quantities


def _named(text):
    found = np.exp(quantities(text))
    return {
        kind: (round(float(least), 2), round(float(most), 2))
        for kind, least, most in zip(KINDS, found[: len(KINDS)], found[len(KINDS) :], strict=True)
        if np.isfinite(most)
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Curtain 7 ft x 1.5m", {"length": (150.0, 213.36)}),
        ('27" Monitor', {"length": (68.58, 68.58)}),
        ("Ghee 500g + 1 kg", {"weight": (500.0, 1000.0)}),
        ("Pack of 3, 2 pcs", {"pieces": (2.0, 3.0)}),
        ("4GB RAM 1TB disk", {"storage": (4.0, 1000.0)}),
        ("1 Year warranty, 6 months service", {"time": (6.0, 12.0)}),
        ("5 men in a boat, model X100g2, 0 g", {}),
    ],
)
def test_amounts_are_read_in_base_units(text, expected):
    assert _named(text) == expected


def test_amounts_are_standardised_and_rare_ones_left_aside():
    texts = [f"{grams} g" for grams in (10, 100, 1000)] + ["9 kw"]
    features = QuantityFeatures.of(texts, min_rows=2)
    columns, values = features.mark("100 g 9 kw", 0.5)
    assert columns.tolist() == [KINDS.index("weight"), KINDS.index("weight") + SIZE // 2]
    np.testing.assert_allclose(values, 0, atol=1e-12)
    assert (features.mark("1 kg", 0.5)[1] > 0).all()
    assert len(features.mark("no amount", 0.5)[0]) == 0
