"""Every rule: it holds, it is broken with its reason, or it does not apply."""

import re
from dataclasses import replace

import numpy as np
import pytest

from crisol.core.data.pictures import Image
from crisol.models.products.answers.facts import ProductFacts, contrast
from crisol.models.products.answers.rules import RULES, judged
from crisol.models.products.data.records import PARTS, ProductRecord

SQUARE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
GOOD = ProductFacts(
    ProductRecord(
        title="Tempus Analog Watch with Leather Strap",
        description=(
            "A classic round dial behind mineral glass, a brown strap of grained leather with a "
            "steel buckle, and a quartz movement. Water resistant to 30 m; the box holds the watch "
            "and a spare link."
        ),
        brand="Tempus",
        attributes={"Strap": "Leather", "Dial": "Round", "Movement": "Quartz"},
        category="Watches",
        price=1499.0,
        currency="INR",
        image=Image(SQUARE, 800, 800),
    ),
    usual_attributes=("Strap", "Dial"),
    usual_prices=(300.0, 9000.0),
    agreement=0.6,
    category="Watches",
    category_probability=0.95,
    category_agrees=True,
)


def broken(facts: ProductFacts) -> dict[str, str]:
    """The reason and improvement of every broken rule."""
    return {
        rule.name: f"{finding.reason} {finding.improvement}"
        for rule, finding in judged(facts)
        if finding is not None
    }


def changed(**parts: object) -> ProductFacts:
    return replace(GOOD, record=replace(GOOD.record, **parts))


def picture(width: int, height: int, pixels: np.ndarray = SQUARE) -> ProductFacts:
    return changed(image=Image(pixels, width, height))


CASES = [
    ("title_length", changed(title="Watch"), "1 word, 5 characters"),
    ("title_length", changed(title="An analog watch " * 10), "160 characters"),
    ("title_shouting", changed(title="TEMPUS ANALOG WATCH with STRAP"), "4 of the title's 5"),
    ("title_repetition", changed(title="Watch men watch sport WATCH gift"), "“watch” 3 times"),
    ("title_promotion", changed(title="Tempus Analog Watch, Free Shipping"), "“Free Shipping”"),
    ("title_promotion", changed(title="Tempus Analog Watch!!!"), "“!!!”"),
    ("contact_in_text", changed(title="Analog Watch www.example.org/watch"), "“www.example.org"),
    ("contact_in_text", changed(description="me@example.org " * 20), "“me@example.org”"),
    (
        "contact_in_text",
        changed(description=GOOD.record.description + " Call +91 98765 43210."),
        "“Call +91 98765 43210”",
    ),
    ("missing_description", changed(description=""), "no description"),
    (
        "short_description",
        changed(description="Brown strap, round dial, quartz inside."),
        "6 words",
    ),
    (
        "description_repeats",
        changed(description="Analog watch, leather strap. " * 6),
        "hardly more",
    ),
    ("missing_brand", changed(brand=""), "No brand"),
    ("few_attributes", changed(attributes={"Colour": "Brown"}), "State Strap, Dial."),
    ("missing_price", changed(price=float("nan")), "no price"),
    ("price_outlier", changed(price=149_900.0), "149,900.00, is above"),
    ("price_outlier", changed(price=2.0), "2.00, is below"),
    ("missing_category", changed(category=""), "Watches is likely"),
    (
        "category_disagrees",
        replace(changed(category="Shoes"), category_agrees=False),
        "put into Shoes, but reads and looks like Watches (95%)",
    ),
    ("missing_image", changed(image=None), "no picture"),
    ("image_resolution", picture(160, 120), "160 x 120"),
    ("image_blank", picture(800, 800, np.full_like(SQUARE, 250)), "nearly of one colour"),
    ("image_shape", picture(2000, 500), "strip: 2000 x 500"),
    ("text_image_agreement", replace(GOOD, agreement=0.01), "those of 99%"),
]


def test_a_good_product_keeps_every_rule_and_all_are_judged() -> None:
    assert broken(GOOD) == {}
    named = {rule.name for rule, _ in judged(GOOD)}
    assert named == {rule.name for rule in RULES}


@pytest.mark.parametrize(("name", "facts", "said"), CASES, ids=lambda case: str(case)[:24])
def test_a_broken_rule_says_what_is_wrong(name: str, facts: ProductFacts, said: str) -> None:
    found = broken(facts)
    assert said in found.pop(name)
    # No other rule is broken but those that follow from the same fault.
    assert set(found) <= {"short_description", "title_repetition", "description_repeats"}


def test_every_rule_has_its_case() -> None:
    assert {name for name, _, _ in CASES} == {rule.name for rule in RULES}


@pytest.mark.parametrize(
    ("facts", "left_out"),
    [
        (changed(image=None), {"image_resolution", "image_blank", "image_shape"}),
        (changed(image=None), {"text_image_agreement"}),
        (replace(GOOD, agreement=None), {"text_image_agreement"}),
        (changed(description=""), {"short_description", "description_repeats"}),
        (replace(GOOD, usual_prices=None), {"price_outlier"}),
        (replace(GOOD, category_agrees=None), {"category_disagrees"}),
        (
            replace(GOOD, parts=frozenset(PARTS) - {"image", "brand"}),
            {"missing_image", "image_resolution", "missing_brand"},
        ),
    ],
)
def test_what_cannot_be_judged_is_no_rule(facts: ProductFacts, left_out: set[str]) -> None:
    assert not left_out & {rule.name for rule, _ in judged(facts)}


@pytest.mark.parametrize(
    "facts",
    [
        changed(title="JBL USB HUB for iPhone and iPad"),
        changed(title="Pack of 3 Cotton Socks, Set of 3 Cotton Caps, Size 3"),
        changed(title="Tempus Analog Watch - Men's (42 mm)"),
        changed(description=GOOD.record.description + " Barcode 8901234567890, model 500-20-10."),
        changed(description=GOOD.record.description + " Buy it from Example.com."),
        replace(changed(category="Shoes"), category_agrees=False, category_probability=0.4),
        changed(attributes={"strap": "Leather"}),
        changed(brand="", attributes={"Brand": "Tempus", "Strap": "Leather"}),
        picture(500, 200),
    ],
)
def test_what_only_looks_like_a_fault_is_none(facts: ProductFacts) -> None:
    assert broken(facts) == {}


def test_attributes_are_counted_where_the_usual_ones_are_unknown() -> None:
    facts = replace(changed(attributes={"Colour": "Brown"}), usual_attributes=None)
    assert "1 attribute is stated" in broken(facts)["few_attributes"]


def test_the_white_beside_a_picture_is_no_contrast() -> None:
    pixels = np.full((32, 32, 3), 255, np.uint8)
    pixels[:, 12:20] = 40  # a strip of one colour in the middle
    assert contrast(Image(pixels, 100, 400)) == 0
    assert contrast(Image(pixels, 400, 400)) > 50


def test_a_missing_part_weighs_what_can_be_held_against_it() -> None:
    for part in ("description", "image", "price", "category"):
        of_part = [rule for rule in RULES if rule.part == part]
        missing = next(rule for rule in of_part if rule.name.startswith("missing_"))
        others = sum(rule.weight for rule in of_part if rule is not missing)
        contact = 2 if part == "description" else 0  # it may be the description's
        assert missing.weight >= others + contact


def test_every_rule_says_what_it_asks() -> None:
    assert all(re.fullmatch(r"[A-Z].+\.", rule.about) for rule in RULES)
