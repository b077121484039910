"""The deletion test: are explanations true?

The answer is computed again without the parts that an explanation names, and without as many
others drawn at random (arXiv:1806.07421, there for pixels). If the named parts carried the answer,
it falls more without them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crisol.core.arrays import Floats
from crisol.core.metrics import bootstrap_interval


@dataclass(frozen=True)
class Deletion:
    """One explained answer.

    Attributes:
        group: the request or the row that it belongs to; answers of one group are resampled
            together.
        named: by how much the answer falls without the named parts.
        random: the mean fall without as many others.
    """

    group: int
    named: float
    random: float

    @classmethod
    def from_falls(cls, group: int, falls: Floats) -> "Deletion":
        """The case with these falls [1 + D]: without the named parts, then D times at random."""
        return cls(group, float(falls[0]), float(falls[1:].mean()))


def deletion_figures(cases: Sequence[Deletion]) -> dict[str, float] | None:
    """The deletion test in figures; nothing where there are no cases.

    Returns:
        ``cases``: answers examined; ``fall_named`` and ``fall_random``: mean falls;
        ``difference`` with ``difference_low`` and ``difference_high``: its mean and 95 % interval;
        ``share_larger``: in which share of the cases the named parts weighed more than the random
        ones.
    """
    if not cases:
        return None
    named = np.array([case.named for case in cases])
    random = np.array([case.random for case in cases])
    groups = np.array([case.group for case in cases])
    interval = bootstrap_interval(named - random, named - random, groups=groups, metric="mean")
    return {
        "cases": float(len(cases)),
        "fall_named": float(named.mean()),
        "fall_random": float(random.mean()),
        "difference": interval.value,
        "difference_low": interval.low,
        "difference_high": interval.high,
        "share_larger": float((named > random).mean()),
    }
