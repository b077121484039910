"""The reasons of an item in a list: the events that carried it, and the attributes they share.

Legend: N events of a history, I items, T tags.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.models.recommender.contract import Explanation, PurchaseIntent, Reason
from crisol.models.recommender.data.catalogue import Catalogue

MAX_EVENTS = 3
MIN_SHARE = 0.05
"""An event that carried less is not named, unless it carried most."""
MAX_ATTRIBUTES = 5
MAX_SPOKEN = 3
"""Attributes in the sentence; all are in the list."""
MAX_NAME_CHARACTERS = 60
_SPOKEN = {"category": "category {}", "brand": "brand {}", "word": 'the word "{}"'}
"""How a tag's kind is said. Tags of other kinds are codes, which a sentence leaves out."""


Carrier = tuple[int, float]
"""An item index and its share of a score."""


@dataclass(frozen=True)
class Events:
    """One history as explanations need it.

    Attributes:
        items: [N] item indices, oldest first.
        looked: [N] true where the item was only looked at.
    """

    items: NDArray[np.int32]
    looked: NDArray[np.bool_]


class Explainer:
    """Says in a sentence why items are recommended."""

    def __init__(self, catalogue: Catalogue, item_counts: NDArray[np.int64], users: int) -> None:
        self._catalogue = catalogue
        self._item_counts = item_counts
        self._users = users
        self._tag_counts = np.bincount(catalogue.tags.indices, minlength=catalogue.tags.shape[1])

    def of_history(
        self,
        item: int,
        events: Events,
        carriers: Sequence[Carrier],
        intent: PurchaseIntent | None,
    ) -> Explanation:
        """The events that carried an item.

        Args:
            item: its index.
            events: the history.
            carriers: those of :func:`carried_most`.
            intent: what is looked for, if anything.
        """
        if not carriers:
            text = f"No item of your history speaks for it; {self._had(item)}"
            return Explanation(text="; ".join([text, *self._wanted(item, intent)]) + ".")
        attributes = self._shared(item, [index for index, _ in carriers])
        text = "".join(
            [
                self._because(carriers, events),
                _in_common(attributes),
                "; ".join(["", *self._wanted(item, intent)]),
            ]
        )
        reasons = tuple(
            Reason(
                item_id=self._catalogue.ids[index],
                title=self._catalogue.titles[index] or None,
                share=share,
            )
            for index, share in carriers
        )
        return Explanation(text=f"{text}.", events=reasons, attributes=attributes)

    def of_popularity(self, item: int, intent: PurchaseIntent | None) -> Explanation:
        """For somebody of whom nothing is known."""
        popular = "Popular" if self._item_counts[item] else "Nothing is known of you"
        text = f"{popular}: {self._had(item)}"
        return Explanation(text="; ".join([text, *self._wanted(item, intent)]) + ".")

    def _had(self, item: int) -> str:
        return f"{self._item_counts[item]:,} of {self._users:,} users had it"

    def _because(self, carriers: Sequence[Carrier], events: Events) -> str:
        had = {int(index) for index in events.items[~events.looked]}
        owned = [self._name(index) for index, _ in carriers if index in had]
        looked = [self._name(index) for index, _ in carriers if index not in had]
        parts = [
            f"{verb} {_listed(names)}"
            for verb, names in (("had", owned), ("looked at", looked))
            if names
        ]
        return f"Because you {' and '.join(parts)}"

    def _wanted(self, item: int, intent: PurchaseIntent | None) -> Iterator[str]:
        """The parts of an intent that the item meets, as phrases."""
        if intent is None or intent.strength == 0:
            return
        for kind, name, wanted in (
            ("category", self._catalogue.categories[item], intent.categories),
            ("brand", self._catalogue.brands[item], intent.brands),
        ):
            if name and name.casefold() in {one.casefold() for one in wanted}:
                yield f"it is of the {kind} {name} you look for"

    def _shared(self, item: int, others: Sequence[int]) -> tuple[str, ...]:
        """Tags an item has in common with the others: with most of them first, then the rarest."""
        own = set(self._tags(item))
        times: dict[int, int] = {}
        for other in others:
            for tag in own.intersection(self._tags(other)):
                times[tag] = times.get(tag, 0) + 1
        order = sorted(times, key=lambda tag: (-times[tag], self._tag_counts[tag], tag))
        return tuple(self._catalogue.tag_names[tag] for tag in order[:MAX_ATTRIBUTES])

    def _tags(self, item: int) -> list[int]:
        tags = self._catalogue.tags
        found: list[int] = tags.indices[tags.indptr[item] : tags.indptr[item + 1]].tolist()
        return found

    def _name(self, item: int) -> str:
        name = self._catalogue.titles[item] or self._catalogue.ids[item]
        if len(name) <= MAX_NAME_CHARACTERS:
            return name
        return f"{name[: MAX_NAME_CHARACTERS - 1].rstrip()}…"


def carried_most(
    items: NDArray[np.int32], contributions: Floats, count: int = MAX_EVENTS
) -> list[list[Carrier]]:
    """The items of a history that carried each of C scores, most first.

    Events of the same item count together. Shares are of everything that spoke *for* the score;
    what spoke against it has none. Ties go to the lower item index.

    Args:
        items: [N] the history.
        contributions: [C, N].
        count: how many at most.

    >>> carried_most(np.array([7, 8, 7]), np.array([[1.0, -1.0, 2.0]], dtype=np.float32))
    [[(7, 1.0)]]
    """
    if not len(items):
        return [[] for _ in contributions]
    by_item = np.argsort(items, kind="stable")
    distinct, starts = np.unique(items[by_item], return_index=True)
    sums = np.add.reduceat(contributions[:, by_item].astype(np.float64), starts, axis=1)
    sums = np.maximum(sums, 0)
    order = np.argsort(-sums, axis=1, kind="stable")[:, :count]
    totals = sums.sum(axis=1, keepdims=True)
    best = np.take_along_axis(sums, order, axis=1)
    shares = np.divide(best, totals, out=np.zeros_like(best), where=totals > 0)
    named = (shares >= MIN_SHARE) | ((np.arange(order.shape[1]) == 0) & (shares > 0))
    return [
        list(zip(distinct[row][keep].tolist(), share[keep].tolist(), strict=True))
        for row, share, keep in zip(order, shares, named, strict=True)
    ]


def _in_common(attributes: Sequence[str]) -> str:
    spoken = []
    for attribute in attributes:
        kind, _, name = attribute.partition(":")
        if kind in _SPOKEN:
            spoken.append(_SPOKEN[kind].format(name))
    return f"; in common: {_listed(spoken[:MAX_SPOKEN])}" if spoken else ""


def _listed(names: Sequence[str]) -> str:
    """Names as a person lists them.

    >>> _listed(["A", "B", "C"])
    'A, B and C'
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
