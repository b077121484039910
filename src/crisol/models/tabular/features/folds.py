"""The division of training rows into folds.

Every fold respects what the split respects: classes keep their shares, groups stay together, and
rows of a time column are answered by models of earlier rows (expanding windows).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.errors import MendableError

FILE = "folds.npz"
ALWAYS = -1
"""Rows that every fit learns from and none is judged on."""
HELD_OUT_SHARE = 0.1
EARLY_SHARE = 3 / 4
"""Share of rows in time that every window learns from, the earliest ones: its models are kept, so
that none may have seen too little."""
LATEST = 3
"""Number of the latest windows whose models answer in the end: on made-up tables, steady
and drifting, they did better than all of them and than the latest alone."""


@dataclass(frozen=True)
class Folds:
    """K-fold divisions of N rows, perhaps several of them.

    Attributes:
        numbers: int8 [R, N] the fold each row is held out in, by repeat; :data:`ALWAYS` where it
            never is.
        count: K.
        expanding: whether a fit learns from nothing later than what it is judged on: a higher
            number is then earlier in time, and :data:`ALWAYS` the earliest.
    """

    numbers: NDArray[np.int8]
    count: int
    expanding: bool = False

    def __len__(self) -> int:
        return len(self.numbers) * self.count

    def rows(self, index: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The rows that fit ``index`` learns from, and those it is judged on."""
        repeat, fold = divmod(index, self.count)
        numbers = self.numbers[repeat]
        held_out = numbers == fold
        learned = (numbers > fold) | (numbers == ALWAYS) if self.expanding else ~held_out
        return np.flatnonzero(learned), np.flatnonzero(held_out)

    def write(self, folder: Path) -> None:
        """Write them for other processes."""
        np.savez(folder / FILE, numbers=self.numbers, count=self.count, expanding=self.expanding)

    @classmethod
    def read(cls, folder: Path) -> "Folds":
        """Read what :meth:`write` wrote."""
        with np.load(folder / FILE) as kept:
            return cls(kept["numbers"], int(kept["count"]), bool(kept["expanding"]))

    def answering(self, fitted: Iterable[int]) -> list[int]:
        """The fits among ``fitted`` whose models answer new rows."""
        found = sorted(fitted)
        return found[:LATEST] if self.expanding else found

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Bool [N]: the rows that are held out at some time."""
        found: NDArray[np.bool_] = (self.numbers != ALWAYS).any(axis=0)
        return found


def divide(
    target: NDArray[np.int64] | Floats | None,
    rows: int,
    folds: int,
    seed: int,
    *,
    groups: NDArray[np.int64] | None = None,
    order: NDArray[np.int64] | None = None,
    repeats: int = 1,
) -> Folds:
    """Divide N rows.

    Args:
        target: class codes or numbers, whose shares the folds keep; ``None``: at random.
        rows: N.
        folds: K; 1 holds out a tenth, once.
        seed: of the division.
        groups: [N] codes of what stays together.
        order: [N] ranks in time: fold 0 is the latest block, and every fold is learned from what
            comes before it; one fold is the latest tenth. Groups go before time.
        repeats: how often to divide anew.

    Raises:
        MendableError: there is one group, or no class has a second row.
    """
    if order is not None and groups is None:
        return _in_time(target, order, folds)
    parts = max(2, min(folds, rows // 2)) if folds > 1 else max(2, round(1 / HELD_OUT_SHARE))
    parts = min(parts, _divisible(target, rows, groups))
    made = []
    for repeat in range(repeats if order is None else 1):
        random = np.random.default_rng((seed, repeat, 7))
        if groups is not None:
            numbers = _of_groups(groups, parts, random)
        else:
            numbers = _stratified(target, rows, parts, random)
        if folds == 1:
            if groups is not None:  # the part nearest to a tenth, not that of the largest group
                sizes = np.bincount(numbers, minlength=parts)
                numbers = numbers != np.abs(sizes - HELD_OUT_SHARE * rows).argmin()
            numbers = np.where(numbers == 0, 0, ALWAYS)
        made.append(numbers.astype(np.int8))
    return Folds(np.stack(made), 1 if folds == 1 else parts)


def _in_time(
    target: NDArray[np.int64] | Floats | None,
    order: NDArray[np.int64],
    folds: int,
) -> Folds:
    """Expanding windows: blocks of neighbours after the first rows, the latest is fold 0."""
    rows, sorted_rows = len(order), np.argsort(order, kind="stable")
    early = rows - max(1, round(rows * (HELD_OUT_SHARE if folds == 1 else 1 - EARLY_SHARE)))
    if target is not None and target.dtype.kind == "i":  # one class alone teaches nothing
        others = np.flatnonzero(target[sorted_rows] != target[sorted_rows[0]])
        early = max(early, int(others[0]) + 1 if len(others) else 0)
    late = rows - early
    if late < 1:
        raise MendableError(
            "data.time: all training rows but the latest are of one class, so that none can be "
            "held out to stop or choose by; train on a longer time, or leave data.time out"
        )
    parts = min(folds, late)
    numbers = np.full(rows, ALWAYS, np.int8)
    numbers[sorted_rows[early:]] = parts - 1 - np.arange(late) * parts // late
    return Folds(numbers[None], parts, expanding=True)


def _divisible(
    target: NDArray[np.int64] | Floats | None,
    rows: int,
    groups: NDArray[np.int64] | None,
) -> int:
    """The largest number of parts of which none is empty."""
    if groups is not None:
        found = len(np.unique(groups))
        if found < 2 and target is not None:
            raise MendableError(
                "data.group: the training rows are of one group, so that none can be held out to "
                "stop or choose by; group by another column, or leave data.group out"
            )
        return max(2, found)
    if target is None or target.dtype.kind != "i":
        return rows
    _, counts = np.unique(target, return_counts=True)
    if counts.max() < 2:
        raise MendableError(
            "data.target: every class has one training row; more rows of each are needed"
        )
    return int(counts[counts > 1].sum())


def _stratified(
    target: NDArray[np.int64] | Floats | None,
    rows: int,
    parts: int,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Deal rows to the parts, neighbours in the target one after the other."""
    shuffled = random.permutation(rows)
    if target is not None:
        shuffled = shuffled[np.argsort(target[shuffled], kind="stable")]
    numbers = np.full(rows, ALWAYS, np.int64)
    if target is not None and target.dtype.kind == "i":
        _, codes, counts = np.unique(target, return_inverse=True, return_counts=True)
        dealt = shuffled[counts[codes][shuffled] > 1]  # a class must be learned to be judged
        # Within a class at most one row more in one part than in another.
        numbers[dealt] = np.arange(len(dealt)) % parts
    else:
        chunks = -(-rows // parts)
        numbers[shuffled] = np.concatenate([random.permutation(parts) for _ in range(chunks)])[
            :rows
        ]
    return numbers


def _of_groups(
    groups: NDArray[np.int64], parts: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Whole groups, the largest first, each to the part with the fewest rows."""
    _, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    shuffled = random.permutation(len(sizes))
    shuffled = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    filled, part_of = np.zeros(parts, np.int64), np.empty(len(sizes), np.int64)
    for group in shuffled:
        part = int(filled.argmin())
        part_of[group] = part
        filled[part] += sizes[group]
    numbers: NDArray[np.int64] = part_of[codes]
    return numbers
