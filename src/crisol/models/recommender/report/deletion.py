"""The deletion test of the recommender's explanations; see :mod:`crisol.core.deletion`.

An item's score is computed again from the history without the events that its explanation names,
and without as many others drawn at random.

Legend: N events of a history.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.deletion import Deletion, deletion_figures
from crisol.models.recommender.answers.explanation import carried_most
from crisol.models.recommender.answers.requests import Encoded, together
from crisol.models.recommender.contract import RecommendationRequest
from crisol.models.recommender.data.histories import Histories
from crisol.models.recommender.predictor import RecommenderPredictor

DRAWS = 5
"""Random deletions that a case's named one is compared with."""


def deletions(
    predictor: RecommenderPredictor, requests: Sequence[RecommendationRequest], seed: int = 0
) -> list[Deletion]:
    """Every recommended item that has named events, and at least as many others to compare with.

    Args:
        predictor: recommends and scores.
        requests: whose lists are examined.
        seed: of the random deletions.
    """
    rng = np.random.default_rng(seed)
    found = []
    outputs = predictor.infer([predictor.encode(request) for request in requests])
    for index, (request, output) in enumerate(zip(requests, outputs, strict=True)):
        items = output.items[: request.num_recs]
        events = output.encoded.events.items
        contributions = predictor.hybrid.contributions(together([output.encoded]), items)
        variants: list[tuple[int, NDArray[np.int64]]] = []
        carriers = carried_most(events, contributions)
        for item, its_own in zip(items.tolist(), carriers, strict=True):
            named = np.array([carrier for carrier, _ in its_own], dtype=np.int64)
            others = np.setdiff1d(events, named)
            if 0 < len(named) <= len(others):
                draws = [rng.choice(others, len(named), replace=False) for _ in range(DRAWS)]
                variants += [(item, deleted) for deleted in (named, *draws)]
        falls = _falls(predictor, output.encoded, variants).reshape(-1, DRAWS + 1)
        found += [Deletion.from_falls(index, one) for one in falls]
    return found


def deletion_test(
    predictor: RecommenderPredictor, requests: Sequence[RecommendationRequest], seed: int = 0
) -> dict[str, float] | None:
    """The deletion test in figures; nothing where histories are too short to delete from.

    Returns:
        See :func:`crisol.core.deletion.deletion_figures`; falls are of an item's score, and
        requests are resampled.
    """
    return deletion_figures(deletions(predictor, requests, seed))


def _falls(
    predictor: RecommenderPredictor,
    encoded: Encoded,
    variants: Sequence[tuple[int, NDArray[np.int64]]],
) -> Floats:
    """By how much each item's score falls without a set of items."""
    if not variants:
        return np.zeros(0)
    whole = together([encoded])
    parts = [whole, *(_without(whole, deleted) for _, deleted in variants)]
    histories = Histories(
        np.concatenate([[0], np.cumsum([len(part.items) for part in parts])]).astype(np.int64),
        np.concatenate([part.items for part in parts]),
        np.concatenate([part.weights for part in parts]),
        np.concatenate([part.users for part in parts]),
    )
    items, which = np.unique([item for item, _ in variants], return_inverse=True)
    asked = np.tile(items, (len(parts), 1))
    scores = predictor.hybrid.score_items(histories, asked).astype(np.float64)
    return np.asarray(scores[0, which] - scores[np.arange(1, len(parts)), which])


def _without(history: Histories, items: NDArray[np.int64]) -> Histories:
    """One history without every event of these items."""
    kept = ~np.isin(history.items, items)
    starts = np.array([0, kept.sum()], dtype=np.int64)
    return Histories(starts, history.items[kept], history.weights[kept], history.users)
