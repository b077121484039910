"""Weights of the events of histories: later ones weigh more, a repeated item counts once.

Legend: N events.
"""

from dataclasses import replace

import numpy as np

from crisol.core.arrays import Floats
from crisol.models.recommender.data.histories import Histories


def recent(histories: Histories, power: float) -> Histories:
    """The same histories with every event's weight times ``(1 + later events) ** -power``.

    >>> recent(Histories.of([[7, 8], [9]]), 1.0).weights.tolist()
    [0.5, 1.0, 1.0]
    """
    if power == 0:
        return histories
    later = histories.starts[1:][histories.rows] - 1 - np.arange(len(histories.items))
    weights = histories.weights * (1.0 + later) ** -power
    return replace(histories, weights=weights.astype(np.float32))


def event_weights(histories: Histories, recency: float) -> Floats:
    """[N]: the weight of each event, times ``recency`` for every event that came after it.

    >>> event_weights(Histories.of([[7, 8, 9], [5]]), 0.5).tolist()
    [0.25, 0.5, 1.0, 1.0]
    """
    if recency == 1:
        return histories.weights
    ages = histories.starts[1:][histories.rows] - 1 - np.arange(len(histories.items))
    return (histories.weights * recency**ages).astype(np.float32)


def shared_weights(history: Histories) -> Floats:
    """[N] the weight that :meth:`Histories.matrix` gives each event's item, split over its events.

    >>> shared_weights(Histories.of([[4, 7, 4]], weights=[[1, 3, 2]])).tolist()
    [1.0, 3.0, 1.0]
    """
    _, index, counts = np.unique(history.items, return_inverse=True, return_counts=True)
    largest = np.full(len(counts), -np.inf, dtype=np.float32)
    np.maximum.at(largest, index, history.weights)
    return np.divide(largest, counts, dtype=np.float32)[index]
