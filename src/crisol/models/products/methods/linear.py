"""Linear models on sparse features of a product: the strong baseline, and a member.

Categories: one logistic regression per leaf against all others, whose probabilities are divided by
their sum. Price and rating: ridge regressions. With a few thousand products this is a baseline that
networks rarely beat.

Legend: N records, C leaves, F columns.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix, hstack
from scipy.special import log_expit, log_softmax

from crisol.core.arrays import Floats
from crisol.core.backbone_reference import BackboneReference
from crisol.models.products.backbones import Backbones
from crisol.models.products.data.records import ProductRecord
from crisol.models.products.data.taxonomy import Taxonomy
from crisol.models.products.linear_params import LinearParams
from crisol.models.products.member import Forecast, Member, Targets
from crisol.models.products.methods.linear_features import LinearFeatures, SparseRow
from crisol.models.products.methods.linear_heads import (
    HEADS_OF,
    VISIBLE_BLOCKS,
    LinearHead,
    regressed,
)

ARRAYS = "linear.safetensors"
STATE = "linear.json"

STRENGTHS = (3.0, 30.0, 100.0)
CHOOSING_ROWS = 3000
"""Most training products on which one of :data:`STRENGTHS` is chosen."""

HeadWeights = tuple[Floats, Floats]
"""Weights [F, outputs] and intercepts [outputs], float32."""


class LinearMember(Member):
    """Predicts by one sparse product per head.

    Args:
        features: computes the columns of records.
        heads: the weights of every head that was learned.
    """

    name: ClassVar[str] = "linear"

    def __init__(self, features: LinearFeatures, heads: Mapping[LinearHead, HeadWeights]) -> None:
        self.features = features
        self.heads = dict(heads)

    @property
    def backbones(self) -> tuple[BackboneReference, ...]:
        """See :class:`Member`."""
        return self.features.backbones

    def forecast(self, records: Sequence[ProductRecord]) -> Forecast:
        """See :class:`Member`."""
        rows = self.features.of_records(records)
        predicted = {head: self._predicted(head, rows) for head in self.heads}
        leaf, rating = predicted.get("leaf"), regressed(predicted, "rating", rows)
        return Forecast(
            None if leaf is None else log_softmax(log_expit(leaf), axis=1),
            regressed(predicted, "log_price", rows),
            None if rating is None else np.clip(rating, 0, 1),
        )

    def _predicted(self, head: LinearHead, rows: Sequence[SparseRow]) -> Floats:
        """[N, outputs], computed row by row, so that a result does not depend on the batch."""
        weights, intercepts = self.heads[head]
        starts, start = {}, 0
        for block in VISIBLE_BLOCKS[head]:
            starts[block] = start
            start += self.features.sizes.get(block, 0)
        predicted = np.empty((len(rows), len(intercepts)))
        for row, blocks in enumerate(rows):
            there = [block for block in VISIBLE_BLOCKS[head] if block in blocks]
            columns = np.concatenate([blocks[block][0] + starts[block] for block in there])
            values = np.concatenate([blocks[block][1] for block in there])
            predicted[row] = values.astype(np.float32) @ weights[columns] + intercepts
        return predicted

    def contributions(self, record: ProductRecord, leaf: int) -> list[tuple[str, float]]:
        """The contribution of each word of a record to the log-odds of a leaf against all others.

        The contributions are exact: with those of price and picture, and the intercept, they sum to
        the log-odds of the leaf's regression. A term of several words is shared among them.

        Returns:
            Words in lower case with their contributions, the largest absolute value first.

        Raises:
            KeyError: the member has learned no categories.
        """
        weights, _ = self.heads["leaf"]
        there = [block for block in VISIBLE_BLOCKS["leaf"] if block in self.features.sizes]
        effects: defaultdict[str, float] = defaultdict(float)
        for column, value, word, share in self.features.word_shares(record, there):
            effects[word] += value * share * float(weights[column, leaf])
        return sorted(effects.items(), key=lambda effect: (-abs(effect[1]), effect[0]))

    def write(self, directory: Path) -> dict[str, Any]:
        """See :class:`Member`."""
        arrays, state = self.features.state()
        for head, (weights, intercepts) in self.heads.items():
            arrays |= {f"{head}.weights": weights, f"{head}.intercepts": intercepts}
        save_file(
            {name: np.ascontiguousarray(array) for name, array in arrays.items()},
            directory / ARRAYS,
        )
        (directory / STATE).write_text(json.dumps(state))
        return {"columns": sum(self.features.sizes.values()), "heads": list(self.heads)}

    @classmethod
    def read(cls, directory: Path, manifest: Mapping[str, Any]) -> Self:
        """See :class:`Member`."""
        arrays = load_file(directory / ARRAYS)
        features = LinearFeatures.restore(arrays, json.loads((directory / STATE).read_text()))
        heads: dict[LinearHead, HeadWeights] = {
            head: (arrays[f"{head}.weights"], arrays[f"{head}.intercepts"])
            for head in manifest["heads"]
        }
        return cls(features, heads)


class Baseline(LinearMember):
    """The baseline of every report: the same heads on TF-IDF of title and description."""

    name: ClassVar[str] = "baseline"

    def forecast(self, records: Sequence[ProductRecord]) -> Forecast:
        """See :class:`Member`; uses the title and the description only."""
        return super().forecast(_plain(records))


BASELINE_PARAMS = LinearParams(
    max_characters=0,
    names=0.0,
    attributes=0.0,
    quantities=0.0,
    category=0.0,
    price=0.0,
    image_components=0,
    inverse_regularisation=10.0,
    price_ridge=1.0,
    rating_ridge=1.0,
)


def fit_baseline(
    records: Sequence[ProductRecord], targets: Targets, taxonomy: Taxonomy | None, *, seed: int = 0
) -> Baseline:
    """Fit the baseline; see :func:`fit_linear`."""
    fitted = fit_linear(_plain(records), targets, taxonomy, BASELINE_PARAMS, seed=seed)
    return Baseline(fitted.features, fitted.heads)


def _plain(records: Sequence[ProductRecord]) -> list[ProductRecord]:
    return [record.without("brand", "attributes", "image") for record in records]


def fit_linear(
    records: Sequence[ProductRecord],
    targets: Targets,
    taxonomy: Taxonomy | None,
    params: LinearParams,
    *,
    helper: tuple[Sequence[ProductRecord], Targets] | None = None,
    backbones: Backbones = Backbones(),  # noqa: B008 - frozen
    seed: int = 0,
) -> LinearMember:
    """Fit every head with enough known targets.

    Args:
        records: N training products.
        targets: their targets.
        taxonomy: the leaves; ``None``: no categories are learned.
        params: see :class:`LinearParams`.
        helper: products of other sources; their words are counted, and their prices and ratings
            are learned from, with an intercept of their own.
        backbones: the encoders of texts and pictures.
        seed: of the order of the products in the logistic regressions.
    """
    more = helper[0] if helper is not None else ()
    every = [*records, *more]
    features = LinearFeatures.of(every, params, backbones)
    rows = features.of_records(every, training=True)
    of_helper = np.arange(len(every)) >= len(records)
    heads: dict[LinearHead, HeadWeights] = {}
    if taxonomy is not None and (targets.leaf >= 0).any():
        columns = features.matrix(rows[: len(records)], VISIBLE_BLOCKS["leaf"])
        known = np.flatnonzero(targets.leaf >= 0)
        heads["leaf"] = _fit_leaves(
            columns[known], targets.leaf[known], len(taxonomy.leaves), params, seed
        )
    ridges = {"log_price": params.price_ridge, "rating": params.rating_ridge}
    for target, ridge in ridges.items():
        truth = np.concatenate([getattr(part, target) for part in _targets(targets, helper)])
        known = np.flatnonzero(np.isfinite(truth))
        if np.isfinite(getattr(targets, target)).sum() < 2:
            continue
        for head in HEADS_OF[target] if "category" in features.sizes else HEADS_OF[target][1:]:
            columns = features.matrix(rows, VISIBLE_BLOCKS[head])
            heads[head] = _fit_ridge(columns[known], truth[known], of_helper[known], ridge)
    return LinearMember(features, heads)


def _targets(
    targets: Targets, helper: tuple[Sequence[ProductRecord], Targets] | None
) -> tuple[Targets, ...]:
    return (targets,) if helper is None else (targets, helper[1])


def _fit_leaves(
    columns: csr_matrix, leaf: NDArray[np.int64], leaves: int, params: LinearParams, seed: int
) -> HeadWeights:
    """The weights of one logistic regression per leaf."""
    strength = params.inverse_regularisation
    if strength is None:
        some = np.random.default_rng(seed).permutation(len(leaf))[:CHOOSING_ROWS]
        strength = _best_strength(columns[some], leaf[some], leaves, seed)
    return _regressions(columns, leaf, leaves, strength, seed)


def _best_strength(columns: csr_matrix, leaf: NDArray[np.int64], leaves: int, seed: int) -> float:
    """The C with the least log-loss on every third row, at its best temperature."""
    held = np.arange(len(leaf)) % 3 == 0
    losses = []
    for strength in STRENGTHS:
        weights, intercepts = _regressions(columns[~held], leaf[~held], leaves, strength, seed)
        predicted = log_expit(columns[held] @ weights + intercepts)
        losses.append(
            min(
                -log_softmax(predicted * sharpness, axis=1)[
                    np.arange(len(predicted)), leaf[held]
                ].mean()
                for sharpness in (0.7, 1.0, 1.5, 2.0)
            )
        )
    return STRENGTHS[int(np.argmin(losses))]


def _regressions(
    columns: csr_matrix, leaf: NDArray[np.int64], leaves: int, strength: float, seed: int
) -> HeadWeights:
    """The weights of each leaf against all others; a leaf without products is improbable."""
    from sklearn.linear_model import LogisticRegression

    weights = np.zeros((columns.shape[1], leaves), np.float32)
    intercepts = np.full(leaves, -20.0, np.float32)
    for index in np.unique(leaf).tolist():
        mine = leaf == index
        if mine.all():
            intercepts[index] = 0.0
            continue
        one = LogisticRegression(
            C=strength, solver="liblinear", dual=True, tol=1e-2, max_iter=1000, random_state=seed
        ).fit(columns, mine)
        weights[:, index], intercepts[index] = one.coef_[0], one.intercept_[0]
    return weights, intercepts


def _fit_ridge(
    columns: csr_matrix, truth: Floats, of_helper: NDArray[np.bool_], ridge: float
) -> HeadWeights:
    """The weights of a ridge regression; the helper's intercept is a column that is dropped."""
    from sklearn.linear_model import Ridge

    level = csr_matrix(of_helper[:, None].astype(np.float64))
    wide = hstack([columns, level], format="csr")
    fitted = Ridge(alpha=ridge, solver="sparse_cg", tol=1e-4).fit(wide, truth)
    return (
        fitted.coef_[:-1, None].astype(np.float32),
        np.array([fitted.intercept_], np.float32),
    )
