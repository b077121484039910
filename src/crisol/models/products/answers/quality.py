"""The quality of a product: one half from listed rules, one half from customers' ratings.

The rating half is used only where the model was trained on ratings. The other half is the weight of
the rules that hold, as a share of the weight of the rules that can be judged.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crisol.models.products.answers.facts import BRAND, ProductFacts, has
from crisol.models.products.answers.rules import judged
from crisol.models.products.contract import Quality, QualityReason
from crisol.models.products.data.records import PARTS, Part, ProductRecord

RATINGS_SHARE = 0.5
"""Share of the expected rating in the score, where there is one."""
MIN_PART_SHARE = 0.05
"""Least share of products with a part for the catalogue to have that part."""
USUAL_SHARE = 0.5
"""Least share of the products with attributes that state a usual attribute."""
MOST_USUAL = 8
"""Most usual attributes of a category."""
MIN_ATTRIBUTE_ROWS = 10
"""Least number of products with attributes for a category to have usual attributes."""


def assess(facts: ProductFacts, expected_rating: float | None) -> Quality:
    """The quality of a product.

    Args:
        facts: the product, and the model's predictions for it.
        expected_rating: expected rank of the rating, 0 to 1; ``None``: not learned.

    Returns:
        The score and every broken rule, the largest weight first. The weight of a reason is the
        gain in score when only this fault is corrected and the expected rating stays the same.
    """
    findings = list(judged(facts))
    total = sum(rule.weight for rule, _ in findings)
    share = 1.0 if expected_rating is None else 1 - RATINGS_SHARE
    reasons = [
        QualityReason(
            rule=rule.name,
            reason=finding.reason,
            improvement=finding.improvement,
            weight=share * rule.weight / total,
        )
        for rule, finding in findings
        if finding is not None
    ]
    held = sum(rule.weight for rule, finding in findings if finding is None)
    score = share * held / total + (1 - share) * (expected_rating or 0.0)
    return Quality(
        score=min(max(score, 0.0), 1.0),
        basis="rules" if expected_rating is None else "rules and ratings",
        rules_score=held / total,
        expected_rating=expected_rating,
        reasons=tuple(sorted(reasons, key=lambda reason: -reason.weight)),
    )


@dataclass(frozen=True)
class CatalogueNorms:
    """The usual parts and attributes of a catalogue's products, from its training products.

    Attributes:
        parts: the parts that the catalogue has.
        attributes: names of the usual attributes by category, the most frequent first.
        agreements: [A] cosines of texts and pictures of the training products, ascending.
    """

    parts: frozenset[Part] = frozenset(PARTS)
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    agreements: tuple[float, ...] = ()

    @classmethod
    def learn(
        cls,
        records: Sequence[ProductRecord],
        categories: Sequence[str],
        agreements: Sequence[float] = (),
        quantiles: int = 201,
    ) -> "CatalogueNorms":
        """The norms of training products.

        Args:
            records: training products.
            categories: of each, as the taxonomy names it; empty where it is not known.
            agreements: cosines of texts and pictures, preferably of held-out products; values that
                are not finite are left out.
            quantiles: number of quantiles of the cosines that are kept.
        """
        needed = MIN_PART_SHARE * len(records)
        finite = np.array([value for value in agreements if np.isfinite(value)])
        kept = np.quantile(finite, np.linspace(0, 1, quantiles)) if len(finite) else finite
        return cls(
            frozenset(
                part for part in PARTS if sum(has(record, part) for record in records) >= needed
            ),
            _usual_attributes(records, categories),
            tuple(kept.tolist()),
        )

    def rank(self, agreement: float | None) -> float | None:
        """The share of training products whose text and picture agree less; ``None``: unknown."""
        if agreement is None or not np.isfinite(agreement) or not self.agreements:
            return None
        return float(np.searchsorted(self.agreements, agreement) / len(self.agreements))

    def state(self) -> dict[str, Any]:
        """The norms as JSON."""
        return {
            "parts": [part for part in PARTS if part in self.parts],
            "attributes": {name: list(names) for name, names in self.attributes.items()},
            "agreements": list(self.agreements),
        }

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> "CatalogueNorms":
        """The inverse of :meth:`state`."""
        return cls(
            frozenset(state["parts"]),
            {name: tuple(names) for name, names in state["attributes"].items()},
            tuple(state["agreements"]),
        )


def _usual_attributes(
    records: Sequence[ProductRecord], categories: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """The attributes that most products of a category state, by category."""
    stating: dict[str, list[ProductRecord]] = defaultdict(list)
    for record, category in zip(records, categories, strict=True):
        if category and record.attributes:
            stating[category].append(record)
    usual = {}
    for category in sorted(stating):
        rows = stating[category]
        counts: dict[str, int] = defaultdict(int)
        for record in rows:
            for name in record.attributes:
                counts[name] += name.casefold() != BRAND
        names = sorted(
            (name for name, count in counts.items() if count >= USUAL_SHARE * len(rows)),
            key=lambda name: (-counts[name], name),
        )
        if names and len(rows) >= MIN_ATTRIBUTE_ROWS:
            usual[category] = tuple(names[:MOST_USUAL])
    return usual
