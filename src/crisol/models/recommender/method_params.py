"""The settings of each method. Light: importing this loads no NumPy, no torch."""

from typing import Literal, Self

from pydantic import Field, model_validator

from crisol.core.params import Count, Float32, Params, Seed, Width


class FilterParams(Params):
    """Closed-form graph filters: GF-CF (arXiv:2108.07567), BSPM (arXiv:2211.09324)."""

    dimensions: Width | None = Field(default=None, ge=1)
    """Singular vectors of the ideal low-pass filter; ``null``: 256, or half of all if fewer.

    A number above those that the users and items allow is taken as ``null``, and told."""
    ideal: Float32 = Field(default=0.3, ge=0)
    """Weight of the ideal low-pass filter beside the linear one."""
    recency: Float32 = Field(default=0.5, ge=0)
    """Power by which an event fades with the number of later ones; 0: a history is a set."""
    sharpening: Float32 = Field(default=0.0, ge=0)
    """Time for which what was smoothed is sharpened; 0 is GF-CF, more is BSPM."""
    sharpening_steps: Count = Field(default=1, ge=1)
    """Steps into which that time is divided."""
    sharpening_order: int = Field(default=4, ge=1, le=8)
    """Order of a step: 1 is Euler's, 4 Runge and Kutta's; each order costs two sparse products."""


class EaseParams(Params):
    """EASE^R (arXiv:1905.03375)."""

    regularisation: Float32 = Field(default=100.0, gt=0)
    """Added to the diagonal of the Gram matrix, in users."""
    neighbours: Count | None = Field(default=100, ge=1)
    """Each item is predicted from its nearest ones alone; ``null``: from all, exactly."""
    keep: Count = Field(default=200, ge=1)
    """Weights of each item that are kept of the exact solution, the largest."""
    largest: Count = Field(default=32_000, ge=1)
    """Users or items, whichever are fewer, above which the exact solution is refused."""
    recency: Float32 = Field(default=0.5, ge=0)
    """Power by which an event fades with the number of later ones; 0: a history is a set."""


class TransitionParams(Params):
    """Item-to-item transitions in time order."""

    window: Count = Field(default=10, ge=1)
    """Events further apart do not count as a transition."""
    decay: float = Field(default=0.85, gt=0, le=1)
    """Factor of a transition for each further event between the two."""
    backward: float = Field(default=0.3, ge=0, le=1)
    """Weight of a transition in the other direction."""
    source: float = Field(default=0.5, ge=0, le=1)
    """Power by which the frequency of the item in the history damps."""
    target: float = Field(default=0.15, ge=0, le=1)
    """Power by which the frequency of the item to be recommended damps."""
    shrinkage: Float32 = Field(default=5.0, ge=0)
    """Added to both frequencies: rare pairs say less."""
    length: float = Field(default=0.0, ge=0, le=1)
    """Power by which the length of a user's history damps its transitions."""
    recency: float = Field(default=0.6, gt=0, le=1)
    """Factor of an event's weight for each later event."""
    neighbours: Count = Field(default=200, ge=1)
    """Entries kept for each item."""


class ContentParams(Params):
    """Cosine similarity of item attributes and words."""

    min_items: Count = Field(default=2, ge=1)
    """Attributes of fewer items are left out."""
    recency: float = Field(default=0.8, gt=0, le=1)
    """Factor of an event's weight for each later event."""
    dimensions: Width = Field(default=64, ge=1)
    """Length of the item vectors that similarity of items is measured with."""


class LightGCNParams(Params):
    """LightGCN (arXiv:2002.02126)."""

    dimensions: Width = Field(default=64, ge=1)
    layers: Width = Field(default=3, ge=1)
    loss: Literal["softmax", "bpr"] = "softmax"
    """``softmax``: sampled softmax (arXiv:2201.02327), a row of a batch is a user with all items;
    ``bpr``: Bayesian personalised ranking, a row of a batch is one pair."""
    negatives: Count = Field(default=1024, ge=1)
    """Items that the users of a batch are told from (``softmax``; ``bpr`` draws one a pair)."""
    negative_power: Float32 = Field(default=0.0, ge=0)
    """Negatives are drawn by this power of popularity; 0 is uniform."""
    temperature: Float32 = Field(default=1.0, gt=0)
    """Scores are divided by it (``softmax``)."""
    regularisation: Float32 = Field(default=1e-4, ge=0)
    """L2 on the embeddings that a pair is made of, before propagation."""
    initial_scale: Float32 = Field(default=0.1, gt=0)
    """Standard deviation of the embeddings before training."""


class AttentionParams(Params):
    """The graph attention network: multi-head attention layers on the user-item graph."""

    dimensions: Width = Field(default=64, ge=1)
    layers: Width = Field(default=4, ge=1)
    heads: Width = Field(default=4, ge=1)
    ages: Count = Field(default=1, ge=1)
    """Recency an edge's attention can tell apart: 0, 1, 2-3, 4-7 … later events; 1: none."""
    predict: Literal["any", "next"] = "any"
    """Which pairs a step takes out of the graph and predicts: a random share of all, or each user's
    event after a random moment, with all that came later out of the graph as well."""
    held_share: float = Field(default=0.5, gt=0, lt=1)
    """The share of the pairs that a step takes out (``any``)."""
    unknown_share: float = Field(default=0.1, ge=0, lt=1)
    """The share of users whose own embedding a step leaves out: visitors are such users."""
    negatives: Count = Field(default=1024, ge=1)
    """Items that the users of a batch are told from."""
    negative_power: Float32 = Field(default=0.0, ge=0)
    """Negatives are drawn by this power of popularity; 0 is uniform."""
    temperature: Float32 = Field(default=1.0, gt=0)
    """Scores are divided by it."""
    regularisation: Float32 = Field(default=1e-4, ge=0)
    """L2 on the embeddings of a pair before the first layer."""
    initial_scale: Float32 = Field(default=0.1, gt=0)
    """Standard deviation of the embeddings before training."""

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        if self.dimensions % self.heads:
            raise ValueError(
                f"heads: {self.heads} heads do not divide {self.dimensions} dimensions"
            )
        return self


class HybridParams(Params):
    """Candidates of every method, re-ranked by a learned model."""

    candidates: Count = Field(default=200, ge=1)
    """How many of each method's best items are re-ranked."""
    histories: Count = Field(default=8000, ge=1)
    """How many validation histories the weights are learned from, drawn if there are more."""
    regularisation: Float32 = Field(default=0.0001, ge=0)
    """Penalty of the squared weights, against the mean loss of a history."""
    cutoff: Count = Field(default=20, ge=1)
    """Length of the list whose NDCG is raised in the end."""
    seed: Seed = 0


Method = Literal[
    "popularity", "filter", "ease", "transitions", "content", "lightgcn", "attention", "hybrid"
]
PLACES_ITEMS: tuple[Method, ...] = ("filter", "lightgcn", "attention", "content")
"""Methods that bring vectors of items, for similar items and for the variety of lists."""
HYBRID = "hybrid"
WITHOUT = "hybrid without "
"""Begins the name of the hybrid of all methods but one."""
