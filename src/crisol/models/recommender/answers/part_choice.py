"""Which methods the hybrid keeps, by cross-fitted validation.

The weights of a set of methods are learned on all folds of the validation histories but one, and
its lists are judged on that one. A method leaves where the lists without it are better by more than
one standard error (Breiman et al., *Classification and Regression Trees*, 1984); the one whose
absence gains most leaves first. What is left is compared with each method alone: a hybrid that is
surely below one of them is replaced by that method.

Legend: B histories.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from crisol.core.arrays import Floats
from crisol.core.metrics import PairedResult, paired_bootstrap
from crisol.models.recommender.answers.hybrid_lesson import Lesson

FOLDS = 3
LEAST_HISTORIES = 30
"""Fewer validation histories than this choose nothing."""
RESAMPLES = 1000
Done = Callable[[], None]


@dataclass(frozen=True)
class PartDecision:
    """The validation figures of one method in the hybrid.

    Attributes:
        part: the method.
        kept: whether the hybrid holds it.
        ndcg: of the hybrid with it, on validation histories whose weights were learned on others.
        gain: what it brings: with it less without it.
        low: lower end of the gain's 95 % interval.
        high: upper end.
        reason: why it is kept or dropped.
    """

    part: str
    kept: bool
    ndcg: float
    gain: float
    low: float
    high: float
    reason: str


@dataclass(frozen=True)
class PartChoice:
    """The methods of a hybrid.

    Attributes:
        kept: their names, in the order of the parameters.
        idle: those of them whose weight is 0: they only place items in a space.
        decisions: one for each method that was asked about, the dropped ones first.
    """

    kept: tuple[str, ...]
    idle: tuple[str, ...]
    decisions: tuple[PartDecision, ...]


def choose_parts(lesson: Lesson, *, fixed: bool, done: Done = lambda: None) -> PartChoice:
    """The methods that the hybrid keeps.

    Args:
        lesson: with every method that may be a part.
        fixed: whether the parameters name the parts, so that none is dropped for its cost.
        done: called after each set of methods that was judged.
    """
    if len(lesson) < LEAST_HISTORIES:
        return PartChoice(tuple(lesson.scorers), (), ())
    folds = lesson.folds(FOLDS)
    judged: dict[tuple[str, ...], Floats] = {}

    def judge(names: tuple[str, ...]) -> Floats:
        if names not in judged:
            judged[names] = lesson.cross_fitted(names, folds)
            done()
        return judged[names]

    kept, dropped = tuple(lesson.scorers), list[PartDecision]()
    while True:
        whole = judge(kept)
        without = {part: judge(_less(kept, part)) for part in kept} if len(kept) > 1 else {}
        costly = {} if fixed else _costly(kept, whole, without, lesson.placing())
        if not costly:
            break
        part = max(costly, key=lambda name: costly[name])
        dropped.append(_decision(part, whole, without[part], kept=False, reason=_COSTS))
        kept = _less(kept, part)
    decisions = [
        _decision(part, whole, without[part], kept=True, reason=_why(whole, without[part], fixed))
        for part in kept
        if part in without
    ]
    return _guarded(lesson, PartChoice(kept, (), (*dropped, *decisions)), whole)


_COSTS = "without it the lists of validation histories were better"
_BRINGS = "it brings something"
_NOTHING = "it changes nothing"
_PLACES = "it costs, but it alone places items, for similar items and varied lists"
_NAMED = "it costs, but in_hybrid names it"
_UNSURE = "it costs less than one standard error"


def _surely_costs(whole: Floats, without: Floats) -> bool:
    """Whether the lists without a method are better by more than one standard error."""
    change = without - whole
    return bool(change.mean() > change.std() / np.sqrt(len(change)))


def _why(whole: Floats, without: Floats, fixed: bool) -> str:
    """Why a method is kept."""
    gain = float((whole - without).mean())
    if gain >= 0:
        return _BRINGS if gain > 0 else _NOTHING
    if not _surely_costs(whole, without):
        return _UNSURE
    return _NAMED if fixed else _PLACES


def _less(names: tuple[str, ...], part: str) -> tuple[str, ...]:
    return tuple(name for name in names if name != part)


def _costly(
    kept: tuple[str, ...], whole: Floats, without: Mapping[str, Floats], placing: tuple[str, ...]
) -> dict[str, float]:
    """The methods that cost the hybrid, and how much on average.

    The last method that places items in a space is never among them.
    """
    found = {}
    for part, other in without.items():
        if part in placing and not set(placing) & set(_less(kept, part)):
            continue
        if _surely_costs(whole, other):
            found[part] = float((other - whole).mean())
    return found


def _guarded(lesson: Lesson, choice: PartChoice, hybrid: Floats) -> PartChoice:
    """The choice, or the best single method where the hybrid is surely below it."""
    alone = {part: lesson.alone(part) for part in lesson.scorers}
    best = max(alone, key=lambda part: float(alone[part].mean()))
    paired = _paired(hybrid, alone[best])
    if paired.difference.high >= 0:
        return choice
    placing = lesson.placing()
    idle = () if best in placing else placing[:1]
    kept = tuple(part for part in lesson.scorers if part in (best, *idle))
    reason = (
        f"the hybrid was surely below {best} alone on validation "
        f"({paired.difference.value:+.4f}, 95 % interval {paired.difference.low:+.4f} to "
        f"{paired.difference.high:+.4f})"
    )
    decisions = tuple(
        PartDecision(
            part,
            part in kept,
            float(hybrid.mean()),
            float(values.mean() - hybrid.mean()),
            float("nan"),
            float("nan"),
            reason + ("; it only places items, with weight 0" if part in idle else ""),
        )
        for part, values in alone.items()
    )
    return PartChoice(kept, idle, decisions)


def _decision(
    part: str, whole: Floats, without: Floats, *, kept: bool, reason: str
) -> PartDecision:
    gain = _paired(whole, without).difference
    return PartDecision(part, kept, float(whole.mean()), gain.value, gain.low, gain.high, reason)


def _paired(one: Floats, other: Floats) -> PairedResult:
    return paired_bootstrap(
        np.zeros(len(one)),
        one,
        other,
        groups=np.arange(len(one)),
        metric="mean",
        resamples=RESAMPLES,
    )
