"""What each event of one history counts, when an item may occur in it more than once."""

import numpy as np

from crisol.models.recommender.histories import Histories
from crisol.models.recommender.scorer import Floats


def shared_weights(history: Histories) -> Floats:
    """[N] the weight that :meth:`Histories.matrix` gives each event's item, split over its events.

    >>> shared_weights(Histories.of([[4, 7, 4]], weights=[[1, 3, 2]])).tolist()
    [1.0, 3.0, 1.0]
    """
    _, index, counts = np.unique(history.items, return_inverse=True, return_counts=True)
    largest = np.full(len(counts), -np.inf, dtype=np.float32)
    np.maximum.at(largest, index, history.weights)
    return (largest / counts.astype(np.float32))[index]
