"""The champion on the candidate's tested users: whether it can be compared, and its scores.

Legend: B tested users.
"""

import numpy as np

from crisol.core.arrays import Floats
from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import VISITOR, Histories
from crisol.models.recommender.predictor import RecommenderPredictor
from crisol.models.recommender.report.results import StudyResult, measured_lists

BATCH_USERS = 512
LEAST_KNOWN = 0.5
"""A champion that knows a smaller share of the tested items is not compared."""


def incomparable(
    champion: RecommenderPredictor, candidate: RecommenderPredictor, result: StudyResult
) -> str:
    """The reason why the champion cannot be compared on this study; empty where it can.

    A champion of another catalogue loses to any candidate, which says nothing of either.
    """
    tested = np.unique(result.targets.items)
    known = int(same_items(champion.catalogue, candidate.catalogue)[tested].sum())
    if known >= LEAST_KNOWN * len(tested):
        return ""
    return (
        f"whose catalogue is another one: it knows {known:,} of the {len(tested):,} items that are "
        f"tested on ({known / len(tested):.0%}; at least {LEAST_KNOWN:.0%} are needed)"
    )


def same_items(theirs: Catalogue, mine: Catalogue) -> np.ndarray:
    """[I] whether each of my items is among theirs.

    The same id is the same item unless both describe it and nothing agrees: running numbers of two
    shops are alike.
    """
    columns = ("titles", "categories", "brands")
    same = np.zeros(len(mine), dtype=bool)
    for row, item in enumerate(mine.ids):
        if (at := theirs.index.get(item)) is None:
            continue
        pairs = [(getattr(mine, name)[row], getattr(theirs, name)[at]) for name in columns]
        described = [one == other for one, other in pairs if one and other]
        same[row] = any(described) or not described
    return same


def champion_scores(champion: RecommenderPredictor, result: StudyResult) -> Floats:
    """[B] each tested user's NDCG by the champion, which is asked by ids.

    A champion may know other users and items. What it does not know it cannot recommend, which
    counts against it.
    """
    items = np.array([champion.catalogue.index.get(item, -1) for item in result.item_ids])
    known = {user: position for position, user in enumerate(champion.users)}
    users = np.array([known.get(user, VISITOR) for user in result.user_ids])
    back = np.full(len(champion.catalogue) + 1, -1)  # its last place stands for no item
    back[items[items >= 0]] = np.flatnonzero(items >= 0)
    lists = [
        back[champion.hybrid.rank(translated(part, items, users), result.study.k).items]
        for part in result.histories.batches(BATCH_USERS)
    ]
    measured = measured_lists(
        np.concatenate(lists), result.histories, result.targets, result.study.k
    )
    return measured.by_user[result.metric]


def translated(histories: Histories, items: np.ndarray, users: np.ndarray) -> Histories:
    """The histories by another model's indices; items that it does not know are left out."""
    own = items[histories.items]
    kept = own >= 0
    sizes = np.bincount(histories.rows[kept], minlength=len(histories))
    return Histories(
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        own[kept].astype(np.int32),
        histories.weights[kept],
        users[histories.users],
    )
