"""Which events a study takes, how they are divided, and how its lists are judged."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from crisol.core.params import Count, Float32, Params, Seed
from crisol.core.studies import Study


class OfficialSplit(Params):
    """Training and test as the data set's authors divided them (the column ``part``)."""

    kind: Literal["official"] = "official"
    valid_share: float = Field(default=0.1, gt=0, lt=1)
    """Share of each user's training items for validation, on which parameters are chosen."""
    valid_by: Literal["random", "newest"] = "random"
    """How validation is chosen: at random, or each user's newest; take what the test is like."""
    seed: Seed = 0


class LeaveOneOutSplit(Params):
    """A user's newest item is tested, the one before validates, the rest is training.

    New means: had for the first time. Users with fewer than three items are training only.
    """

    kind: Literal["leave_one_out"] = "leave_one_out"


class TemporalSplit(Params):
    """Cut at two moments that are the same for everybody: nothing is trained on its own future."""

    kind: Literal["temporal"] = "temporal"
    valid_share: float = Field(default=0.1, gt=0, lt=1)
    test_share: float = Field(default=0.2, gt=0, lt=1)
    """The newest share of the events; validation is the share before it."""

    @model_validator(mode="after")
    def _check_shares(self) -> Self:
        if self.valid_share + self.test_share >= 1:
            raise ValueError("valid_share + test_share leave no training events")
        return self


class AutoSplit(Params):
    """Official where the events have parts, temporal where they have times, else leave one out.

    Where hardly anybody is tested after a temporal cut, leave one out as well.
    """

    kind: Literal["auto"] = "auto"


Split = OfficialSplit | LeaveOneOutSplit | TemporalSplit


class StudyParams(Study):
    """One source of events, from the filter to the list that is judged."""

    source: str = "shop"
    """Which shop or data set, as in the column ``source``; empty: the only one there is."""
    split: Annotated[Split | AutoSplit, Field(discriminator="kind")] = Field(
        default_factory=LeaveOneOutSplit
    )
    order: Literal["auto", "time", "rows", "none"] = "auto"
    """The order of the events. ``auto``: times where there are some; without them the rows, unless
    these are sorted by item or by something else that is not time. ``none``: validation and test
    are drawn at random for each user, and what reads an order is switched off."""
    k: int = Field(default=10, ge=1, le=100)
    """Length of the lists that the headline figures judge."""
    refit: bool = True
    """Fit the methods again on training and validation together before the test. Protocols that fit
    on all but the last two events, and only rank with the last but one, say ``false``."""
    min_user_events: Count = Field(default=0, ge=0)
    """Users with fewer training items are left out, and so on until nothing changes (k-core)."""
    min_item_events: Count = Field(default=0, ge=0)
    """Events with items of fewer training users are left out; 0 also tests on items that training
    never saw. The items stay in the catalogue."""
    type_weights: dict[str, Annotated[Float32, Field(ge=0)]] = Field(default_factory=dict)
    """Weight of each type of event, times the event's own; 0 leaves the type out. Empty: all 1."""
    min_word_items: Count = Field(default=3, ge=1)
    """A word of titles and texts becomes a tag when at least so many items have it."""
    max_word_share: float = Field(default=0.3, gt=0, le=1)
    """A word of more items than this share says nothing and becomes no tag."""

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        if self.type_weights and not any(self.type_weights.values()):
            raise ValueError("type_weights: every type weighs 0")
        return self

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.split.kind == "temporal" and self.order in ("rows", "none"):
            raise ValueError(
                f"order {self.order!r} reads no times, and a temporal split needs them; split by "
                "leave_one_out, or leave order at 'auto'"
            )
        return self
