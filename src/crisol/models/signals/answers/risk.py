"""The risk of one prediction: six plain rules, each with its points.

The points and levels are fixed numbers, not fitted ones, so that a person can check an answer by
hand. ``critical`` needs bars unlike those the model was trained on, or that jump as in a split.
"""

from collections.abc import Sequence

from crisol.models.signals.bar_clock import Finding
from crisol.models.signals.contract import FactorName, Risk, RiskFactor, RiskLevel, Signal
from crisol.models.signals.data.price_jumps import LIMIT, described

CONFIDENCE_FLOOR = 0.7
VOLATILITY_CEILING = 0.05
TREND_FLOOR = 0.3
LEVELS: tuple[tuple[float, RiskLevel], ...] = ((7.0, "critical"), (4.0, "high"), (2.0, "medium"))
"""Lowest score of each level; below the last of them the risk is low."""

_ADVICE: dict[RiskLevel, str] = {
    "low": "Nothing speaks against the {signal} signal beyond the usual uncertainty.",
    "medium": "Treat the {signal} signal with care: use a smaller position.",
    "high": "Do not act on the {signal} signal alone: look for confirmation first.",
    "critical": "Do not act on the {signal} signal: it has never seen such bars.",
}
_SPLIT_ADVICE = (
    "Do not act on the {signal} signal: its bars jump as in a split, adjust them and ask again."
)


def assess(
    signal: Signal,
    confidence: float,
    volatility: float,
    trend_strength: float,
    unfamiliarity: float,
    unfamiliarity_limit: float,
    split: tuple[int, float] | None = None,
    unsure: Sequence[Finding] = (),
) -> Risk:
    """Add up the points of the rules that apply to a prediction.

    Args:
        signal: the predicted class, named in the recommendation.
        confidence: its probability.
        volatility: standard deviation of the bar returns of the request.
        trend_strength: absolute net move over the length of the path, 0 to 1.
        unfamiliarity: distance of the bars from the training data.
        unfamiliarity_limit: the distance that training data hardly ever exceeds.
        split: the bar that jumps as in a split, and the ratio.
        unsure: pauses of which it is not known whether the venue was closed.

    >>> assess("buy", 0.9, 0.01, 0.5, 1.0, 3.0).risk_level
    'low'
    >>> risk = assess("buy", 0.5, 0.06, 0.1, 4.0, 3.0)
    >>> risk.risk_score, risk.risk_level
    (10.0, 'critical')
    """
    factors = []

    def add(name: FactorName, points: float, value: float, limit: float, message: str) -> None:
        factors.append(
            RiskFactor(name=name, points=points, value=value, limit=limit, message=message)
        )

    if confidence < CONFIDENCE_FLOOR:
        add("low_confidence", 2.0, confidence, CONFIDENCE_FLOOR, "the confidence is low")
    if volatility > VOLATILITY_CEILING:
        add("high_volatility", 3.0, volatility, VOLATILITY_CEILING, "returns vary much per bar")
    if trend_strength < TREND_FLOOR:
        add("weak_trend", 1.5, trend_strength, TREND_FLOOR, "the net move is small for the path")
    if unfamiliarity > unfamiliarity_limit:
        add(
            "unfamiliar_bars", 3.5, unfamiliarity, unfamiliarity_limit,
            "the bars are unlike those the model was trained on",
        )  # fmt: skip
    if split is not None:
        bar, ratio = split
        add(
            "price_jump", 3.5, 1 / ratio, 1 / LIMIT if ratio > 1 else LIMIT,
            f"bar {bar} opens at {1 / ratio:.3g} times the close before it, as after "
            + described(ratio),
        )  # fmt: skip
    if unsure:
        add("pause", 1.0, float(len(unsure)), 0.0, f"bar {unsure[0].bar} {unsure[0].message}")
    score = min(10.0, sum((factor.points for factor in factors), start=0.0))
    level = risk_level(score)
    advice = _SPLIT_ADVICE if split is not None else _ADVICE[level]
    return Risk(
        risk_score=score,
        risk_level=level,
        factors=factors,
        recommendation=advice.format(signal=signal),
    )


def risk_level(score: float) -> RiskLevel:
    """The level of a score.

    >>> [risk_level(score) for score in (0.0, 1.99, 2.0, 4.0, 6.99, 7.0)]
    ['low', 'low', 'medium', 'high', 'high', 'critical']
    """
    for floor, level in LEVELS:
        if score >= floor:
            return level
    return "low"
