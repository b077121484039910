"""Kernel ridge regression on the linear member's columns: products are answered by similar ones.

The kernel of two products is ``exp(-Σ_b s_b |x_b - y_b|²)`` over the blocks b of their columns. An
answer is a weighted sum of the kernel with the training products; the weights solve
``(K + r) a = y``, which is the mean of a Gaussian process. Unlike a linear model it is not
additive: the effect of a word depends on the other words, and near-duplicates decide almost alone.
The ``s_b`` and ``r`` are chosen by leave-one-out error
(:mod:`crisol.models.products.methods.block_distances`). Above ``max_rows`` products a random part
is used: time grows with their cube and memory with their square.

Legend: N records, T training products that are compared with.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix
from scipy.special import log_softmax

from crisol.core.arrays import Floats
from crisol.core.backbone_reference import BackboneReference
from crisol.core.text.terms import Sparse
from crisol.models.products.backbones import Backbones
from crisol.models.products.data.records import ProductRecord
from crisol.models.products.data.taxonomy import Taxonomy
from crisol.models.products.linear_params import NeighboursParams
from crisol.models.products.member import Forecast, Member, Targets
from crisol.models.products.methods.block_distances import (
    ROUNDS,
    BlockDistances,
    BlockWeights,
    search_weights,
)
from crisol.models.products.methods.linear_features import Block, LinearFeatures, SparseRow
from crisol.models.products.methods.linear_heads import (
    HEADS_OF,
    VISIBLE_BLOCKS,
    LinearHead,
    regressed,
)

ARRAYS = "neighbours.safetensors"
STATE = "neighbours.json"
LEAST_SHARE = 1e-3
"""Least share of a leaf: the regression of a share may be zero or negative."""
SEARCHED_OF_EACH = 50
"""Mean number of products per leaf from which on the scales of the blocks are searched."""

Target = Literal["leaf", "log_price", "rating"]
TARGETS: tuple[Target, ...] = ("leaf", "log_price", "rating")
KernelWeights = tuple[Floats, Floats]
"""Weights [T, outputs] and levels [outputs]."""


RowDistances = dict[Block, tuple[Sparse, Floats]]
"""A record's columns in each block, and its squared distances [T] in that block."""


class NeighboursMember(Member):
    """Predicts from the kernel with the training products.

    Args:
        features: computes the columns of records.
        distances: from the training products.
        scales: the scale of every block, for each target.
        heads: weights and level of every head that was learned.
    """

    name: ClassVar[str] = "neighbours"

    def __init__(
        self,
        features: LinearFeatures,
        distances: BlockDistances,
        scales: Mapping[Target, BlockWeights],
        heads: Mapping[LinearHead, KernelWeights],
    ) -> None:
        self.features, self.distances = features, distances
        self.scales, self.heads = dict(scales), dict(heads)
        placed: list[Block] = ["category"] if "category" in features.sizes else []
        self._read = tuple(dict.fromkeys((*distances.stored, *placed)))

    @property
    def backbones(self) -> tuple[BackboneReference, ...]:
        """See :class:`Member`."""
        return self.features.backbones

    def forecast(self, records: Sequence[ProductRecord]) -> Forecast:
        """See :class:`Member`."""
        rows = self.features.of_records(records, self._read)
        predicted = {
            head: np.zeros((len(rows), len(level))) for head, (_, level) in self.heads.items()
        }
        first: RowDistances = {}
        for place, row in enumerate(rows):
            apart = self._apart(row, first)
            first = first or apart
            for head, answer in self._of_distances(apart).items():
                predicted[head][place] = answer
        leaf, rating = predicted.get("leaf"), regressed(predicted, "rating", rows)
        return Forecast(
            None if leaf is None else log_softmax(np.log(np.maximum(leaf, LEAST_SHARE)), axis=1),
            regressed(predicted, "log_price", rows),
            None if rating is None else np.clip(rating, 0, 1),
        )

    def _apart(self, row: SparseRow, first: RowDistances) -> RowDistances:
        """The distances of one record, copied from the first record in blocks with equal columns.

        The variants of a product, which drivers ask for, differ from it in one part only.
        """
        found: RowDistances = {}
        for block in self.distances.stored:
            known = first.get(block)
            same = known is not None and all(map(np.array_equal, known[0], row[block]))
            found[block] = (
                known
                if known is not None and same
                else (row[block], self.distances.from_row(block, row[block]))
            )
        return found

    def _of_distances(self, found: RowDistances) -> dict[LinearHead, Floats]:
        """The prediction of every head for one record; it does not depend on the batch."""
        apart = {block: values for block, (_, values) in found.items()}
        return {
            head: np.exp(-_sum(apart, self.scales[_target(head)], head)) @ weights + level
            for head, (weights, level) in self.heads.items()
        }

    def write(self, directory: Path) -> dict[str, Any]:
        """See :class:`Member`."""
        arrays, state = self.features.state()
        for block, matrix in self.distances.stored.items():
            for name in ("data", "indices", "indptr"):
                arrays[f"stored.{block}.{name}"] = getattr(matrix, name)
        for head, (weights, level) in self.heads.items():
            arrays |= {f"{head}.weights": weights, f"{head}.level": level}
        save_file(
            {name: np.ascontiguousarray(array) for name, array in arrays.items()},
            directory / ARRAYS,
        )
        (directory / STATE).write_text(json.dumps(state))
        return {
            "products": self.distances.size,
            "counts": {target: dict(scales) for target, scales in self.scales.items()},
            "blocks": list(self.distances.stored),
            "heads": list(self.heads),
        }

    @classmethod
    def read(cls, directory: Path, manifest: Mapping[str, Any]) -> Self:
        """See :class:`Member`."""
        arrays = load_file(directory / ARRAYS)
        features = LinearFeatures.restore(arrays, json.loads((directory / STATE).read_text()))
        stored = {}
        for block in manifest["blocks"]:
            data, indices, starts = (
                arrays[f"stored.{block}.{name}"] for name in ("data", "indices", "indptr")
            )
            shape = (manifest["products"], features.sizes[block])
            stored[block] = csr_matrix((data, indices, starts), shape=shape)
        heads: dict[LinearHead, KernelWeights] = {
            head: (arrays[f"{head}.weights"], arrays[f"{head}.level"]) for head in manifest["heads"]
        }
        return cls(features, BlockDistances(stored), manifest["counts"], heads)


def fit_neighbours(
    records: Sequence[ProductRecord],
    targets: Targets,
    taxonomy: Taxonomy | None,
    params: NeighboursParams,
    *,
    helper: tuple[Sequence[ProductRecord], Targets] | None = None,
    backbones: Backbones = Backbones(),  # noqa: B008 - frozen
    seed: int = 0,
) -> NeighboursMember:
    """Solve for the weights of every head with enough known targets.

    Args:
        records: N training products.
        targets: their targets.
        taxonomy: the leaves; ``None``: no categories are learned.
        params: see :class:`NeighboursParams`.
        helper: products of other sources; their words are counted in the columns, nothing else.
        backbones: the encoders of texts and pictures.
        seed: of the random part, where there are more than ``params.max_rows`` products.
    """
    if len(records) > params.max_rows:
        drawn = np.random.default_rng(seed).permutation(len(records))[: params.max_rows]
        records, targets = [records[row] for row in drawn], targets.take(drawn)
    every = [*records, *(helper[0] if helper is not None else ())]
    features = LinearFeatures.of(every, params, backbones)
    rows = features.of_records(records, training=True)
    columns = {block: features.matrix(rows, [block]).astype(np.float32) for block in features.sizes}
    distances = BlockDistances(columns)
    order = np.random.default_rng(seed).permutation(len(records))
    scales: dict[Target, BlockWeights] = {}
    heads: dict[LinearHead, KernelWeights] = {}
    for target in TARGETS:
        truth, known = _truth(targets, target, taxonomy)
        if known.sum() < 2:
            continue
        some = order[known[order]][: params.search_rows or 2]
        enough = len(some) >= SEARCHED_OF_EACH * truth.shape[1]
        scales[target], ridge = search_weights(
            {block: matrix[some] for block, matrix in columns.items()},
            VISIBLE_BLOCKS[target],
            truth[some],
            rounds=ROUNDS if params.search_rows and enough else 0,
        )
        for head in _heads(target, features):
            visible = {block: scales[target].get(block, 0.0) for block in VISIBLE_BLOCKS[head]}
            heads[head] = _solve(distances.between_products(visible), truth, known, ridge)
    return NeighboursMember(features, _needed(distances, scales), scales, heads)


def _truth(
    targets: Targets, target: Target, taxonomy: Taxonomy | None
) -> tuple[Floats, NDArray[np.bool_]]:
    """[N, outputs] the targets, and [N] the mask of the products whose target is known."""
    if target == "leaf":
        leaves = 0 if taxonomy is None else len(taxonomy.leaves)
        shares = (targets.leaf[:, None] == np.arange(leaves)).astype(np.float64)
        return shares, (targets.leaf >= 0) & (leaves > 0)
    truth = np.asarray(getattr(targets, target), np.float64)[:, None]
    return truth, np.isfinite(truth[:, 0])


def _heads(target: Target, features: LinearFeatures) -> tuple[LinearHead, ...]:
    if target == "leaf":
        return ("leaf",)
    return HEADS_OF[target] if "category" in features.sizes else HEADS_OF[target][1:]


def _target(head: LinearHead) -> Target:
    return next(target for target in TARGETS if head.startswith(target))


def _needed(distances: BlockDistances, scales: Mapping[Target, BlockWeights]) -> BlockDistances:
    """The distances without the blocks of scale 0; one block is kept in any case."""
    every = list(distances.stored)
    kept = [b for b in every if any(weights.get(b) for weights in scales.values())] or every[:1]
    return BlockDistances({block: distances.stored[block] for block in kept})


def _sum(apart: Mapping[Block, Floats], weights: BlockWeights, head: LinearHead) -> Floats:
    """[T] the weighted sum of the distances in the blocks that a head may use."""
    visible = [
        np.float32(weights[block]) * apart[block]
        for block in VISIBLE_BLOCKS[head]
        if weights.get(block) and block in apart
    ]
    return sum(visible[1:], visible[0]) if visible else np.zeros_like(next(iter(apart.values())))


def _solve(apart: Floats, truth: Floats, known: NDArray[np.bool_], ridge: float) -> KernelWeights:
    """The kernel weights of every product; 0 for products whose target is unknown."""
    rows = np.flatnonzero(known)
    system = apart if known.all() else apart[np.ix_(rows, rows)]
    np.exp(np.negative(system, out=system), out=system)
    system[np.diag_indices(len(rows))] += np.float32(ridge)
    level = truth[rows].mean(axis=0)
    factor = cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
    solved = cho_solve(factor, (truth[rows] - level).astype(np.float32), check_finite=False)
    weights = np.zeros((len(known), truth.shape[1]), np.float32)
    weights[rows] = solved
    return weights, level
