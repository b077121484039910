"""The verdict of the gate on every study of a run, of which one becomes a version."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from crisol.core.candidate import GateRule
from crisol.core.metrics import paired_bootstrap

if TYPE_CHECKING:
    import pandas as pd

TITLE = "the gate on every study, against its baselines"
_KNOWN = {"row", "group", "truth", "candidate", "champion"}


def study_verdicts(
    scores: Mapping[str, "pd.DataFrame"], rule: GateRule, registered: str
) -> dict[str, list[dict[str, Any]]]:
    """A table with one row a study; empty where there is only one.

    A study passes when its candidate beats each of its baselines as the gate asks. Only the
    registered study is compared with the champion, when it is registered.

    Args:
        scores: study to its gate rows; see :class:`crisol.core.candidate.Candidate`.
        rule: of the gate.
        registered: the study that becomes a version.
    """
    if len(scores) < 2:
        return {}
    return {TITLE: [_row(name, table, rule, name == registered) for name, table in scores.items()]}


def _row(name: str, table: "pd.DataFrame", rule: GateRule, registers: bool) -> dict[str, Any]:
    baselines = [str(column) for column in table if column not in _KNOWN]
    compared = {column: _probability(table, column, rule) for column in baselines}
    weakest = min(compared, key=lambda column: compared[column][0])
    probability, gain = compared[weakest]
    return {
        "study": name,
        "verdict": "passed" if probability >= rule.confidence else "refused",
        "becomes the version": "yes" if registers else "no",
        "rows": len(table),
        "hardest baseline": weakest,
        f"gain in {rule.metric}": round(gain, 4),
        "sure at": f"{probability:.1%}",
        "required": f"{rule.confidence:.1%}",
    }


def _probability(table: "pd.DataFrame", column: str, rule: GateRule) -> tuple[float, float]:
    """How sure the candidate's gain is above the least one, and the gain."""
    paired = paired_bootstrap(
        table["truth"].to_numpy(),
        table["candidate"].to_numpy(),
        table[column].to_numpy(),
        table["group"].to_numpy(),
        metric=rule.metric,
        resamples=rule.resamples,
        seed=rule.seed,
    )
    sign = 1.0 if rule.higher_is_better else -1.0
    held = sign * np.asarray(paired.differences) > rule.min_gain
    return float(held.mean()), sign * paired.difference.value
