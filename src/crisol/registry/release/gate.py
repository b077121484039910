"""The decision whether a candidate may be promoted, with every number behind it.

A candidate must beat each of its baselines and be not worse than the champion, both on the same
held-out rows. The comparison is a paired bootstrap over the groups of the scores table
(Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 16).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np
import pandas as pd

from crisol.core.candidate import GateRule, Verdict
from crisol.core.metrics import paired_bootstrap

MIN_GROUPS = 5
"""With fewer groups a bootstrap has next to no spread, and would call anything sure."""
REQUIRED_COLUMNS = ("row", "group", "truth", "candidate")


class GateError(ValueError):
    """A scores table the gate cannot read; the message names the column and the fix."""


@dataclass(frozen=True)
class Comparison:
    """The candidate against one other, on the same rows.

    ``gain`` is oriented: positive means the candidate is better, whatever the metric.
    """

    against: str
    role: Literal["baseline", "champion"]
    candidate: float
    other: float
    gain: float
    gain_low: float
    gain_high: float
    probability: float
    """Share of resamples in which the requirement held."""
    required: float
    passed: bool

    def sentence(self, rule: GateRule) -> str:
        """The comparison as a sentence.

        >>> c = Comparison("majority", "baseline", .61, .6, .01, -.01, .03, .84, .95, False)
        >>> c.sentence(GateRule())
        'does not beat majority: accuracy 0.6100 against 0.6000 (gain +0.0100, 95 % interval \
-0.0100 to +0.0300; sure at 84.0 %, 95.0 % is required)'
        """
        if self.role == "baseline":
            verb = "beats" if self.passed else "does not beat"
            head = f"{verb} {self.against}"
        else:
            verb = "is not worse than" if self.passed else "may be worse than"
            head = f"{verb} {self.against} (tolerance {rule.tolerance:g})"
        return (
            f"{head}: {rule.title} {self.candidate:.4f} against {self.other:.4f} "
            f"(gain {self.gain:+.4f}, 95 % interval {self.gain_low:+.4f} to {self.gain_high:+.4f}; "
            f"sure at {100 * self.probability:.1f} %, {100 * self.required:.1f} % is required)"
        )


@dataclass(frozen=True)
class Decision:
    """The gate's verdict on one version."""

    verdict: Verdict
    rule: GateRule
    comparisons: tuple[Comparison, ...]
    rows: int
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the version may be promoted."""
        return self.verdict == "passed"

    @property
    def sentences(self) -> list[str]:
        """Every comparison and note as a sentence."""
        return [c.sentence(self.rule) for c in self.comparisons] + list(self.notes)

    @property
    def refusals(self) -> list[str]:
        """The reasons for a refusal; empty when it passed."""
        failed = [c.sentence(self.rule) for c in self.comparisons if not c.passed]
        return [] if self.passed else failed + list(self.notes)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, as stored on the version."""
        return {
            "verdict": self.verdict,
            "rule": self.rule.model_dump(mode="json"),
            "rows": self.rows,
            "comparisons": [asdict(c) for c in self.comparisons],
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The decision of :meth:`to_json`."""
        return cls(
            verdict=stored["verdict"],
            rule=GateRule(**stored["rule"]),
            comparisons=tuple(Comparison(**c) for c in stored["comparisons"]),
            rows=stored["rows"],
            notes=tuple(stored["notes"]),
        )


def decide(
    scores: pd.DataFrame, rule: GateRule, champion: str | None = None, notes: tuple[str, ...] = ()
) -> Decision:
    """Compare a candidate with its baselines and, when there is one, with the champion.

    Args:
        scores: see :class:`crisol.core.candidate.Candidate`.
        rule: metric, margins, confidence.
        champion: the name of the champion in the ``champion`` column; ``None`` leaves it out.
        notes: further sentences for the decision.

    Raises:
        GateError: the table lacks a column, repeats a row, or is empty.
    """
    _check(scores, champion)
    known = {*REQUIRED_COLUMNS, "champion"}
    names = [column for column in scores.columns if column not in known]
    comparisons = [_compare(scores, rule, name, name, "baseline") for name in names]
    if champion is not None:
        comparisons.append(_compare(scores, rule, "champion", champion, "champion"))
    if not names:
        notes = (*notes, "there is no baseline in the scores: a version must beat at least one")
    groups = scores["group"].nunique()
    if groups < MIN_GROUPS:
        notes = (
            *notes,
            f"the scores have {groups} group(s) to resample; a spread needs {MIN_GROUPS} or more",
        )
    passed = bool(names) and groups >= MIN_GROUPS and all(c.passed for c in comparisons)
    return Decision(
        "passed" if passed else "refused", rule, tuple(comparisons), len(scores), tuple(notes)
    )


def with_champion(candidate: pd.DataFrame, champion: pd.DataFrame) -> pd.DataFrame | None:
    """The candidate's scores with the champion's stored ones beside them.

    Returns:
        ``None`` when the two were not scored on the same rows with the same truth.
    """
    if set(candidate["row"]) != set(champion["row"]):
        return None
    other = champion.set_index("row").loc[candidate["row"]]
    if not np.array_equal(other["truth"].to_numpy(), candidate["truth"].to_numpy()):
        return None
    return candidate.assign(champion=other["candidate"].to_numpy())


def _check(scores: pd.DataFrame, champion: str | None) -> None:
    needed = [*REQUIRED_COLUMNS, *(["champion"] if champion is not None else [])]
    missing = [column for column in needed if column not in scores.columns]
    if missing:
        raise GateError(
            f"the scores table lacks {', '.join(missing)}; it has {', '.join(scores.columns)}"
        )
    if scores.empty:
        raise GateError("the scores table is empty: there is nothing to compare")
    if scores["row"].duplicated().any():
        twice = scores.loc[scores["row"].duplicated(), "row"].iloc[0]
        raise GateError(f"the scores table holds row {twice!r} twice; rows must be unique")
    read = scores if champion is not None else scores.drop(columns="champion", errors="ignore")
    holes = read.columns[read.isna().any()].tolist()
    if holes:
        raise GateError(f"the scores table has missing values in {', '.join(holes)}")


def _compare(
    scores: pd.DataFrame,
    rule: GateRule,
    column: str,
    name: str,
    role: Literal["baseline", "champion"],
) -> Comparison:
    result = paired_bootstrap(
        scores["truth"].to_numpy(),
        scores["candidate"].to_numpy(),
        scores[column].to_numpy(),
        scores["group"].to_numpy(),
        metric=rule.metric,
        resamples=rule.resamples,
        seed=rule.seed,
    )
    sign = 1.0 if rule.higher_is_better else -1.0
    gains = sign * np.asarray(result.differences)
    threshold = rule.min_gain if role == "baseline" else -rule.tolerance
    # Not worse than itself: a gain of exactly zero passes against a champion with no tolerance.
    held = gains > threshold if role == "baseline" else gains >= threshold
    probability = float(held.mean())
    low, high = np.nanquantile(gains, [0.025, 0.975])
    return Comparison(
        against=name,
        role=role,
        candidate=float(result.value_a),
        other=float(result.value_b),
        gain=sign * (float(result.value_a) - float(result.value_b)),
        gain_low=float(low),
        gain_high=float(high),
        probability=probability,
        required=rule.confidence,
        passed=probability >= rule.confidence,
    )
