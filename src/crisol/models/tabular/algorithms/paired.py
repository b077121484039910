"""An algorithm that reads pairs of number columns beside the columns themselves."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crisol.core.arrays import Floats
from crisol.models.tabular.algorithm import Algorithm, algorithm
from crisol.models.tabular.features.encoded_rows import Features
from crisol.models.tabular.features.pairs import Pairs


class Paired(Algorithm):
    """A fitted algorithm that sees pairs beside the columns.

    Args:
        inner: fitted on rows with pairs.
        pairs: what it sees.
        names: of the numbers before the pairs.
    """

    def __init__(self, inner: Algorithm, pairs: Pairs, names: Sequence[str]) -> None:
        self.inner, self.pairs, self.number_names = inner, pairs, tuple(names)

    @classmethod
    def fit(cls, *_: Any) -> Any:
        """Not by itself: fit an algorithm and wrap it."""
        raise NotImplementedError

    def predict(self, features: Features) -> Floats:
        """See :meth:`Algorithm.predict`."""
        return self.inner.predict(self.pairs.apply(features))

    def importance(self) -> dict[str, float] | None:
        """A pair's share goes in halves to its columns."""
        found = self.inner.importance()
        if found is None:
            return None
        shares = dict(found)
        for a, operation, b in self.pairs.chosen:
            one, other = self.number_names[a], self.number_names[b]
            share = shares.pop(f"{one} {operation} {other}", 0.0)
            for name in (one, other):
                shares[name] = shares.get(name, 0.0) + share / 2
        return shares

    def shap(self, features: Features) -> tuple[Floats, tuple[str, ...]] | None:
        """Those of the algorithm; a pair's value goes in halves to its columns."""
        found = self.inner.shap(self.pairs.apply(features))
        if found is None:
            return None
        values, names = found
        made = {
            f"{self.number_names[a]} {operation} {self.number_names[b]}": (a, b)
            for a, operation, b in self.pairs.chosen
        }
        kept = tuple(name for name in names if name not in made)
        answer = values[:, [names.index(name) for name in kept]]
        for name, columns in made.items():
            for column in columns:
                half = values[:, names.index(name)] / 2
                answer[:, kept.index(self.number_names[column])] += half
        return answer, kept

    def write(self, directory: Path) -> dict[str, Any]:
        """See :meth:`Algorithm.write`."""
        return {
            "pairs": [list(pair) for pair in self.pairs.chosen],
            "number_names": list(self.number_names),
            "inner": self.inner.write(directory),
        }

    @classmethod
    def read(cls, directory: Path, state: Mapping[str, Any]) -> "Paired":
        """Not by itself: :func:`read_model` knows which algorithm is inside."""
        raise NotImplementedError


def read_model(name: str, directory: Path, state: Mapping[str, Any]) -> Algorithm:
    """Read what an algorithm of this name wrote, with its pairs if it has any."""
    if "pairs" not in state:
        return algorithm(name).read(directory, state)
    pairs = Pairs(tuple((int(a), str(o), int(b)) for a, o, b in state["pairs"]))
    inner = algorithm(name).read(directory, state["inner"])
    return Paired(inner, pairs, state["number_names"])
