"""The categories that a model knows: leaves, each in a main category."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats

SEPARATOR = " > "


@dataclass(frozen=True)
class Taxonomy:
    """Leaves in a fixed order: ``(main, sub)``; ``sub`` is empty where there is one level."""

    leaves: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, mains: Sequence[str], subs: Sequence[str]) -> "Taxonomy":
        """The taxonomy of all pairs, sorted; rows without a main category are left out."""
        return cls(tuple(sorted({(m, s) for m, s in zip(mains, subs, strict=True) if m})))

    @property
    def two_level(self) -> bool:
        """Whether any leaf has a sub-category."""
        return any(sub for _, sub in self.leaves)

    @cached_property
    def mains(self) -> tuple[str, ...]:
        """The main categories, sorted."""
        return tuple(sorted({main for main, _ in self.leaves}))

    @cached_property
    def main_of(self) -> NDArray[np.int64]:
        """[C] the position in :attr:`mains` of every leaf's main category."""
        place = {main: index for index, main in enumerate(self.mains)}
        return np.array([place[main] for main, _ in self.leaves], np.int64)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The name of every leaf, ``main > sub``."""
        return tuple(SEPARATOR.join(part for part in leaf if part) for leaf in self.leaves)

    def codes(self, mains: Sequence[str], subs: Sequence[str]) -> NDArray[np.int64]:
        """[N] the leaf of every row; -1 where it is not in the taxonomy."""
        place = {leaf: index for index, leaf in enumerate(self.leaves)}
        return np.array([place.get(leaf, -1) for leaf in zip(mains, subs, strict=True)], np.int64)

    def best(self, probabilities_NC: Floats) -> NDArray[np.int64]:
        """[N] the predicted leaf: the most probable leaf of the most probable main category.

        It need not be the most probable leaf of all, but the predicted leaf always lies in the
        predicted main category.

        >>> taxonomy = Taxonomy((("Home", "Lamps"), ("Home", "Rugs"), ("Toys", "Dolls")))
        >>> taxonomy.names[taxonomy.best(np.array([[0.35, 0.25, 0.4]]))[0]]
        'Home > Lamps'
        """
        main_N = self.main_probabilities(probabilities_NC).argmax(axis=1)
        inside_NC = self.main_of == main_N[:, None]
        best_N: NDArray[np.int64] = np.where(inside_NC, probabilities_NC, -1.0).argmax(axis=1)
        return best_N

    def main_probabilities(self, probabilities_NC: Floats) -> Floats:
        """[N, M] the probabilities of the main categories: sums of their leaves' [N, C]."""
        sums = np.zeros((len(probabilities_NC), len(self.mains)), probabilities_NC.dtype)
        np.add.at(sums.T, self.main_of, probabilities_NC.T)
        return sums
