"""The one table of numbers that trees are grown on.

Numbers stay as they are (NaN where missing), categories are their codes (:data:`MISSING` and
:data:`UNSEEN` are codes like any other), texts become topics.

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
LARGEST = float(np.finfo(np.float32).max)
"""Numbers beyond it are set to it: libraries of trees compute in single precision."""


@dataclass(frozen=True)
class TreeColumns:
    """Turns features into the table.

    Attributes:
        numbers: names of the number columns.
        codes: names of the category columns, which follow them.
        texts: name and topics of the text columns, which come last.
    """

    numbers: tuple[str, ...]
    codes: tuple[str, ...]
    texts: tuple[tuple[str, TextTopics], ...]

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
        columns = cls(features.number_names, features.code_names, texts)
        if not columns.names:
            raise MendableError(
                "features: no column of numbers, categories or text; pictures need algorithm: cnn"
            )
        return columns

    @property
    def names(self) -> list[str]:
        """The name of the feature of each of the F columns."""
        topics = [name for name, text in self.texts for _ in range(text.topics)]
        return [*self.numbers, *self.codes, *topics]

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
        if arrays:
            save_file(arrays, directory / ARRAYS)
        return {"numbers": list(self.numbers), "codes": list(self.codes), "texts": texts}

    @classmethod
    def read(cls, directory: Path, state: Mapping[str, Any]) -> "TreeColumns":
        """See :meth:`write`."""
        arrays = load_file(directory / ARRAYS) if state["texts"] else {}
        texts = []
        for index, text in enumerate(state["texts"]):
            prefix = f"{index}."
            own = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
            texts.append((text["name"], TextTopics.restore(text, own)))
        return cls(tuple(state["numbers"]), tuple(state["codes"]), tuple(texts))
