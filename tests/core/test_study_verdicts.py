"""Each study of a run has a verdict; one of them becomes the version."""

import numpy as np
import pandas as pd
import pytest

from crisol.core.candidate import GateRule
from crisol.core.study_verdicts import TITLE, study_verdicts
from crisol.registry.release.gate import decide


def scores(gain: float, seed: int = 0) -> pd.DataFrame:
    """Means of 200 rows, of which the candidate gains so much over each of two baselines."""
    rng = np.random.default_rng(seed)
    other = rng.normal(0.3, 0.1, 200)
    return pd.DataFrame(
        {
            "row": np.arange(200),
            "group": np.arange(200),
            "truth": 1.0,
            "candidate": other + rng.normal(gain, 0.05, 200),
            "popular": other,
            "linear": other - 0.02,
        }
    )


RULE = GateRule(metric="mean", resamples=300)


@pytest.mark.parametrize("gains", [(0.05, -0.05), (-0.05, 0.05), (0.001, 0.1, 0.0)])
def test_every_study_has_the_verdict_of_the_gate(gains: tuple[float, ...]) -> None:
    studies = {f"s{n}": scores(gain, n) for n, gain in enumerate(gains)}
    rows = study_verdicts(studies, RULE, "s1")[TITLE]
    assert [row["verdict"] for row in rows] == [
        decide(table, RULE).verdict for table in studies.values()
    ]
    assert [row["becomes the version"] for row in rows].count("yes") == 1
    assert rows[1]["becomes the version"] == "yes"
    assert {row["hardest baseline"] for row in rows} == {"popular"}


def test_a_lower_error_is_a_gain() -> None:
    rule = RULE.model_copy(update={"metric": "rmse", "higher_is_better": False})
    tables = {"a": scores(0.7).assign(truth=1.0), "b": scores(0.0)}
    rows = study_verdicts(tables, rule, "a")[TITLE]
    assert [row["verdict"] for row in rows] == [decide(t, rule).verdict for t in tables.values()]
    assert rows[0]["verdict"] == "passed"


def test_one_study_needs_no_table() -> None:
    assert study_verdicts({"a": scores(0.1)}, RULE, "a") == {}
