import json

import numpy as np
import pandas as pd
import pytest

from crisol.core.candidate import GateRule
from crisol.registry.release.gate import Decision, GateError, decide, with_champion

RULE = GateRule(metric="accuracy", resamples=300)


def scores(candidate: float, baseline: float, champion: float | None = None, n: int = 600):
    """Predictions that are right with the given probabilities."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, n)

    def right(share: float) -> np.ndarray:
        return np.where(rng.random(n) < share, truth, 1 - truth)

    table = pd.DataFrame(
        {
            "row": np.arange(n),
            "group": np.arange(n) // 5,
            "truth": truth,
            "candidate": right(candidate),
            "majority": right(baseline),
        }
    )
    return table if champion is None else table.assign(champion=right(champion))


def test_a_better_candidate_passes() -> None:
    decision = decide(scores(0.8, 0.5), RULE)
    assert decision.passed
    assert decision.refusals == []
    assert decision.comparisons[0].gain > 0.2


def test_a_candidate_that_is_no_better_than_a_baseline_is_refused_with_numbers() -> None:
    decision = decide(scores(0.6, 0.6), RULE)
    assert not decision.passed
    [sentence] = decision.refusals
    assert "does not beat majority" in sentence
    assert "95.0 % is required" in sentence


def test_a_person_reads_the_label_of_the_metric() -> None:
    rule = GateRule(metric="mean", label="NDCG@20", resamples=300)
    [sentence] = decide(scores(0.8, 0.5), rule).sentences
    assert "NDCG@20 0." in sentence
    assert Decision.from_json(json.loads(json.dumps(decide(scores(0.8, 0.5), rule).to_json())))


def test_every_baseline_must_be_beaten() -> None:
    table = scores(0.7, 0.5).assign(strong=scores(0.9, 0.5)["candidate"])
    assert [c.passed for c in decide(table, RULE).comparisons] == [True, False]


def test_not_worse_than_the_champion() -> None:
    assert not decide(scores(0.7, 0.5, champion=0.9), RULE, "the champion x/1").passed
    same = scores(0.7, 0.5)
    same["champion"] = same["candidate"]
    assert decide(same, RULE.model_copy(update={"tolerance": 0.0}), "the champion x/1").passed
    assert decide(scores(0.7, 0.5, champion=0.9), RULE, champion=None).passed


def test_errors_are_better_when_lower() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=400)
    table = pd.DataFrame(
        {
            "row": range(400),
            "group": range(400),
            "truth": truth,
            "candidate": truth + 0.1,
            "mean": 0.0,
        }
    )
    rule = GateRule(metric="mae", higher_is_better=False, resamples=200)
    decision = decide(table, rule)
    assert decision.passed
    assert decision.comparisons[0].gain > 0


def test_without_a_baseline_nothing_passes() -> None:
    decision = decide(scores(0.9, 0.5).drop(columns="majority"), RULE)
    assert not decision.passed
    assert "no baseline" in decision.refusals[0]


def test_a_few_groups_decide_nothing() -> None:
    few = scores(0.9, 0.5)
    decision = decide(few.assign(group=few["group"] % 3), RULE)
    assert not decision.passed
    assert "3 group(s)" in decision.refusals[-1]


def test_the_decision_survives_json() -> None:
    decision = decide(scores(0.8, 0.5, champion=0.8), RULE, "the champion x/1", ("a note",))
    again = Decision.from_json(json.loads(json.dumps(decision.to_json())))
    assert again == decision


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda t: t.drop(columns="truth"), "lacks truth"),
        (lambda t: t.head(0), "empty"),
        (lambda t: t.assign(row=0), "twice"),
        (lambda t: t.assign(majority=None), "missing values in majority"),
    ],
)
def test_bad_scores_are_named(spoil, says: str) -> None:
    with pytest.raises(GateError, match=says):
        decide(spoil(scores(0.8, 0.5)), RULE)


def test_stored_scores_of_the_champion_are_matched_by_row() -> None:
    candidate = scores(0.8, 0.5)
    shuffled = candidate.sample(frac=1, random_state=0)
    together = with_champion(candidate, shuffled)
    assert together is not None
    assert (together["champion"] == candidate["candidate"]).all()
    assert with_champion(candidate, shuffled.head(10)) is None
    assert with_champion(candidate, shuffled.assign(truth=1 - shuffled["truth"])) is None
