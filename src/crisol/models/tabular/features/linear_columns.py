"""The inputs of a linear model: standardised numbers, categories, words.

Numbers stand beside a column that says where they were missing; categories are one column a code
and stay sparse, as words do. Predicting gathers weights instead of building the columns of zeros.

Legend: N rows, D numbers, P dense columns, Z columns of all category codes, W words, K outputs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.errors import MendableError
from crisol.models.tabular.features.encoded_rows import Features
from crisol.models.tabular.features.text_bag import TextBag

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

BINS = 8
"""Intervals of equal frequency that a number's piecewise-linear basis has."""

VECTOR_SCALE = 3.0
"""Length of a sentence vector beside words, whose weights have length one: the penalty is the same
for both."""

Weights = tuple[Floats, Floats, list[Floats]]
"""Weights of the dense columns [P, K], the codes [Z, K] and the words of each text [W, K]."""


@dataclass(frozen=True)
class LinearColumns:
    """Learned from training rows.

    Attributes:
        mean: [D] of the numbers that are there.
        spread: [D] standard deviation; 1 where a number never changes.
        gaps: [G] numbers that had missing cells.
        edges: [D, BINS + 1] quantiles of the standardised numbers; [D, 0] without a basis.
        numbers: D names.
        codes: names of the categories.
        offsets: [C] first of each category's columns among the Z.
        bags: the words of each text column.
        texts: their names.
        width: Z.
        vector_owners: the text column of each dimension of the sentence vectors, which are the
            last dense columns.
    """

    mean: Floats
    spread: Floats
    gaps: NDArray[np.int64]
    edges: Floats
    numbers: tuple[str, ...]
    codes: tuple[str, ...]
    offsets: NDArray[np.int64]
    bags: tuple[TextBag, ...]
    texts: tuple[str, ...]
    width: int
    vector_owners: tuple[str, ...] = ()

    @classmethod
    def fit(cls, features: Features, *, splines: bool, max_words: int) -> "LinearColumns":
        """Learn the statistics.

        Raises:
            MendableError: the features hold neither numbers nor categories nor texts.
        """
        if not (features.number_names or features.code_names or features.text_names):
            raise MendableError(
                "features: no column of numbers, categories or text; pictures need algorithm: cnn"
            )
        there = ~np.isnan(features.numbers)
        count = np.maximum(there.sum(axis=0), 1)
        mean = np.where(there, features.numbers, 0.0).sum(axis=0) / count
        away = np.where(there, features.numbers - mean, 0.0)
        spread = np.sqrt((away**2).sum(axis=0) / count)
        spread[spread <= 1e-12 * np.maximum(np.abs(mean), 1.0)] = 1.0
        edges = np.zeros((len(mean), 0))
        if splines:
            shares = np.linspace(0, 1, BINS + 1)
            edges = np.zeros((len(mean), BINS + 1))
            for column in range(len(mean)):
                values = away[there[:, column], column] / spread[column]
                edges[column] = np.quantile(values, shares) if len(values) else 0.0
        return cls(
            mean,
            spread,
            np.flatnonzero(~there.all(axis=0)).astype(np.int64),
            edges,
            features.number_names,
            features.code_names,
            np.cumsum([0, *features.cardinalities])[:-1].astype(np.int64),
            tuple(
                TextBag.fit(features.texts[:, index].tolist(), max_words)
                for index in range(len(features.text_names))
            ),
            features.text_names,
            int(sum(features.cardinalities)),
            features.vector_owners,
        )

    @property
    def features(self) -> tuple[str, ...]:
        """The names, numbers first, then categories, then texts."""
        return (*self.numbers, *self.codes, *self.texts)

    @property
    def dense_owner(self) -> NDArray[np.int64]:
        """The index of the feature of each of the P dense columns."""
        count = len(self.numbers)
        bins = max(self.edges.shape[1] - 1, 0)
        first = count + len(self.codes)
        texts = [first + self.texts.index(name) for name in self.vector_owners]
        return np.concatenate(
            [np.arange(count), self.gaps, np.repeat(np.arange(count), bins),
             np.array(texts, np.int64)]
        )  # fmt: skip

    def dense(self, features: Features) -> Floats:
        """The dense columns [N, P]; a missing number is the mean."""
        z = (features.numbers - self.mean) / self.spread
        missing = np.isnan(z)
        z[missing] = 0.0
        blocks = [z, missing[:, self.gaps].astype(np.float64)]
        if self.edges.shape[1]:
            low, high = self.edges[:, :-1], self.edges[:, 1:]
            wide = np.where(high > low, high - low, np.inf)
            basis = np.clip((z[:, :, None] - low) / wide, 0.0, 1.0)
            basis[missing] = 0.0
            blocks.append(basis.reshape(len(z), -1))
        if self.vector_owners:
            assert features.vectors is not None
            blocks.append(VECTOR_SCALE * features.vectors.astype(np.float64))
        return np.concatenate(blocks, axis=1)

    def sparse(self, features: Features) -> "csr_matrix | None":
        """The columns of categories and words [N, Z + W], for fitting; ``None`` without any."""
        from scipy.sparse import csr_matrix, hstack

        blocks = []
        if self.codes:
            rows, wide = features.codes.shape
            columns = (features.codes + self.offsets).astype(np.int64).reshape(-1)
            starts = np.arange(0, rows * wide + 1, wide)
            ones = np.ones(rows * wide)
            blocks.append(csr_matrix((ones, columns, starts), shape=(rows, self.width)))
        blocks += [
            bag.matrix(features.texts[:, index].tolist()) for index, bag in enumerate(self.bags)
        ]
        return hstack(blocks, format="csr") if blocks else None

    def split(self, weights: Floats) -> Weights:
        """Weights [P + Z + W, K] in their blocks."""
        dense = len(self.dense_owner)
        ends = np.cumsum([dense, self.width, *(len(bag.vocabulary) for bag in self.bags)])
        first, codes, *texts = np.split(weights, ends[:-1])
        return first, codes, texts

    def score(self, features: Features, weights: Weights) -> Floats:
        """The sums [N, K] of the columns times their weights."""
        dense, codes, texts = weights
        answer = self.dense(features) @ dense
        for index, offset in enumerate(self.offsets):
            answer += codes[features.codes[:, index] + offset]
        for index, bag in enumerate(self.bags):
            answer += bag.project(features.texts[:, index].tolist(), texts[index])
        return answer

    def contributions(self, features: Features, weights: Weights) -> Floats:
        """The contribution of each of the F features to the score, [N, F, K]."""
        dense, codes, texts = weights
        answer = np.zeros((len(features), len(self.features), dense.shape[1]))
        columns = self.dense(features)
        for place, owner in enumerate(self.dense_owner):
            answer[:, owner] += columns[:, place, None] * dense[place]
        at = len(self.numbers)
        for index, offset in enumerate(self.offsets):
            answer[:, at + index] = codes[features.codes[:, index] + offset]
        at += len(self.codes)
        for index, bag in enumerate(self.bags):
            answer[:, at + index] += bag.project(features.texts[:, index].tolist(), texts[index])
        return answer

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """JSON and arrays that :meth:`restore` takes."""
        arrays: dict[str, NDArray[Any]] = {
            name: np.ascontiguousarray(getattr(self, name))
            for name in ("mean", "spread", "gaps", "edges", "offsets")
        }
        bags = []
        for index, bag in enumerate(self.bags):
            state, found = bag.state()
            bags.append(state)
            arrays |= {f"bag{index}.{key}": value for key, value in found.items()}
        names = {"numbers": self.numbers, "codes": self.codes, "texts": self.texts}
        state = {k: list(v) for k, v in names.items()} | {"bags": bags, "width": self.width}
        if self.vector_owners:
            state["vector_owners"] = list(self.vector_owners)
        return state, arrays

    @classmethod
    def restore(
        cls, state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> "LinearColumns":
        """See :meth:`state`."""
        bags = tuple(
            TextBag.restore(bag, {"rarity": arrays[f"bag{index}.rarity"]})
            for index, bag in enumerate(state["bags"])
        )
        return cls(
            arrays["mean"],
            arrays["spread"],
            arrays["gaps"],
            arrays["edges"],
            tuple(state["numbers"]),
            tuple(state["codes"]),
            arrays["offsets"],
            bags,
            tuple(state["texts"]),
            state["width"],
            tuple(state.get("vector_owners", ())),
        )
