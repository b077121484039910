"""A family's pipeline: what its own functions get, and what is the same for all."""

import pickle
from pathlib import Path

import pandas as pd
import pytest

from crisol.core.candidate import GatedParams, GateRule, Report
from crisol.core.studies import StudiesParams, Study
from crisol.pipelines import shared_nodes, wiring


def clean(rows_raw: pd.DataFrame) -> pd.DataFrame:
    return rows_raw


def fit(rows: pd.DataFrame, data: str, model: str, train: str, checkpoints: Path) -> None: ...


def fit_again(
    rows: pd.DataFrame, data: str, model: str, train: str, checkpoints: Path, champion: None
) -> None: ...


def with_index(predictor: str, scores: str, report: str, data: str, index: str) -> None: ...


def test_names_tags_and_namespace_are_those_of_every_family() -> None:
    pipeline = wiring.family_pipeline(
        "birds",
        wiring.prepare(clean, "rows_raw", "rows_table"),
        wiring.fit(fit, ["rows_table"], also=["forecasts_table"]),
        wiring.evaluate("rows_table", "forecasts_table", "training_history"),
        wiring.register(),
    )
    assert {node.name: node.tags for node in pipeline.nodes} == {
        "birds.clean": {"prepare"},
        "birds.fit": {"train"},
        "birds.evaluate": {"evaluate"},
        "birds.register": {"register"},
    }
    assert pipeline.inputs() == {
        "birds.rows_raw",
        "birds.champion",
        "birds.checkpoints_folder",
        *(f"params:birds.{section}" for section in ("data", "model", "train")),
    }
    assert pipeline.outputs() == {
        "birds.predictor",
        "birds.evaluation_figures",
        "birds.evaluation_metrics",
    }


def test_what_a_family_adds_comes_after_what_all_have() -> None:
    trained = wiring.fit(fit_again, ["rows_table"], more=["champion"])
    assert trained.inputs[-2:] == ["checkpoints_folder", "champion"]
    registered = wiring.register(with_index, more=["search_index"])
    assert registered.inputs[-2:] == ["params:data", "search_index"]
    assert registered.name == "with_index"


@pytest.mark.parametrize("node", [wiring.evaluate("rows_table"), wiring.register()])
def test_a_worker_process_can_be_given_the_shared_nodes(node: object) -> None:
    pickle.dumps(node)


def test_the_gate_compares_by_the_rule_of_the_data() -> None:
    class Studies(StudiesParams[Study]):
        pass

    rule = GateRule(metric="mae", higher_is_better=False)
    report = Report(family="birds", headline="", metrics={}, tables={})
    plain = GatedParams(gate=rule)
    studies = Studies(studies=(Study(name="one"),), register_study="one", gate=rule)
    for data in (plain, studies):
        candidate = shared_nodes.register(None, pd.DataFrame(), report, data)
        assert candidate.rule == rule
