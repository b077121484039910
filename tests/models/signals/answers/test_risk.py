"""The risk score is the sum of four plain rules."""

import pytest

from crisol.models.signals.answers.risk import assess, risk_level

CALM = {
    "signal": "buy", "confidence": 0.9, "volatility": 0.01, "trend_strength": 0.5,
    "unfamiliarity": 1.0, "unfamiliarity_limit": 2.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "score", "level"),
    [
        ({}, 0.0, "low"),
        ({"trend_strength": 0.29}, 1.5, "low"),
        ({"confidence": 0.69}, 2.0, "medium"),
        ({"volatility": 0.051}, 3.0, "medium"),
        ({"unfamiliarity": 2.1}, 3.5, "medium"),
        ({"confidence": 0.5, "volatility": 0.06}, 5.0, "high"),
        ({"confidence": 0.5, "volatility": 0.06, "trend_strength": 0.1}, 6.5, "high"),
        ({"confidence": 0.5, "trend_strength": 0.1, "unfamiliarity": 3.0}, 7.0, "critical"),
        (
            {"confidence": 0.5, "volatility": 0.06, "trend_strength": 0.1, "unfamiliarity": 3.0},
            10.0,
            "critical",
        ),
    ],
)
def test_points_and_levels(changes, score, level):
    risk = assess(**CALM | changes)
    assert risk.risk_score == score
    assert risk.risk_level == level
    assert len(risk.factors) == len(changes) - ("signal" in changes)
    assert "buy" in risk.recommendation or level == "critical"


@pytest.mark.parametrize(
    "edge", [{"confidence": 0.7}, {"volatility": 0.05}, {"trend_strength": 0.3}]
)
def test_limits_themselves_add_nothing(edge):
    assert assess(**CALM | edge).factors == []


def test_without_unfamiliar_bars_critical_is_out_of_reach():
    assert risk_level(2.0 + 3.0 + 1.5) == "high"
