"""Targets, checked and standardised."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.errors import MendableError
from crisol.models.tabular.algorithm import FitContext
from crisol.models.tabular.features.encoded_rows import Part


def class_codes(train: Part, context: FitContext) -> NDArray[np.int64]:
    """The class codes [N] of the training rows.

    Raises:
        MendableError: there are none, or they are all of one class.
    """
    if train.target is None:
        raise MendableError("target: a class is needed for every row; name the target column")
    codes = np.asarray(train.target).astype(np.int64)
    there = np.unique(codes)
    if len(there) < 2:
        name = context.classes[int(there[0])] if len(there) else "none"
        raise MendableError(
            f"target: the {len(codes)} training rows are all of class {name!r}; "
            "rows of a second class are needed to learn a difference"
        )
    return codes


@dataclass(frozen=True)
class TargetScale:
    """The mean and the standard deviation of a number target.

    Learning happens on the standardised target, so that penalties mean the same for prices in
    millions as for shares.
    """

    mean: float
    spread: float

    @classmethod
    def of(cls, train: Part) -> "TargetScale":
        """Mean and standard deviation of the training rows.

        Raises:
            MendableError: there is no target, or it is not finite.
        """
        if train.target is None or len(train) == 0:
            raise MendableError("target: a number is needed for every row; name the target column")
        target = np.asarray(train.target, dtype=np.float64)
        if not np.isfinite(target).all():
            raise MendableError("target: holds missing or infinite numbers; leave these rows out")
        spread = float(target.std())
        return cls(float(target.mean()), spread if spread > 0 else 1.0)

    def apply(self, part: Part) -> Floats:
        """The standardised target [N] of a part."""
        return (np.asarray(part.target, dtype=np.float64) - self.mean) / self.spread

    def undo(self, standardised: NDArray[Any]) -> Floats:
        """Numbers [N] on the target's own scale."""
        return np.asarray(standardised, dtype=np.float64) * self.spread + self.mean

    def state(self) -> dict[str, float]:
        """As JSON."""
        return asdict(self)
