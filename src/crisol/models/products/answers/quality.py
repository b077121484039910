"""The quality of a product: half of it rules that are listed, half of it customers' ratings.

The half that is learned is there only where the model has seen ratings. The other half is the
weight of the rules that hold among the weight of those that can be judged.
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
"""Of the score, where a rating is expected."""
MIN_PART_SHARE = 0.05
"""A catalogue has a part when so many of its products have it."""
USUAL_SHARE = 0.5
"""An attribute is usual when so many of the products that state any attribute state it."""
MOST_USUAL = 8
MIN_ATTRIBUTE_ROWS = 10
"""Products of a category that must state attributes before any of them is called usual."""


def assess(facts: ProductFacts, expected_rating: float | None) -> Quality:
    """Judge a product.

    Args:
        facts: the product, and what the model says of it.
        expected_rating: rank of the rating that is expected, 0 to 1; ``None``: never learned.

    Returns:
        The score and every rule that is broken, the weightiest first. A reason's weight is what the
        score gains when that alone is mended; the expected rating is taken to stay.
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
    """What the products of a catalogue usually bring; learned from its training products.

    Attributes:
        parts: which ones the catalogue has.
        attributes: names of the usual ones by category, the most usual first.
        agreements: [A] cosines of texts and pictures of the training products, rising.
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
        """Learn them.

        Args:
            records: training products.
            categories: of each, as the taxonomy names it; empty where it is not known.
            agreements: cosines of texts and pictures, best of products that were not trained on;
                those that are not finite are left out.
            quantiles: how many of the cosines are kept.
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
        """Share of the training products whose text and picture agree less; ``None``: unknown."""
        if agreement is None or not np.isfinite(agreement) or not self.agreements:
            return None
        return float(np.searchsorted(self.agreements, agreement) / len(self.agreements))

    def state(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "parts": [part for part in PARTS if part in self.parts],
            "attributes": {name: list(names) for name, names in self.attributes.items()},
            "agreements": list(self.agreements),
        }

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> "CatalogueNorms":
        """From what :meth:`state` gave."""
        return cls(
            frozenset(state["parts"]),
            {name: tuple(names) for name, names in state["attributes"].items()},
            tuple(state["agreements"]),
        )


def _usual_attributes(
    records: Sequence[ProductRecord], categories: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """By category, the attributes that most of its products state."""
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
