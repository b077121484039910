"""The rules of a product's quality: completeness and consistency, each named and weighed.

A rule reads the facts of a product (:class:`ProductFacts`) and returns ``None``, or a finding: the
fault and its remedy (:mod:`crisol.models.products.answers.findings`). The weights are chosen, not
learned: they say how much a customer misses. Tests hold two properties of them. A missing part
weighs at least as much as all the findings there can be about it, so that leaving a bad part out
never raises the score. A rule that cannot be judged does not count for that product.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from crisol.models.products.answers import findings
from crisol.models.products.answers.facts import ProductFacts, has
from crisol.models.products.answers.findings import Finding
from crisol.models.products.data.records import Part


def _always(_: ProductFacts) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Rule:
    """One quality rule.

    Attributes:
        weight: how much a customer misses where the rule is broken.
        part: the part it judges; the rule is left out where the catalogue has no such part.
        check: the finding of a product; ``None`` if the rule holds.
        applies: whether the rule can be judged: the part is given, the model has learned enough.
    """

    weight: int
    part: Part
    check: Callable[[ProductFacts], Finding | None]
    applies: Callable[[ProductFacts], bool] = _always

    @property
    def name(self) -> str:
        """The name of the rule in answers."""
        return self.check.__name__

    @property
    def about(self) -> str:
        """A sentence that states the rule."""
        return self.check.__doc__ or ""

    def judges(self, facts: ProductFacts) -> bool:
        """Whether the rule applies to this product."""
        return self.part in facts.parts and self.applies(facts)


def _with(part: Part) -> Callable[[ProductFacts], bool]:
    def applies(facts: ProductFacts) -> bool:
        return has(facts.record, part)

    return applies


def _price_is_judged(facts: ProductFacts) -> bool:
    return facts.usual_prices is not None and has(facts.record, "price")


def _category_is_judged(facts: ProductFacts) -> bool:
    return facts.category_agrees is not None and has(facts.record, "category")


def _agreement_is_judged(facts: ProductFacts) -> bool:
    return facts.agreement is not None and has(facts.record, "image")


RULES: tuple[Rule, ...] = (
    Rule(3, "title", findings.title_length),
    Rule(1, "title", findings.title_shouting),
    Rule(1, "title", findings.title_repetition),
    Rule(1, "title", findings.title_promotion),
    Rule(2, "title", findings.contact_in_text),
    Rule(5, "description", findings.missing_description),
    Rule(2, "description", findings.short_description, _with("description")),
    Rule(1, "description", findings.description_repeats, _with("description")),
    Rule(2, "brand", findings.missing_brand),
    Rule(3, "attributes", findings.few_attributes),
    Rule(3, "price", findings.missing_price),
    Rule(3, "price", findings.price_outlier, _price_is_judged),
    Rule(2, "category", findings.missing_category),
    Rule(2, "category", findings.category_disagrees, _category_is_judged),
    Rule(7, "image", findings.missing_image),
    Rule(2, "image", findings.image_resolution, _with("image")),
    Rule(2, "image", findings.image_blank, _with("image")),
    Rule(1, "image", findings.image_shape, _with("image")),
    Rule(2, "image", findings.text_image_agreement, _agreement_is_judged),
)
"""All rules, in the order in which a seller fills in the form."""


def judged(facts: ProductFacts) -> Iterator[tuple[Rule, Finding | None]]:
    """The rules that apply to a product, each with its finding."""
    for rule in RULES:
        if rule.judges(facts):
            yield rule, rule.check(facts)
