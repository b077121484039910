"""The quality rules, one function each: a finding, or ``None`` where the rule holds.

Bounds follow what shops ask of sellers where there is such a number: Google Merchant Center takes
titles of up to 150 characters (https://support.google.com/merchants/answer/6324415), Amazon asks
for 500 pixels on a picture's longer side. The other bounds were set so that few products of real
catalogues exceed them.
"""

import re
from collections import Counter
from dataclasses import dataclass

from crisol.core.data.pictures import Image
from crisol.models.products.answers.facts import BRAND, ProductFacts, contrast, has, words_of

MIN_TITLE_WORDS = 3
MIN_TITLE_CHARACTERS = 15
MAX_TITLE_CHARACTERS = 150
MAX_WORD_REPEATS = 2
"""Most occurrences of a word in the title."""
MIN_DESCRIPTION_WORDS = 20
MIN_NEW_WORDS = 5
"""Least number of different words of the description that the title does not have."""
MIN_ATTRIBUTES = 3
"""Least number of attributes where the usual ones of such products are unknown."""
MIN_USUAL_ATTRIBUTES = 0.5
"""Least share of the usual attributes that a product must state."""
MIN_IMAGE_SIDE = 500
"""Pixels of the longer side of the file."""
MIN_IMAGE_CONTRAST = 5.0
"""Standard deviation of the colours, of 255."""
MAX_IMAGE_ASPECT = 3.0
MIN_AGREEMENT = 0.05
"""Least rank of the agreement of text and picture among the training products."""
MIN_CATEGORY_PROBABILITY = 0.7
"""Least probability at which the predicted category contradicts the given one."""

_SMALL_WORDS = frozenset(
    ("a", "an", "and", "as", "at", "by", "for", "from", "in", "is", "it", "of", "on", "or", "pack",
     "per", "set", "size", "the", "to", "with", "without")
)  # fmt: skip
_PROMOTION = re.compile(
    r"!!+|\?\?+|[★☆✓✔✅❤♥🔥⚡]"
    r"|\b(?:free (?:shipping|delivery)|best (?:price|seller|offer|deal)|lowest price|hurry"
    r"|limited (?:offer|time|stock)|buy now|order now|hot sale|mega sale|\d+ ?% off)\b",
    re.IGNORECASE,
)
_CONTACT = re.compile(
    r"https?://\S+|\bwww\.\w\S*|\b[\w.+-]+@[\w-]+\.[\w.-]*\w"
    r"|\b(?:call|whatsapp|phone|contact|tel)\b[^\d+]{0,20}\+?\d[\d -]{7,15}\d",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule.

    Attributes:
        reason: the fault of this product.
        improvement: the remedy.
    """

    reason: str
    improvement: str


def title_length(facts: ProductFacts) -> Finding | None:
    """The title says what it is, and is not cut off."""
    title, words = facts.record.title, len(facts.words)
    if len(title) > MAX_TITLE_CHARACTERS:
        return Finding(
            f"The title has {len(title)} characters; shops cut it after {MAX_TITLE_CHARACTERS}.",
            "Keep the brand, what it is and what tells it from others; move the rest to the "
            "description.",
        )
    if words < MIN_TITLE_WORDS or len(title) < MIN_TITLE_CHARACTERS:
        return Finding(
            f"The title says little: {words} {'word' if words == 1 else 'words'}, {len(title)} "
            "characters.",
            "Say the brand, what it is, and what tells it from others, such as material, size or "
            "colour.",
        )
    return None


def title_shouting(facts: ProductFacts) -> Finding | None:
    """The title is not in capitals."""
    long = [
        word
        for word in re.findall(r"[^\W_]+", facts.record.title)
        if word.isalpha() and len(word) > 3
    ]
    loud = [word for word in long if word.isupper()]
    if len(long) < 3 or 2 * len(loud) <= len(long):
        return None
    return Finding(
        f"{len(loud)} of the title's {len(long)} longer words are in capitals.",
        "Write words with a capital first letter; keep capitals for names that have them.",
    )


def title_repetition(facts: ProductFacts) -> Finding | None:
    """No word stands in the title again and again."""
    counts = Counter(
        word for word in facts.words if len(word) > 2 and word not in _SMALL_WORDS
    ).most_common(1)
    if not counts or counts[0][1] <= MAX_WORD_REPEATS:
        return None
    word, times = counts[0]
    return Finding(
        f"The title says “{word}” {times} times.",
        f"Say “{word}” once and use the room for what is not said yet.",
    )


def title_promotion(facts: ProductFacts) -> Finding | None:
    """The title does not advertise."""
    found = _PROMOTION.search(facts.record.title)
    if found is None:
        return None
    return Finding(
        f"The title advertises: “{found[0]}”.", f"Take “{found[0]}” out; say what the product is."
    )


def missing_description(facts: ProductFacts) -> Finding | None:
    """There is a description."""
    if has(facts.record, "description"):
        return None
    return Finding(
        "There is no description.",
        "Describe what it is made of, its measures, what is in the box and what it is for.",
    )


def short_description(facts: ProductFacts) -> Finding | None:
    """The description says enough."""
    words = len(words_of(facts.record.description))
    if words >= MIN_DESCRIPTION_WORDS:
        return None
    return Finding(
        f"The description is short: {words} {'word' if words == 1 else 'words'}.",
        f"Write at least {MIN_DESCRIPTION_WORDS} words: material, measures, what is in the box, "
        "what it is for.",
    )


def description_repeats(facts: ProductFacts) -> Finding | None:
    """The description says more than the title."""
    new = set(words_of(facts.record.description)) - set(facts.words)
    if len(new) >= MIN_NEW_WORDS:
        return None
    return Finding(
        "The description says hardly more than the title.",
        "Add what the title leaves open: material, measures, care, what is in the box.",
    )


def contact_in_text(facts: ProductFacts) -> Finding | None:
    """The text holds no links, addresses or telephone numbers."""
    found = _CONTACT.search(f"{facts.record.title}\n{facts.record.description}")
    if found is None:
        return None
    return Finding(
        f"The text leads customers elsewhere: “{found[0][:60]}”.",
        "Take links, addresses and telephone numbers out of title and description.",
    )


def missing_brand(facts: ProductFacts) -> Finding | None:
    """The brand is named."""
    if has(facts.record, "brand") or BRAND in map(str.casefold, facts.record.attributes):
        return None
    return Finding("No brand is named.", "Name the brand, or the maker where there is none.")


def few_attributes(facts: ProductFacts) -> Finding | None:
    """The attributes are there that such products state."""
    stated = {name.casefold() for name in facts.record.attributes}
    usual = facts.usual_attributes
    if usual:
        missing = [name for name in usual if name.casefold() not in stated]
        if len(usual) - len(missing) >= MIN_USUAL_ATTRIBUTES * len(usual):
            return None
        return Finding(
            f"Of the {len(usual)} attributes that such products usually state, {len(missing)} are "
            "missing.",
            f"State {', '.join(missing)}.",
        )
    if len(stated) >= MIN_ATTRIBUTES:
        return None
    return Finding(
        f"{len(stated) or 'No'} {'attribute is' if len(stated) == 1 else 'attributes are'} stated.",
        f"State at least {MIN_ATTRIBUTES}, such as material, size and colour.",
    )


def missing_price(facts: ProductFacts) -> Finding | None:
    """There is a price."""
    if has(facts.record, "price"):
        return None
    return Finding("There is no price.", "State the price and its currency.")


def price_outlier(facts: ProductFacts) -> Finding | None:
    """The price is one that such products have."""
    price = facts.record.price
    if facts.usual_prices is None or facts.usual_prices[0] <= price <= facts.usual_prices[1]:
        return None
    low, high = facts.usual_prices
    return Finding(
        f"The price, {price:,.2f}, is {'below' if price < low else 'above'} what "
        f"{facts.usual_share:.0%} of such products cost: {low:,.2f} to {high:,.2f}.",
        "Check the digits, the currency and how many pieces the price is for.",
    )


def missing_category(facts: ProductFacts) -> Finding | None:
    """There is a category."""
    if has(facts.record, "category"):
        return None
    suggested = f"; {facts.category} is likely" if facts.category else ""
    return Finding("No category is given.", f"Put it into a category{suggested}.")


def category_disagrees(facts: ProductFacts) -> Finding | None:
    """The category fits words and picture."""
    if facts.category_agrees or facts.category_probability < MIN_CATEGORY_PROBABILITY:
        return None
    return Finding(
        f"It is put into {facts.record.category}, but reads and looks like {facts.category} "
        f"({facts.category_probability:.0%}).",
        f"Move it to {facts.category}, or say in the title what it is.",
    )


def missing_image(facts: ProductFacts) -> Finding | None:
    """There is a picture."""
    if has(facts.record, "image"):
        return None
    return Finding(
        "There is no picture.",
        f"Add one of the whole product before a plain background, {MIN_IMAGE_SIDE} pixels or more "
        "a side.",
    )


def image_resolution(facts: ProductFacts) -> Finding | None:
    """The picture is large enough."""
    width, height = _image(facts).width, _image(facts).height
    if max(width, height) >= MIN_IMAGE_SIDE:
        return None
    return Finding(
        f"The picture is small: {width} x {height} pixels.",
        f"Upload one whose longer side has at least {MIN_IMAGE_SIDE} pixels.",
    )


def image_blank(facts: ProductFacts) -> Finding | None:
    """The picture shows something."""
    spread = contrast(_image(facts))
    if spread >= MIN_IMAGE_CONTRAST:
        return None
    return Finding(
        f"The picture is nearly of one colour (contrast {spread:.0f} of 255).",
        "Take it again with more light and a background of another colour, or upload the right "
        "file.",
    )


def image_shape(facts: ProductFacts) -> Finding | None:
    """The picture is no strip."""
    width, height = _image(facts).width, _image(facts).height
    if max(width, height) <= MAX_IMAGE_ASPECT * min(width, height):
        return None
    return Finding(
        f"The picture is a strip: {width} x {height} pixels.",
        "Crop or frame it nearly square; lists of products show squares.",
    )


def text_image_agreement(facts: ProductFacts) -> Finding | None:
    """The picture shows what the text says."""
    share = facts.agreement
    if share is None or share >= MIN_AGREEMENT:
        return None
    return Finding(
        f"Text and picture agree less than those of {1 - share:.0%} of the products.",
        "Check that the picture shows this product, and that the title says what is to be seen.",
    )


def _image(facts: ProductFacts) -> Image:
    """The picture; the rules that call this apply only if there is one."""
    assert facts.record.image is not None
    return facts.record.image
