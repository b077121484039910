"""Synthetic events of any size: communities of taste, skewed popularity, users of uneven activity.

The events are generated and serve only to measure speed; they say nothing about real people.
"""

import numpy as np
from scipy.sparse import csr_matrix

from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import Histories, Interactions

SHARES = (0.55, 0.25, 0.1, 0.1)
"""Shares of a user's events from the first, second and third community, and from anywhere."""


def draw(users: int, items: int, events: int, seed: int = 0) -> tuple[Interactions, Catalogue]:
    """U users, I items and N events, in the order of users and time.

    Popularity falls with the power 0.9 of an item's rank, in every community; activity is
    lognormal, and nobody has no event.

    Raises:
        ValueError: fewer events than users.
    """
    if events < users:
        raise ValueError(f"{events} events are too few for {users} users")
    rng = np.random.default_rng(seed)
    communities = max(4, round(items**0.5 / 3))
    of_item = rng.integers(communities, size=items)
    weight = (rng.permutation(items) + 10.0) ** -0.9
    activity = rng.lognormal(sigma=1.0, size=users)
    counts = 1 + rng.multinomial(events - users, activity / activity.sum())
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    who = np.repeat(np.arange(users), counts)
    tastes = rng.integers(communities, size=(users, len(SHARES)))
    community = tastes[who, rng.choice(len(SHARES), size=events, p=SHARES)]
    anywhere = rng.random(events) < SHARES[-1]

    order = np.argsort(of_item, kind="stable")
    reached = np.concatenate([[0.0], np.cumsum(weight[order])])
    first = np.searchsorted(of_item[order], np.arange(communities + 1))
    low = np.where(anywhere, 0.0, reached[first[community]])
    high = np.where(anywhere, reached[-1], reached[first[community + 1]])
    at = np.searchsorted(reached, low + rng.random(events) * (high - low), side="right") - 1
    chosen = order[np.clip(at, 0, items - 1)].astype(np.int32)

    histories = Histories(starts, chosen, np.ones(events, np.float32), np.arange(users))
    catalogue = Catalogue(
        ids=tuple(f"item-{i}" for i in range(items)),
        titles=("",) * items,
        categories=tuple(f"community-{c}" for c in of_item),
        brands=("",) * items,
        prices=rng.lognormal(3, 1, size=items).astype(np.float32),
        tags=csr_matrix(
            (np.ones(items, np.float32), of_item, np.arange(items + 1)), (items, communities)
        ),
        tag_names=tuple(f"category:community-{c}" for c in range(communities)),
    )
    return Interactions(histories, items), catalogue


def hold_out(
    interactions: Interactions, users: int, seed: int = 0
) -> tuple[Interactions, Histories]:
    """The interactions without the last event of some users, and those events as histories.

    Returns:
        The interactions to train on, and the held-out item of each chosen user (in ``users``).
    """
    histories = interactions.histories
    able = np.flatnonzero(histories.sizes > 1)
    chosen = np.sort(np.random.default_rng(seed).choice(able, min(users, len(able)), replace=False))
    last = histories.starts[chosen + 1] - 1
    kept = np.ones(len(histories.items), bool)
    kept[last] = False
    sizes = histories.sizes.copy()
    sizes[chosen] -= 1
    rest = Histories(
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        histories.items[kept],
        histories.weights[kept],
        histories.users,
    )
    ones = np.ones(len(chosen), np.float32)
    targets = Histories(np.arange(len(chosen) + 1), histories.items[last], ones, chosen)
    return Interactions(rest, interactions.item_count), targets
