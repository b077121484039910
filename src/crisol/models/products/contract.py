"""The requests and responses of `products`.

Every part of a product but its title may be missing: the model was trained that way. A picture
comes inside the request, as base64 or as an uploaded file; the service fetches nothing.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from crisol.core.contract import Contract

MAX_TITLE = 500
MAX_DESCRIPTION = 20_000
MAX_ATTRIBUTES = 100
MAX_PRICE = 1e12
MAX_IMAGE_BASE64 = 14_000_000
"""Characters of a picture in base64: 10 MB of file."""
MAX_BATCH = 1000
MAX_RESULTS = 50

Task = Literal["all", "classify", "quality", "price", "embed"]


def _visible(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty; give the words a customer would read")
    return value


def _no_address(value: str) -> str:
    if value[:8].lower().startswith(("http://", "https://", "file://", "ftp://")):
        raise ValueError(
            "is an address; the service fetches nothing: send the file itself, as base64 or upload"
        )
    return value


Title = Annotated[str, Field(max_length=MAX_TITLE), AfterValidator(_visible)]
Text = Annotated[str, Field(max_length=MAX_DESCRIPTION)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Value = Annotated[str, Field(max_length=1000)]
Price = Annotated[float, Field(gt=0, le=MAX_PRICE)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Picture = Annotated[
    str, Field(min_length=1, max_length=MAX_IMAGE_BASE64), AfterValidator(_no_address)
]
Share = Annotated[float, Field(ge=0, le=1)]


class Product(Contract):
    """One product; every field but the title may be left out.

    ``image`` is a JPEG, PNG or WebP file in base64 (a ``data:`` address of one is taken too).
    """

    title: Title
    description: Text | None = None
    price: Price | None = None
    currency: Currency | None = None
    category: Name | None = None
    """The shop's own category: ``Home > Curtains``, or one level of it. The price and the quality
    use it; the predicted category does not."""
    brand: Name | None = None
    attributes: dict[Name, Value] | None = Field(default=None, max_length=MAX_ATTRIBUTES)
    image: Picture | None = None
    task: Task | None = None
    """The task to answer; all tasks when it is left out."""


class CategoryGuess(Contract):
    """A category and its probability."""

    category: str
    """Main category, or ``main > sub``."""
    probability: Share


class Driver(Contract):
    """One part or word, and its effect on the probability of the answered category."""

    part: str
    """``title``, ``description``, ``image``, ``brand``, ``attributes``, ``price``, ``word: …``."""
    effect: float
    """Log-probability that is lost without it; below zero: it lowered the probability."""


class Categories(Contract):
    """The predicted category, in both levels where the model has two."""

    main: str
    main_probability: Share
    sub: str | None
    sub_probability: Share | None
    guesses: tuple[CategoryGuess, ...]
    """The most probable leaves, best first, at most five. ``sub`` is the best leaf of the most
    probable main category, which is usually the first of these."""
    drivers: tuple[Driver, ...]
    """Strongest first."""
    agrees: bool | None
    """Whether the given category is the predicted one; empty when none was given."""


class QualityReason(Contract):
    """One rule that a product breaks, and its remedy."""

    rule: str
    """The name of the rule, such as ``title_length``."""
    reason: str
    improvement: str
    weight: Share
    """The gain in score when this fault is corrected."""


class Quality(Contract):
    """The score of an entry, its parts, and the rules that the entry breaks."""

    score: Share
    basis: Literal["rules", "rules and ratings"]
    """``rules and ratings``: each counts half; ``rules``: the model was trained without ratings."""
    rules_score: Share
    """Completeness and consistency: the share of weight of the rules that hold."""
    expected_rating: Share | None
    """The expected rank of the product's rating among all rated products: 0 the lowest, 1 the
    highest. Empty where the model was trained without ratings."""
    reasons: tuple[QualityReason, ...]
    """Sorted by weight, the largest first."""


class PriceEstimate(Contract):
    """The estimated price of such a product; the price in the request is not used."""

    estimate: float
    low: float
    high: float
    coverage: Share
    """The least share of such products that cost between ``low`` and ``high``, measured on the
    products held out in training."""
    currency: str | None
    given: float | None
    outlier: bool | None
    """Whether the given price lies outside the range of 98 of 100 such prices (90 where few prices
    are known). Empty when no price was given, when it is in another currency than the model's, or
    when too few prices are known."""
    note: str | None


class Sentiment(Contract):
    """The sentiment of the description, by a word list; it is not an opinion of customers."""

    score: Annotated[float, Field(ge=-1, le=1)]
    label: Literal["negative", "neutral", "positive"]


class Analysis(Contract):
    """The answer; fields that were not asked for, or that the model cannot predict, are empty."""

    categories: Categories | None = None
    quality: Quality | None = None
    price: PriceEstimate | None = None
    embedding: tuple[float, ...] | None = None
    """A vector of length 1; the cosine of two embeddings measures how similar the products are."""
    sentiment: Sentiment | None = None
    notes: tuple[str, ...]
    model_version: str
    inference_time_ms: float
    timestamp: datetime


class EmbeddingsRequest(Contract):
    """Products to embed in the background. Each is validated on its own."""

    products: Annotated[tuple[dict[str, Any], ...], Field(min_length=1, max_length=MAX_BATCH)]


class ItemResult(Contract):
    """One product of a job: its embedding or its error."""

    position: int
    embedding: tuple[float, ...] | None
    error: str | None
    field: str | None


class Filters(Contract):
    """Conditions on the products searched; a product must meet all of them."""

    categories: Annotated[tuple[Name, ...], Field(min_length=1, max_length=100)] | None = None
    """Main categories or ``main > sub``."""
    brands: Annotated[tuple[Name, ...], Field(min_length=1, max_length=1000)] | None = None
    min_price: Annotated[float, Field(ge=0, le=MAX_PRICE)] | None = None
    max_price: Annotated[float, Field(ge=0, le=MAX_PRICE)] | None = None
    with_image: bool | None = None

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        low, high = self.min_price, self.max_price
        if low is not None and high is not None and low > high:
            raise ValueError("min_price is above max_price")
        return self


class SearchRequest(Contract):
    """A search by exactly one of: words, a product, a picture, or a product of the index."""

    text: Title | None = None
    product: Product | None = None
    image: Picture | None = None
    product_id: Name | None = None
    k: int = Field(default=10, ge=1, le=MAX_RESULTS)
    filters: Filters | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        given = [
            n for n in ("text", "product", "image", "product_id") if getattr(self, n) is not None
        ]
        if len(given) != 1:
            raise ValueError(
                "give exactly one of text, product, image and product_id; "
                f"{'none of them is there' if not given else ' and '.join(given) + ' are there'}"
            )
        return self


class Hit(Contract):
    """One product found in the index."""

    rank: int
    product_id: str
    title: str
    category: str | None
    brand: str | None
    price: float | None
    similarity: float
    """Cosine of the two embeddings."""


class SearchResponse(Contract):
    """The nearest products, best first."""

    hits: tuple[Hit, ...]
    exact: bool
    """Whether every product was compared; otherwise an approximate index was used."""
    searched: int
    """Number of products that meet the filters."""
    notes: tuple[str, ...]
    model_version: str


def example_request() -> Product:
    """A valid request."""
    return Product(
        title="Analog Watch for Men with Leather Strap",
        description="A classic round dial with a brown leather strap. Water resistant to 30 m.",
        price=1499.0,
        currency="INR",
        brand="Tempus",
        attributes={"Strap": "Leather", "Dial": "Round"},
    )
