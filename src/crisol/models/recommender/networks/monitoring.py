"""The quality of a network while it is trained, on held-out items."""

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from crisol.core.training.loop import Evaluate
from crisol.models.recommender.data.histories import Histories
from crisol.models.recommender.methods.ranking import measure, top_k
from crisol.models.recommender.methods.scorer import Scorer

MONITOR_K = 20
"""Length of the lists whose quality ``valid_ndcg`` and ``valid_recall`` are."""


def held_out_quality(
    scorer_of: Callable[[Any], Scorer], histories: Histories, targets: Histories
) -> Evaluate:
    """Recall and NDCG at 20 of what a network's scorer ranks for these users."""

    def evaluate(network: nn.Module) -> dict[str, float]:
        scorer = scorer_of(network)

        def rank(some: Histories) -> np.ndarray:
            scores = scorer.score(some)
            return top_k(scores, MONITOR_K, exclude=some.matrix(scores.shape[1]))[0]

        measured = measure(rank, histories, targets, ks=(MONITOR_K,))
        return {name: measured.mean(f"{name}@{MONITOR_K}") for name in ("recall", "ndcg")}

    return evaluate
