"""What one asks of `products` and what it answers.

Every part of a product but its title may be missing: the model was trained that way. A picture
comes inside the request, as base64 or as an uploaded file; nothing is ever fetched from an address.
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
    """One product, as far as it is known.

    ``image`` is a JPEG, PNG or WebP file in base64 (a ``data:`` address of one is taken too).
    """

    title: Title
    description: Text | None = None
    price: Price | None = None
    currency: Currency | None = None
    category: Name | None = None
    """What the shop says it is: ``Home > Curtains``, or one level of it. It helps the price and the
    quality; the category that is answered does not look at it."""
    brand: Name | None = None
    attributes: dict[Name, Value] | None = Field(default=None, max_length=MAX_ATTRIBUTES)
    image: Picture | None = None
    task: Task | None = None
    """What to answer; everything when it is not said."""


class CategoryGuess(Contract):
    """A category and how likely it is."""

    category: str
    """Main category, or ``main > sub``."""
    probability: Share


class Driver(Contract):
    """What moved the probability of the answered category."""

    part: str
    """``title``, ``description``, ``image``, ``brand``, ``attributes``, ``price``, ``word: …``."""
    effect: float
    """Log-probability that is lost without it; below zero: it spoke against the category."""


class Categories(Contract):
    """The category, in both levels where the model has two."""

    main: str
    main_probability: Share
    sub: str | None
    sub_probability: Share | None
    guesses: tuple[CategoryGuess, ...]
    """The most probable leaves, best first, at most five. ``sub`` is the best leaf of the most
    probable main category: as a rule, the first of these."""
    drivers: tuple[Driver, ...]
    """Strongest first."""
    agrees: bool | None
    """Whether the category given with the product is the answered one; unknown when none came."""


class QualityReason(Contract):
    """One rule that a product breaks, and what to do."""

    rule: str
    """Its name in the list of rules, such as ``title_length``."""
    reason: str
    improvement: str
    weight: Share
    """What the score gains when it is mended."""


class Quality(Contract):
    """An honest score, and where it comes from."""

    score: Share
    basis: Literal["rules", "rules and ratings"]
    """``rules and ratings``: half is each; ``rules``: the model has seen no ratings."""
    rules_score: Share
    """Completeness and consistency: the weight of the rules that hold."""
    expected_rating: Share | None
    """Where customers' rating of such a product is expected among all rated ones: 0 the lowest, 1
    the highest. Learned; none where the model has seen no ratings."""
    reasons: tuple[QualityReason, ...]
    """The most important first."""


class PriceEstimate(Contract):
    """What such a product costs, without looking at the price it came with."""

    estimate: float
    low: float
    high: float
    coverage: Share
    """At least so many of such products cost between ``low`` and ``high``, by the products held out
    in training."""
    currency: str | None
    given: float | None
    outlier: bool | None
    """Whether the given price lies where at most 2 of 100 lie (10, where few prices are known);
    unknown when none came, when it is in another currency than the model's, or when too few prices
    are known."""
    note: str | None


class Sentiment(Contract):
    """How the description sounds, by a word list; it is no opinion of customers."""

    score: Annotated[float, Field(ge=-1, le=1)]
    label: Literal["negative", "neutral", "positive"]


class Analysis(Contract):
    """The answer; what was not asked for, or what the model cannot tell, is left empty."""

    categories: Categories | None = None
    quality: Quality | None = None
    price: PriceEstimate | None = None
    embedding: tuple[float, ...] | None = None
    """Length 1; the cosine of two products' embeddings says how alike they are."""
    sentiment: Sentiment | None = None
    notes: tuple[str, ...]
    model_version: str
    inference_time_ms: float
    timestamp: datetime


class EmbeddingsRequest(Contract):
    """Products to embed in the background. Each is checked on its own: a bad one fails alone."""

    products: Annotated[tuple[dict[str, Any], ...], Field(min_length=1, max_length=MAX_BATCH)]


JobState = Literal["waiting", "running", "done", "cancelled"]


class Job(Contract):
    """How far a background job is."""

    job_id: str
    state: JobState
    total: int
    done: int
    """Products that are embedded."""
    failed: int
    """Products that could not be; their results say why."""
    cached: int
    """Of the done ones: had been embedded before."""
    created: datetime
    expires: datetime | None
    """When the results are deleted; unknown while the job is not finished."""
    model_version: str


class ItemResult(Contract):
    """One product of a job: its embedding or what is wrong with it."""

    position: int
    embedding: tuple[float, ...] | None
    error: str | None
    field: str | None


class JobResults(Contract):
    """A page of a job's results, in the order of its products."""

    job: Job
    results: tuple[ItemResult, ...]
    next_position: int | None
    """Ask on from here; none: these were the last."""


class Filters(Contract):
    """Only products that fit all of these."""

    categories: Annotated[tuple[Name, ...], Field(min_length=1, max_length=100)] | None = None
    """Main categories or ``main > sub``."""
    brands: Annotated[tuple[Name, ...], Field(min_length=1, max_length=1000)] | None = None
    min_price: Annotated[float, Field(ge=0)] | None = None
    max_price: Annotated[float, Field(ge=0)] | None = None
    with_image: bool | None = None

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        low, high = self.min_price, self.max_price
        if low is not None and high is not None and low > high:
            raise ValueError("min_price is above max_price")
        return self


class SearchRequest(Contract):
    """Search by exactly one of: words, a product, a picture, or a product of the index."""

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
    """A product of the index."""

    rank: int
    product_id: str
    title: str
    category: str | None
    brand: str | None
    price: float | None
    similarity: float
    """Cosine of the embeddings."""


class SearchResponse(Contract):
    """What is nearest, best first."""

    hits: tuple[Hit, ...]
    exact: bool
    """Whether every product was compared, or an approximate index asked."""
    searched: int
    """Products that fit the filters."""
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
