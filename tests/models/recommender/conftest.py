"""A tiny shop with structure: communities that buy in their own category, and favourites in each.

Everything is real at small size: the methods are fitted, the hybrid learns from held-out items.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from crisol.models.recommender.answers.hybrid import Hybrid
from crisol.models.recommender.answers.hybrid_lesson import fit_hybrid
from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.method_params import (
    ContentParams,
    FilterParams,
    HybridParams,
    TransitionParams,
)
from crisol.models.recommender.methods.content import fit_content
from crisol.models.recommender.methods.filters import fit_filter
from crisol.models.recommender.methods.popularity import fit_popularity
from crisol.models.recommender.methods.transitions import fit_transitions
from crisol.models.recommender.predictor import RecommenderPredictor

COMMUNITIES, PER_COMMUNITY, USERS, EVENTS = 5, 24, 240, 14
ITEMS = COMMUNITIES * PER_COMMUNITY
CATEGORIES = ("Lips", "Eyes", "Nails", "Hair", "Scent")
BRANDS = ("Acme", "Bloom", "Corvo", "Dune", "Ember", "Fauna")
COLD = 3
"""Items at the end that nobody had: no category, no title, no price."""


@dataclass(frozen=True)
class Shop:
    catalogue: Catalogue
    users: tuple[str, ...]
    interactions: Interactions
    targets: Histories
    """One held-out item of each user, that came last."""


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    rng = np.random.default_rng(7)
    size = ITEMS + COLD
    categories = [CATEGORIES[item // PER_COMMUNITY] for item in range(ITEMS)] + [""] * COLD
    brands = [BRANDS[code] for code in rng.integers(0, len(BRANDS), ITEMS)] + [""] * COLD
    names = [f"category:{name}" for name in CATEGORIES] + [f"brand:{name}" for name in BRANDS]
    names += [f"word:w{index}" for index in range(12)] + ["attribute:17"]
    tags = np.zeros((size, len(names)), dtype=np.float32)
    for item in range(ITEMS):
        tags[item, names.index(f"category:{categories[item]}")] = 1
        tags[item, names.index(f"brand:{brands[item]}")] = 1
        tags[item, 11 + rng.integers(0, 12)] = 1
        tags[item, -1] = item % 7 == 0
    prices = np.round(rng.uniform(5, 60, size), 2).astype(np.float32)
    prices[::9] = np.nan
    prices[ITEMS:] = np.nan
    return Catalogue(
        ids=tuple(f"item-{item:03d}" for item in range(size)),
        titles=tuple(f"Thing {item}" for item in range(ITEMS)) + ("",) * COLD,
        categories=tuple(categories),
        brands=tuple(brands),
        prices=prices,
        tags=csr_matrix(tags),
        tag_names=tuple(names),
    )


@pytest.fixture(scope="session")
def shop(catalogue) -> Shop:
    """Users buy nine times in ten in their community, favourites first among equals."""
    rng = np.random.default_rng(11)
    favour = 1 / np.arange(1, PER_COMMUNITY + 1) ** 0.8
    histories, targets = [], []
    for user in range(USERS):
        weights = np.full(ITEMS, 0.1 / (ITEMS - PER_COMMUNITY))
        own = slice((user % COMMUNITIES) * PER_COMMUNITY, (user % COMMUNITIES + 1) * PER_COMMUNITY)
        weights[own] = 0.9 * favour / favour.sum()
        bought = rng.choice(ITEMS, EVENTS, replace=False, p=weights / weights.sum())
        histories.append(bought[:-1].tolist())
        targets.append(bought[-1:].tolist())
    known = Histories.of(histories, users=range(USERS))
    return Shop(
        catalogue,
        tuple(f"user-{user}" for user in range(USERS)),
        Interactions(known, len(catalogue)),
        Histories.of(targets, users=range(USERS)),
    )


@pytest.fixture(scope="session")
def hybrid(shop) -> Hybrid:
    scorers = {
        "popularity": fit_popularity(shop.interactions, shop.catalogue),
        "filter": fit_filter(shop.interactions, shop.catalogue, FilterParams(dimensions=16)),
        "transitions": fit_transitions(shop.interactions, shop.catalogue, TransitionParams()),
        "content": fit_content(shop.interactions, shop.catalogue, ContentParams()),
    }
    return fit_hybrid(
        scorers,
        shop.interactions.histories,
        shop.targets,
        shop.catalogue,
        shop.interactions,
        HybridParams(candidates=60),
    )


@pytest.fixture(scope="session")
def predictor(shop, hybrid) -> RecommenderPredictor:
    return RecommenderPredictor(shop.catalogue, shop.users, shop.interactions, hybrid, study="tiny")
