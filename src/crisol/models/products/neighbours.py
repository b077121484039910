"""What like products are and cost: kernel ridge regression on the linear members' columns.

The likeness of two products is ``exp(-s |x - y|²)`` of their columns. An answer is a weighted sum
of the likenesses with the training products; the weights solve ``(K + r) a = y``, which is the mean
of a Gaussian process. Unlike a linear model it bends: a word may mean another price beside another
word, and near-duplicates count almost alone. Beyond ``max_rows`` products a drawn part of them
carries the weights, fitted on all (subset of regressors, Rasmussen and Williams, GPML, 8.3.1).

Legend: N records, T training products that are compared with, C leaves, F columns.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix
from scipy.special import log_softmax

from crisol.models.products.linear_features import Block, LinearFeatures, Row
from crisol.models.products.linear_heads import HEADS_OF, SEES, Head, regressed
from crisol.models.products.linear_params import NeighboursParams
from crisol.models.products.member import Floats, Forecast, Member, Targets
from crisol.models.products.records import Record
from crisol.models.products.taxonomy import Taxonomy

ARRAYS = "neighbours.safetensors"
STATE = "neighbours.json"
LEAST_SHARE = 1e-3
"""Of a leaf: the regression of its share may come out at or below nothing."""
_JITTER = 1e-4

Part = tuple[Block, ...]
PARTS: tuple[Part, ...] = (("words", "characters", "names", "picture"), ("category",), ("price",))
"""Blocks that every head either sees together or not at all."""


class Likeness:
    """How like records are to the products that are compared with.

    Args:
        stored: for each part that there is, the columns of the T products [T, F].
        sharpness: see :class:`NeighboursParams`.
    """

    def __init__(self, stored: Mapping[Part, csr_matrix], sharpness: float) -> None:
        self.stored = dict(stored)
        self.sharpness = sharpness
        self._transposed = {part: matrix.T.tocsr() for part, matrix in stored.items()}
        self._lengths = {part: _lengths(matrix) for part, matrix in stored.items()}

    def distances(self, seen: Mapping[Part, csr_matrix]) -> dict[Part, Floats]:
        """For each part the squared distances [N, T] of records, float32."""
        found = {}
        for part, matrix in seen.items():
            products = (matrix @ self._transposed[part]).toarray()
            lengths = _lengths(matrix)[:, None] + self._lengths[part]
            found[part] = (lengths - 2 * products).astype(np.float32)
        return found

    def kernel(self, distances: Mapping[Part, Floats], head: Head) -> Floats:
        """[N, T] float32: by what the head may see."""
        seen = [values for part, values in distances.items() if part[0] in SEES[head]]
        return np.exp(-self.sharpness * sum(seen[1:], seen[0]))


class Neighbours(Member):
    """Answers by likeness with training products.

    Args:
        features: turns records into columns.
        likeness: of the training products.
        heads: weights [T, outputs] and what is added [outputs], of every head that was learned.
    """

    name: ClassVar[str] = "neighbours"

    def __init__(
        self,
        features: LinearFeatures,
        likeness: Likeness,
        heads: Mapping[Head, tuple[Floats, Floats]],
    ) -> None:
        self.features, self.likeness, self.heads = features, likeness, dict(heads)

    def forecast(self, records: Sequence[Record]) -> Forecast:
        """See :class:`Member`."""
        rows = self.features.of_records(records)
        parts = [self._of_row(row) for row in rows]
        said = {head: np.stack([part[head] for part in parts]) for head in self.heads if parts}
        if not parts:
            said = {head: np.zeros((0, len(level))) for head, (_, level) in self.heads.items()}
        leaf, rating = said.get("leaf"), regressed(said, "rating", rows)
        return Forecast(
            None if leaf is None else log_softmax(np.log(np.maximum(leaf, LEAST_SHARE)), axis=1),
            regressed(said, "log_price", rows),
            None if rating is None else np.clip(rating, 0, 1),
        )

    def _of_row(self, row: Row) -> dict[Head, Floats]:
        """What every head says of one record, so that no other one changes a bit of it."""
        seen = {part: self.features.matrix([row], part) for part in self.likeness.stored}
        distances = self.likeness.distances(seen)
        return {
            head: (self.likeness.kernel(distances, head) @ weights)[0] + level
            for head, (weights, level) in self.heads.items()
        }

    def write(self, directory: Path) -> dict[str, Any]:
        """See :class:`Member`."""
        arrays, state = self.features.state()
        for part, matrix in self.likeness.stored.items():
            for name in ("data", "indices", "indptr"):
                arrays[f"stored.{part[0]}.{name}"] = getattr(matrix, name)
        for head, (weights, level) in self.heads.items():
            arrays |= {f"{head}.weights": weights, f"{head}.level": level}
        save_file(
            {name: np.ascontiguousarray(array) for name, array in arrays.items()},
            directory / ARRAYS,
        )
        (directory / STATE).write_text(json.dumps(state))
        compared = {matrix.shape[0] for matrix in self.likeness.stored.values()}
        return {
            "products": max(compared),
            "sharpness": self.likeness.sharpness,
            "heads": list(self.heads),
        }

    @classmethod
    def read(cls, directory: Path, manifest: Mapping[str, Any]) -> Self:
        """See :class:`Member`."""
        arrays = load_file(directory / ARRAYS)
        features = LinearFeatures.restore(arrays, json.loads((directory / STATE).read_text()))
        stored = {}
        for part in _parts(features):
            data, indices, starts = (
                arrays[f"stored.{part[0]}.{name}"] for name in ("data", "indices", "indptr")
            )
            shape = (manifest["products"], sum(features.sizes.get(block, 0) for block in part))
            stored[part] = csr_matrix((data, indices, starts), shape=shape)
        heads: dict[Head, tuple[Floats, Floats]] = {
            head: (arrays[f"{head}.weights"], arrays[f"{head}.level"]) for head in manifest["heads"]
        }
        return cls(features, Likeness(stored, manifest["sharpness"]), heads)


def fit_neighbours(
    records: Sequence[Record],
    targets: Targets,
    taxonomy: Taxonomy | None,
    params: NeighboursParams,
    *,
    helper: tuple[Sequence[Record], Targets] | None = None,
    seed: int = 0,
) -> Neighbours:
    """Solve for the weights of every head of which enough is known.

    Args:
        records: N training products.
        targets: what they are.
        taxonomy: the leaves; ``None``: no categories are learned.
        params: see :class:`NeighboursParams`.
        helper: products of other sources: their words count in the columns, nothing else.
        seed: of the drawing, where there are more than ``params.max_rows`` products.
    """
    features = LinearFeatures.of([*records, *(helper[0] if helper is not None else ())], params)
    rows = features.of_records(records)
    columns = {part: features.matrix(rows, part).astype(np.float32) for part in _parts(features)}
    drawn = np.arange(len(records))
    if len(records) > params.max_rows:
        drawn = np.sort(np.random.default_rng(seed).permutation(drawn)[: params.max_rows])
    likeness = Likeness({part: matrix[drawn] for part, matrix in columns.items()}, params.sharpness)
    distances = likeness.distances(columns)
    heads: dict[Head, tuple[Floats, Floats]] = {}

    def learn(head: Head, known: NDArray[np.bool_], truth: Floats, ridge: float) -> None:
        level = truth[known].mean(axis=0)
        wanted = np.where(known[:, None], truth - level, 0.0)
        weights = _solve(likeness.kernel(distances, head), wanted, known, drawn, ridge)
        heads[head] = weights.astype(np.float32), level

    if taxonomy is not None and (targets.leaf >= 0).any():
        shares = (targets.leaf[:, None] == np.arange(len(taxonomy.leaves))).astype(np.float64)
        learn("leaf", targets.leaf >= 0, shares, params.leaf_ridge)
    ridges = {"log_price": params.price_ridge, "rating": params.rating_ridge}
    for target, ridge in ridges.items():
        truth = np.asarray(getattr(targets, target), np.float64)[:, None]
        known = np.isfinite(truth[:, 0])
        if known.sum() < 2:
            continue
        for head in HEADS_OF[target] if "category" in features.sizes else HEADS_OF[target][1:]:
            learn(head, known, truth, ridge)
    return Neighbours(features, likeness, heads)


def _solve(
    kernel_NT: Floats,
    wanted: Floats,
    known: NDArray[np.bool_],
    drawn: NDArray[np.int64],
    ridge: float,
) -> Floats:
    """[T, outputs] of the regularised least squares on the known rows."""
    weights = np.zeros((len(drawn), wanted.shape[1]))
    if len(drawn) == len(kernel_NT):
        rows = np.flatnonzero(known)
        system = kernel_NT[np.ix_(rows, rows)]
        system[np.diag_indices(len(rows))] += np.float32(ridge)
        factor = cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
        weights[rows] = cho_solve(factor, wanted[rows], check_finite=False)
        return weights
    among = kernel_NT[known].astype(np.float64)
    system = among.T @ among + ridge * kernel_NT[drawn]
    system[np.diag_indices(len(drawn))] += _JITTER * len(drawn)
    factor = cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
    return np.asarray(cho_solve(factor, among.T @ wanted[known], check_finite=False))


def _parts(features: LinearFeatures) -> list[Part]:
    return [part for part in PARTS if any(block in features.sizes for block in part)]


def _lengths(matrix: csr_matrix) -> Floats:
    """[N] squared."""
    return np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel()
