"""The edges that attention runs along, once for each direction, and a subset of them.

Legend: U users, I items, E pairs, R targets and S sources of a direction.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from crisol.models.recommender.data.histories import Histories
from crisol.models.recommender.networks.graph import starts_of


@dataclass(frozen=True)
class Direction:
    """Pairs as edges from sources to targets, ordered by target; and the way back for gradients.

    Attributes:
        sources: [E] source of each edge.
        targets: [E] target of each edge, ascending.
        starts: [R + 1] edges of target r are ``starts[r]:starts[r + 1]``.
        by_source: [E] the edges in the order of their sources.
        source_starts: [S + 1] where each source's edges begin in that order.
    """

    sources: Tensor
    targets: Tensor
    starts: Tensor
    by_source: Tensor
    source_starts: Tensor


@dataclass(frozen=True)
class Edges:
    """All pairs of a graph, a user's in time order.

    Attributes:
        users: [E] ascending.
        items: [E].
        user_count: U.
        item_count: I.
        by_item: [E] the pairs in the order of their items.
    """

    users: Tensor
    items: Tensor
    user_count: int
    item_count: int
    by_item: Tensor

    @classmethod
    def of(cls, histories: Histories, item_count: int) -> Self:
        """The pairs of histories that hold no item twice (:func:`latest`)."""
        items = torch.from_numpy(histories.items.astype(np.int64))
        users = torch.from_numpy(histories.rows)
        order = torch.argsort(items, stable=True)
        return cls(users, items, len(histories), item_count, order)

    def __len__(self) -> int:
        return len(self.users)

    def to(self, device: torch.device) -> Self:
        """The same edges on another device."""
        return replace(
            self,
            users=self.users.to(device),
            items=self.items.to(device),
            by_item=self.by_item.to(device),
        )

    def kept(self, keep: Tensor) -> "Edges":
        """The pairs that a mask [E] keeps."""
        place = torch.cumsum(keep, 0) - 1
        by_item = place[self.by_item[keep[self.by_item]]]
        return Edges(self.users[keep], self.items[keep], self.user_count, self.item_count, by_item)

    @property
    def to_users(self) -> Direction:
        """From items to the users who had them."""
        return Direction(self.items, self.users, self._user_starts, self.by_item, self._item_starts)

    @property
    def to_items(self) -> Direction:
        """From users to the items they had."""
        back = torch.empty_like(self.by_item)
        back[self.by_item] = torch.arange(len(back), device=back.device)
        users, items = self.users[self.by_item], self.items[self.by_item]
        return Direction(users, items, self._item_starts, back, self._user_starts)

    @property
    def age(self) -> Tensor:
        """[E] how many later pairs the user of each pair has."""
        ends = self._user_starts[1:][self.users]
        return ends - 1 - torch.arange(len(self.users), device=self.users.device)

    @property
    def _user_starts(self) -> Tensor:
        return starts_of(self.users, self.user_count)

    @property
    def _item_starts(self) -> Tensor:
        return starts_of(self.items[self.by_item], self.item_count)
