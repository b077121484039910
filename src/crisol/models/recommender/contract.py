"""The requests that `recommender` answers, and its responses.

Ids are the shop's own. An id that the model does not know is no error: it is left out and named in
``unknown``; somebody of whom nothing is known is answered with what is popular.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from crisol.core.contract import Contract

MAX_HISTORY = 1000
"""Events in a history, and in what was looked at."""
MAX_RECOMMENDATIONS = 100
MAX_BATCH = 100
MAX_EVENTS = 1000
MAX_ID_CHARACTERS = 128
MAX_FILTER_ITEMS = 10_000
MAX_PRICE = 1e12
MIN_WEIGHT = 1e-6
CLOCK_TOLERANCE = timedelta(days=1)
"""How far ahead of this machine's clock an event may lie (time zones, clocks that differ)."""
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
"""Events before it are mistakes: a year 1 stands for no time at all."""

Basis = Literal["user", "history", "popularity"]

Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARACTERS)]
Name = Annotated[str, Field(min_length=1, max_length=256)]
Names = Annotated[tuple[Name, ...], Field(max_length=1000)]
FilterItems = Annotated[tuple[Id, ...], Field(max_length=MAX_FILTER_ITEMS)]
Amount = Annotated[float, Field(ge=0)]
Price = Annotated[float, Field(ge=0, le=MAX_PRICE)]
Share = Annotated[float, Field(ge=0, le=1)]


def _check_kept_id(value: str) -> str:
    """Checks an id as the validation of raw events does."""
    if value != value.strip():
        raise ValueError("begins or ends with white space")
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise ValueError("holds a control character")
    return value


def _check_kept_time(value: datetime) -> datetime:
    """Checks a time as the validation of raw events does."""
    if value < EARLIEST:
        raise ValueError(f"lies before {EARLIEST:%Y}; leave it out if the time is not known")
    if value > datetime.now(UTC) + CLOCK_TOLERANCE:
        raise ValueError("lies in the future")
    return value


KeptId = Annotated[Id, AfterValidator(_check_kept_id)]
KeptTime = Annotated[AwareDatetime, AfterValidator(_check_kept_time)]


class PriceRange(Contract):
    """Prices in the catalogue's currency; one end may be left open."""

    min: Price | None = Field(default=None, description="Lowest price, included.")
    max: Price | None = Field(default=None, description="Highest price, included.")

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("give min, max, or both; leave price_range out to allow every price")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min ({self.min}) is above max ({self.max}); swap or correct them")
        return self


class PurchaseIntent(Contract):
    """Categories and brands that the user looks for. Matching items rise; others stay."""

    categories: Names = Field(default=(), description="Categories looked for.")
    brands: Names = Field(default=(), description="Brands looked for.")
    strength: Share = Field(default=0.5, description="0: no effect; 1: matches come first mostly.")

    @model_validator(mode="after")
    def _check_named(self) -> Self:
        if not self.categories and not self.brands:
            raise ValueError("name at least one category or brand, or leave purchase_intent out")
        return self


class Filters(Contract):
    """Which items may be answered. Every filter must let an item pass."""

    price_range: PriceRange | None = Field(
        default=None, description="Items without a known price do not pass."
    )
    allowed_items: FilterItems | None = Field(
        default=None, description="Only these; left out: all. An empty list lets nothing pass."
    )
    excluded_items: FilterItems = Field(default=(), description="None of these.")
    allowed_categories: Names | None = Field(
        default=None, description="Only these; left out: all. An empty list lets nothing pass."
    )
    excluded_categories: Names = Field(default=(), description="None of these.")


class Context(Filters):
    """The situation of this request: what was looked at, what is wanted, what is allowed."""

    browsing_history: Annotated[tuple[Id, ...], Field(max_length=MAX_HISTORY)] = Field(
        default=(),
        description="Items looked at, newest last. They count as light events after the history, "
        "and like those of the history are not recommended themselves.",
    )
    purchase_intent: PurchaseIntent | None = None


class RecommendationRequest(Contract):
    """Whom to recommend to: a known user, a history of items, or both."""

    user_id: Id | None = Field(
        default=None, description="A user the model was trained on; others are told as unknown."
    )
    history: Annotated[tuple[Id, ...], Field(max_length=MAX_HISTORY)] | None = Field(
        default=None,
        description="Item ids, oldest first. With a known user they are newer than what is known.",
        examples=[["item-1", "item-2"]],
    )
    context: Context | None = None
    num_recs: Annotated[int, Field(ge=1, le=MAX_RECOMMENDATIONS)] = Field(
        default=10, description="How many items to answer; fewer when fewer fit."
    )
    diversity: Share = Field(
        default=0.0, description="0: the best items; 1: the list whose items differ most."
    )
    explain: bool = Field(default=True, description="Whether each item brings its reasons.")

    @model_validator(mode="after")
    def _check_somebody(self) -> Self:
        if self.user_id is None and self.history is None:
            raise ValueError(
                "give user_id, history, or both; for a visitor of whom nothing is known, "
                "send an empty history: []"
            )
        return self


class BatchRequest(Contract):
    """Several requests answered in one pass."""

    requests: Annotated[
        tuple[RecommendationRequest, ...], Field(min_length=1, max_length=MAX_BATCH)
    ]


class Reason(Contract):
    """An item of the history and how much of the recommendation it carried."""

    item_id: str
    title: str | None = None
    share: Share = Field(
        description="Its part of what all events of the history that spoke for the item brought."
    )


class Explanation(Contract):
    """The reason why an item is in the list."""

    text: str = Field(description="One plain sentence.")
    events: tuple[Reason, ...] = Field(
        default=(), description="Up to three items of the history, the one that carried most first."
    )
    attributes: tuple[str, ...] = Field(
        default=(), description="What the item has in common with those, such as 'brand:acme'."
    )


class Item(Contract):
    """An item as the catalogue describes it."""

    item_id: str
    title: str | None = None
    category: str | None = None
    brand: str | None = None
    price: float | None = Field(default=None, description="In the catalogue's currency.")


class RecommendedItem(Item):
    """One recommendation."""

    rank: Annotated[int, Field(ge=1, description="1 is the first.")]
    score: float = Field(
        description="Higher is better. Without a unit: comparable within one answer only. With "
        "diversity above 0 scores need not fall with the rank."
    )
    explanation: Explanation | None = Field(default=None, description="Left out without explain.")


class Unknown(Contract):
    """The names of a request that the model does not know; they had no effect."""

    user_id: str | None = None
    items: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()


class RecommendationResponse(Contract):
    """The list, what it was made from, and how it is as a whole."""

    items: tuple[RecommendedItem, ...]
    basis: Basis = Field(
        description="user: what is known of the user, and the items given; history: the items "
        "given; popularity: nothing is known of whom to recommend to."
    )
    diversity: Share | None = Field(
        description="1 - mean cosine between the items of the list; null below two items."
    )
    novelty: Amount | None = Field(
        description="Mean surprise of the items in bits: -log2 of the share of users that had "
        "them; null for an empty list."
    )
    unknown: Unknown
    notes: tuple[str, ...] = Field(description="Plain sentences about anything unusual.")
    model_version: str
    inference_time_ms: Amount
    timestamp: datetime = Field(description="When this was answered (UTC).")


class BatchResponse(Contract):
    """One response per request, in order."""

    responses: tuple[RecommendationResponse, ...]


class SimilarItemsRequest(Contract):
    """Which items are like this one?"""

    item_id: Id
    num_items: Annotated[int, Field(ge=1, le=MAX_RECOMMENDATIONS)] = Field(
        default=10, description="How many items to answer; fewer when fewer fit."
    )
    filters: Filters | None = None


class SimilarItem(Item):
    """One of the nearest items."""

    rank: Annotated[int, Field(ge=1, description="1 is the nearest.")]
    similarity: Annotated[float, Field(ge=-1, le=1)] = Field(
        description="Cosine between the items' vectors."
    )


class SimilarItemsResponse(Contract):
    """The nearest items, nearest first; none for an item the model does not know."""

    items: tuple[SimilarItem, ...]
    unknown: Unknown
    notes: tuple[str, ...] = Field(description="Plain sentences about anything unusual.")
    model_version: str


class Event(Contract):
    """Somebody had, bought or did something with an item.

    What the next training would refuse as a raw event is refused here.
    """

    user_id: KeptId
    item_id: KeptId
    timestamp: KeptTime | None = Field(
        default=None,
        description="When (ISO 8601 with an offset), not in the future; left out: when it arrives.",
    )
    type: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None, description="Such as purchase, rating or view."
    )
    weight: Annotated[float, Field(ge=MIN_WEIGHT, le=1000)] | None = Field(
        default=None,
        description="How much it counts in the next training; left out: 1. In answers every event "
        "counts alike until then.",
    )


class EventsRequest(Contract):
    """Events since the training, in any order."""

    events: Annotated[tuple[Event, ...], Field(min_length=1, max_length=MAX_EVENTS)]


Count = Annotated[int, Field(ge=0)]


class EventsResponse(Contract):
    """How many events were stored; accepted and duplicates together are all of them."""

    accepted: Count = Field(description="Stored; they count from the next request on.")
    duplicates: Count = Field(description="Known already; nothing was done.")
    unknown_items: tuple[str, ...] = Field(
        description="Item ids the model does not know. Their events are stored, and count once a "
        "model knows the item."
    )
    model_version: str


def example_request() -> RecommendationRequest:
    """A valid request. Its items are those of the sample: a model that lacks them says so."""
    return RecommendationRequest(
        history=("i012", "i101"),
        context=Context(excluded_items=("i033",)),
        num_recs=5,
        diversity=0.2,
    )
