"""The one table of numbers that trees are grown on.

Numbers stay as they are (NaN where missing), categories are their codes (:data:`MISSING` and
:data:`UNSEEN` are codes like any other), texts become topics, and sentence vectors their principal
components.

Legend: N rows, F columns of the table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from crisol.core.arrays import Floats
from crisol.core.errors import MendableError
from crisol.models.tabular.features.encoded_rows import Features
from crisol.models.tabular.features.text_bag import TextTopics

ARRAYS = "texts.safetensors"

TOPICS, TOPICS_AMONG_OTHERS = 100, 32
"""Topics of a text column that stands alone, and of one beside numbers and categories."""
COMPONENTS = 64
"""Principal components of a text column's sentence vectors."""
LARGEST = float(np.finfo(np.float32).max)
"""Numbers beyond it are set to it: libraries of trees compute in single precision."""


@dataclass(frozen=True)
class TreeColumns:
    """Turns features into the table.

    Attributes:
        numbers: names of the number columns.
        codes: names of the category columns, which follow them.
        texts: name and topics of the text columns.
        vectors: name and principal axes [dimensions, components] of sentence vectors; they come
            last.
    """

    numbers: tuple[str, ...]
    codes: tuple[str, ...]
    texts: tuple[tuple[str, TextTopics], ...]
    vectors: tuple[tuple[str, NDArray[np.float32]], ...] = ()

    @classmethod
    def fit(cls, features: Features, *, seed: int) -> "TreeColumns":
        """Learn the topics of the texts.

        Raises:
            MendableError: the features hold neither numbers nor categories nor texts.
        """
        topics = TOPICS_AMONG_OTHERS if features.number_names or features.code_names else TOPICS
        texts = tuple(
            (name, TextTopics.fit(features.texts[:, index].tolist(), topics=topics, seed=seed))
            for index, name in enumerate(features.text_names)
        )
        vectors = tuple(
            (name, _principal_axes(_vectors_of(features, name)))
            for name in dict.fromkeys(features.vector_owners)
        )
        columns = cls(features.number_names, features.code_names, texts, vectors)
        if not columns.names:
            raise MendableError(
                "features: no column of numbers, categories or text; pictures need algorithm: cnn"
            )
        return columns

    @property
    def names(self) -> list[str]:
        """The name of the feature of each of the F columns."""
        topics = [name for name, text in self.texts for _ in range(text.topics)]
        components = [name for name, axes in self.vectors for _ in range(axes.shape[1])]
        return [*self.numbers, *self.codes, *topics, *components]

    @property
    def features(self) -> tuple[str, ...]:
        """The distinct names."""
        return tuple(dict.fromkeys(self.names))

    @property
    def categorical(self) -> list[int]:
        """The places of the category columns."""
        return list(range(len(self.numbers), len(self.numbers) + len(self.codes)))

    def matrix(self, features: Features) -> Floats:
        """The table [N, F]."""
        blocks = [np.clip(features.numbers, -LARGEST, LARGEST)]
        if self.codes:
            blocks.append(features.codes.astype(np.float64))
        blocks += [
            text.transform(features.texts[:, index].tolist())
            for index, (_, text) in enumerate(self.texts)
        ]
        # einsum, unlike BLAS, computes a row alike whatever rows are beside it
        blocks += [
            np.einsum("nd,dc->nc", _vectors_of(features, name), axes.astype(np.float64))
            for name, axes in self.vectors
        ]
        return np.concatenate(blocks, axis=1) if len(blocks) > 1 else blocks[0]

    def shares(self, gains: NDArray[Any]) -> dict[str, float]:
        """The share of each feature, summed over its columns [F]."""
        total = float(np.sum(gains))
        answer = dict.fromkeys(self.features, 0.0)
        for name, gain in zip(self.names, gains, strict=True):
            answer[name] += float(gain) / total if total > 0 else 1 / len(self.names)
        return answer

    def by_feature(self, contributions: NDArray[Any]) -> Floats:
        """Contributions [N, columns, …] summed to [N, features, …]."""
        contributions = np.asarray(contributions, dtype=np.float64)
        if len(self.features) == len(self.names):
            return contributions
        place = {name: index for index, name in enumerate(self.features)}
        answer = np.zeros((len(contributions), len(place), *contributions.shape[2:]))
        for column, name in enumerate(self.names):
            answer[:, place[name]] += contributions[:, column]
        return answer

    def write(self, directory: Path) -> dict[str, Any]:
        """Arrays of the texts into the folder; the rest as JSON."""
        arrays: dict[str, NDArray[Any]] = {}
        texts = []
        for index, (name, text) in enumerate(self.texts):
            state, found = text.state()
            texts.append({"name": name, **state})
            arrays |= {f"{index}.{key}": np.ascontiguousarray(v) for key, v in found.items()}
        for index, (_, axes) in enumerate(self.vectors):
            arrays[f"vectors.{index}"] = np.ascontiguousarray(axes)
        if arrays:
            save_file(arrays, directory / ARRAYS)
        state = {"numbers": list(self.numbers), "codes": list(self.codes), "texts": texts}
        vectors = {"vectors": [name for name, _ in self.vectors]} if self.vectors else {}
        return {**state, **vectors}

    @classmethod
    def read(cls, directory: Path, state: Mapping[str, Any]) -> "TreeColumns":
        """See :meth:`write`."""
        arrays = load_file(directory / ARRAYS) if state["texts"] else {}
        texts = []
        for index, text in enumerate(state["texts"]):
            prefix = f"{index}."
            own = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
            texts.append((text["name"], TextTopics.restore(text, own)))
        vectors = tuple(
            (name, arrays[f"vectors.{index}"])
            for index, name in enumerate(state.get("vectors", ()))
        )
        return cls(tuple(state["numbers"]), tuple(state["codes"]), tuple(texts), vectors)


def _vectors_of(features: Features, name: str) -> Floats:
    """The sentence vectors [N, dimensions] of one text column."""
    assert features.vectors is not None
    mine = np.flatnonzero([owner == name for owner in features.vector_owners])
    return features.vectors[:, mine].astype(np.float64)


def _principal_axes(vectors: Floats) -> NDArray[np.float32]:
    """The directions [dimensions, components] along which vectors vary the most."""
    away = vectors - vectors.mean(axis=0)
    count = min(COMPONENTS, len(vectors) - 1, vectors.shape[1])
    axes = np.linalg.eigh(away.T @ away)[1][:, ::-1][:, : max(count, 0)]
    return np.ascontiguousarray(axes, np.float32)
