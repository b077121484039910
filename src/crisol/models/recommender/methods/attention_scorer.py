"""The graph attention network as it is served: the items as trained, the user node in NumPy.

Attention of Veličković et al. (GAT, arXiv:1710.10903); the network and its training are in
:mod:`crisol.models.recommender.networks.attention_network` and
:mod:`crisol.models.recommender.networks.attention_training`.

Legend: B histories, U users, I items, N events of B histories, L layers, H heads, D dimensions,
A ages.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import VISITOR, Histories, Interactions
from crisol.models.recommender.methods.scorer import Arrays, Scorer

SLOPE = 0.2
"""Slope of LeakyReLU below zero, as in the paper."""
NORM_EPSILON = 1e-5
"""Added to a variance, as torch's LayerNorm does."""

_ARRAYS = ("items", "values", "logits", "ages", "users", "targets")


class AttentionScorer(Scorer):
    """Scores are dot products of the user's and the items' states after the last layer.

    An event changes its user's node, not the items', which stay as trained. At layer l the user's
    state ``x`` becomes ``x + Σ_i w_i v_i``: the history's items attend with
    ``w = softmax_i LeakyReLU(s_i + t · norm(x) + age_i)`` in every head, where ``v_i`` and ``s_i``
    come from item i's state of layer l - 1 and are stored. A known user with the history of the
    training gets what the network computes on the whole graph. ``x`` begins as the known user's
    embedding, as zero for a visitor; the training leaves out some users' embeddings in every step,
    so that the network has met visitors. An item that occurs more than once counts where it occurs
    last; weights of events are not used.

    Args:
        items: [I, D] after the last layer.
        values: [L, I, D] ``v``.
        logits: [L, I, H] ``s``.
        ages: [L, A, H]; row a is for an event that log2(number of later events + 1) rounds to a.
        users: [U, D] before the first layer.
        targets: [L, H, D] ``t``.
    """

    name: ClassVar[str] = "attention"

    def __init__(
        self,
        items: Floats,
        values: Floats,
        logits: Floats,
        ages: Floats,
        users: Floats,
        targets: Floats,
    ) -> None:
        self._items, self._values, self._logits, self._ages = items, values, logits, ages
        self._users, self._targets = users, targets

    def embed(self, histories: Histories) -> Floats:
        """[B, D] the users after the last layer; zeros for an empty history."""
        x = self._start(histories)
        for _, received in self._layers(latest(histories), x):
            x += received
        x[histories.sizes == 0] = 0
        return x

    def score(self, histories: Histories) -> Floats:
        """[B, I] dot products."""
        return self.embed(histories) @ self._items.T

    def contributions(self, history: Histories, items: NDArray[np.int64]) -> Floats:
        """Attention times value, over all layers and heads, in the direction of each item.

        Since layers add up, the summands are exact given the attention; without an event the others
        would get more of it. What the user's own embedding adds belongs to no event. An item that
        occurs more than once shares its summand among its events.
        """
        events = history.items
        if not len(events):
            return np.zeros((len(items), 0), np.float32)
        distinct, carried = latest(history), np.zeros((len(items), len(self._items)), np.float32)
        x = self._start(history)
        for brought, received in self._layers(distinct, x):
            carried[:, distinct.items] += self._items[items] @ brought.T
            x += received
        times = np.bincount(events, minlength=1)[events]
        return (carried[:, events] / times).astype(np.float32)

    def _start(self, histories: Histories) -> Floats:
        x = np.zeros((len(histories), self._items.shape[1]), np.float32)
        known = histories.users != VISITOR
        x[known] = self._users[histories.users[known]]
        return x

    def _layers(self, histories: Histories, x: Floats) -> Iterator[tuple[Floats, Floats]]:
        """For each layer what the events [N, D] bring and what their users [B, D] receive.

        The caller adds what was received to ``x`` before asking for the next layer.
        """
        rows, ages = histories.rows, age_rows(histories, self._ages.shape[1])
        full = histories.sizes > 0
        begins = histories.starts[:-1][full]
        for layer, values in enumerate(self._values):
            logits = self._logits[layer, histories.items] + self._ages[layer, ages]
            logits += (_norm(x) @ self._targets[layer].T)[rows]
            logits = np.where(logits > 0, logits, np.float32(SLOPE) * logits)
            weights = _softmax(logits, begins, histories.sizes[full])
            brought = values[histories.items]
            brought *= np.repeat(weights, values.shape[1] // weights.shape[1], axis=1)
            received = np.zeros_like(x)
            if len(begins):
                received[full] = np.add.reduceat(brought, begins, axis=0)
            yield brought, received

    def item_vectors(self) -> Floats:
        """[I, D] the items after the last layer."""
        return self._items

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """All arrays; no settings."""
        return {name: getattr(self, f"_{name}") for name in _ARRAYS}, {}

    @classmethod
    def restore(
        cls,
        arrays: Arrays,
        settings: Mapping[str, Any],
        interactions: Interactions,
        catalogue: Catalogue,
    ) -> Self:
        """The scorer of :meth:`state`."""
        del settings, interactions, catalogue
        return cls(**{name: arrays[name] for name in _ARRAYS})


def latest(histories: Histories) -> Histories:
    """The histories with only the last event of each item.

    >>> latest(Histories.of([[4, 2, 4]])).items.tolist()
    [2, 4]
    """
    order = np.lexsort((np.arange(len(histories.items)), histories.items, histories.rows))
    rows, items = histories.rows[order], histories.items[order]
    last = np.ones(len(order), dtype=bool)
    last[:-1] = (rows[1:] != rows[:-1]) | (items[1:] != items[:-1])
    kept = np.sort(order[last])
    sizes = np.bincount(histories.rows[kept], minlength=len(histories))
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Histories(starts, histories.items[kept], histories.weights[kept], histories.users)


def age_rows(histories: Histories, ages: int) -> NDArray[np.int64]:
    """[N] row of each event in the table of ages: 0, 1, 2-3, 4-7 … later events."""
    later = np.repeat(histories.starts[1:], histories.sizes) - 1 - np.arange(len(histories.items))
    rows = np.minimum(np.frexp(later + 1.0)[1] - 1, ages - 1)
    return np.asarray(rows, dtype=np.int64)


def _norm(x: Floats) -> Floats:
    centred = x - x.mean(1, keepdims=True)
    variance = np.square(centred).mean(1, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + np.float32(NORM_EPSILON)))


def _softmax(logits: Floats, begins: NDArray[np.int64], sizes: NDArray[np.int64]) -> Floats:
    """[N, H] softmax over each segment that is not empty."""
    if not len(logits):
        return logits
    largest = np.repeat(np.maximum.reduceat(logits, begins), sizes, axis=0)
    weights = np.exp(logits - largest)
    return np.asarray(weights / np.repeat(np.add.reduceat(weights, begins), sizes, axis=0))
