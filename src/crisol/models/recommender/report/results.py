"""One study's tested lists with everything measured on them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse.linalg import svds

from crisol.core.arrays import Floats
from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.data.prepare import (
    histories_before,
    interactions,
    study_items,
    user_ids,
)
from crisol.models.recommender.data.raw_columns import ATTRIBUTE_SEPARATOR
from crisol.models.recommender.methods.ranking import Items, Measured, measure
from crisol.models.recommender.params import DataParams
from crisol.models.recommender.report.summary import Summary, summary
from crisol.models.recommender.study_params import StudyParams

VECTOR_DIMENSIONS = 64


@dataclass(frozen=True)
class StudyResult:
    """The lists of a study's methods for its tested users, and their metrics.

    Attributes:
        study: the study.
        user_ids: of the study's users, by position.
        item_ids: of the study's items, by position.
        known: what the methods had learned from.
        histories: B histories that were ranked for.
        targets: their B sets of held-out items.
        vectors: [I, D] by which lists are called diverse: the same for every method.
        measured: method to its lists and each user's metrics.
        summaries: method to the means with their intervals.
        attributes: what users tell of themselves to the rows of the tested ones who tell it;
            ``None`` where there are no users to tell anything.
        order: of the events: ``time``, ``rows`` or ``none``.
    """

    study: StudyParams
    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    known: Interactions
    histories: Histories
    targets: Histories
    vectors: Floats
    measured: dict[str, Measured]
    summaries: dict[str, Summary]
    attributes: dict[str, Items] | None = None
    order: str = "time"

    @property
    def metric(self) -> str:
        """The headline: NDCG at the study's cut-off."""
        return f"ndcg@{self.study.k}"

    def users(self, method: str) -> np.ndarray:
        """[B] each tested user's headline metric."""
        return self.measured[method].by_user[self.metric]


def study_results(
    events: pd.DataFrame,
    items: pd.DataFrame,
    rankings: pd.DataFrame,
    data: DataParams,
    users: pd.DataFrame | None = None,
) -> list[StudyResult]:
    """Measure every method of every study."""
    return [
        study_result(
            study,
            events[events["study"] == study.name],
            study_items(items, study),
            rankings[rankings["study"] == study.name],
            data.gate.resamples,
            users,
        )
        for study in data.studies
    ]


def study_result(
    study: StudyParams,
    events: pd.DataFrame,
    items: pd.DataFrame,
    rankings: pd.DataFrame,
    resamples: int = 1000,
    users: pd.DataFrame | None = None,
) -> StudyResult:
    """Measure every method's lists.

    Args:
        study: the study.
        events: its interactions, each in its part.
        items: those of its source.
        rankings: its lists.
        resamples: of users, for the intervals.
        users: as from :func:`crisol.models.recommender.data.prepare.clean_users`, if there are any.

    Raises:
        ValueError: lists and held-out events do not cover the same users.
    """
    histories, targets = histories_before(events, "test")
    known = interactions(events, ("train", "valid"), len(items))
    vectors = taste_vectors(known)
    measured, summaries = {}, {}
    places = [f"rank_{place}" for place in range(1, study.k + 1)]
    for method, table in rankings.groupby("method", sort=False):
        lists = table.sort_values("user")
        if not np.array_equal(lists["user"].to_numpy(), histories.users):
            raise ValueError(
                f"study {study.name!r}: the lists of {method} are for other users than those "
                "tested; run the nodes from the interactions on"
            )
        ranked = lists[places].to_numpy(np.int64)
        measured[str(method)] = measured_lists(ranked, histories, targets, study.k)
        summaries[str(method)] = summary(
            measured[str(method)], histories, known, vectors, resamples=resamples
        )
    ids = user_ids(events)
    tested = [ids[user] for user in histories.users]
    return StudyResult(
        study,
        ids,
        tuple(items["item"].astype(str)),
        known,
        histories,
        targets,
        vectors,
        measured,
        summaries,
        None if users is None or users.empty else user_attributes(users, study, tested),
        str(events["order"].iloc[0]),
    )


def user_attributes(users: pd.DataFrame, study: StudyParams, tested: list[str]) -> dict[str, Items]:
    """Each attribute of the study's users, sorted, to the rows of the tested ones who have it."""
    mine = users[users["source"] == study.source] if study.source else users
    known = dict(zip(mine["user"], mine["attributes"], strict=True))
    having: dict[str, list[int]] = {}
    for row, user in enumerate(tested):
        attributes = known.get(user, "").split(ATTRIBUTE_SEPARATOR)
        for name in {attribute.strip() for attribute in attributes} - {""}:
            having.setdefault(name, []).append(row)
    return {name: np.array(rows) for name, rows in sorted(having.items())}


def measured_lists(lists: Items, histories: Histories, targets: Histories, k: int) -> Measured:
    """Measure lists [B, K] that are there already, row by row with the histories."""
    row_of = np.full(int(histories.users.max()) + 1, -1)
    row_of[histories.users] = np.arange(len(histories))
    return measure(lambda part: lists[row_of[part.users]], histories, targets, (k,))


def taste_vectors(known: Interactions) -> Floats:
    """[I, D] in which items that the same users had are near.

    Singular vectors of the interactions, whose columns are divided by the root of the item's
    users: the cosine of two rows is close to that of the items' columns. The same for every method,
    whatever it was trained with.
    """
    matrix = known.matrix.astype(np.float64)
    counts = np.maximum(known.item_counts, 1)
    scaled = matrix.multiply(1 / np.sqrt(counts)).tocsr()
    size = min(VECTOR_DIMENSIONS, min(scaled.shape) - 1)
    if size < 1:
        return np.ones((known.item_count, 1), np.float32)
    start = np.ones(min(scaled.shape))
    _, values, vectors = svds(scaled, k=size, v0=start)
    return np.ascontiguousarray((vectors * values[:, None]).T, dtype=np.float32)
