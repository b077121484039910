"""Saving `<family>.predictor` registers it: whole, judged, without pickle, or not at all."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version as installed

import mlflow
import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError
from mlflow.types.schema import AnyType, Array, DataType, Map
from tests.registry.conftest import Project, environment

from crisol.core.candidate import Candidate, GateRule, Report
from crisol.core.predictor import compare_answers, predictor_digest
from crisol.registry import columns, recovery
from crisol.registry.datasets import ChampionPredictor, RegisteredPredictor
from crisol.registry.release import registration, versions
from crisol.registry.release.requirements import requirements
from crisol.registry.release.versions import Reference
from crisol.registry.store import StoreError
from crisol.registry.tracking import runs


def candidate(slope: float = 2.0, golden: bool = True) -> Candidate:
    """A line against rows of slope 2, with its evidence."""
    from crisol.models.linear.contract import example_request
    from crisol.models.linear.predictor import LinePredictor

    predictor = LinePredictor(slope, 1.0)
    if golden:
        predictor.record_golden([example_request()])
    x = np.linspace(0, 1, 60)
    scores = pd.DataFrame(
        {
            "row": range(60),
            "group": range(60),
            "truth": 2 * x + 1,
            "candidate": slope * x + 1,
            "mean": 1.5,
        }
    )
    report = Report(
        family="linear",
        headline="A line.",
        metrics={"mae": abs(slope - 2), "predict_ms": 1.0},
        tables={"Errors": [{"model": "line", "mae": abs(slope - 2)}]},
        limits=["Straight lines only."],
        synthetic=True,
    )
    rule = GateRule(metric="mae", higher_is_better=False, resamples=100)
    return Candidate(predictor, scores, rule, report)


@pytest.fixture(scope="module")
def done(shared: Project) -> Project:
    shared.store.activate()
    RegisteredPredictor(family="linear").save(candidate())
    return shared


@pytest.fixture(autouse=True)
def _store(request: pytest.FixtureRequest) -> None:
    if "done" in request.fixturenames:
        request.getfixturevalue("done").store.activate()


def newest(project: Project) -> versions.Version:
    return versions.find(project.store, Reference("linear", alias="candidate"))


def test_the_version_carries_its_evidence(done: Project) -> None:
    version = newest(done)
    assert str(version) == "linear/1"
    assert version.tags["crisol.complete"] == "true"
    assert version.tags["crisol.gate"] == "passed"
    assert version.gate is not None
    assert version.gate.comparisons[0].against == "mean"
    assert version.metrics == {"mae": 0.0}, "times are not kept"
    run = done.store.client().get_run(version.run_id)
    assert run.info.status == "FINISHED"
    raw = done.store.client().get_model_version("linear", "1")
    for text in ("# linear", "A line.", "synthetic", "Straight lines only.", "POST /predict"):
        assert text in raw.description
    assert len(versions.scores(done.store, version)) == 60


def test_the_catalog_loads_what_was_registered(done: Project) -> None:
    predictor = RegisteredPredictor(family="linear").load()
    assert predictor.model_version == "1"
    assert predictor.replay_golden() == []
    assert ChampionPredictor(family="linear").load() is None
    with versions.predictor_directory(done.store, newest(done)) as directory:
        assert predictor_digest(directory) == newest(done).tags["crisol.predictor_digest"]


def test_pyfunc_answers_as_the_predictor(done: Project) -> None:
    predictor = RegisteredPredictor(family="linear").load()
    [golden] = predictor.golden
    model = mlflow.pyfunc.load_model("models:/linear@candidate")
    for given in ([golden.request], pd.DataFrame([golden.request])):
        [answer] = model.predict(given)
        assert not compare_answers(golden.response, answer, ignore=predictor.volatile_fields)
    assert newest(done).run_id in answer["model_version"]


def test_the_signature_is_the_contract(done: Project) -> None:
    info = mlflow.models.get_model_info("models:/linear/1")
    inputs = info.signature.inputs.input_dict()
    assert inputs["name"].type == DataType.string
    assert isinstance(inputs["points"].type, Array)
    point = {p.name: p for p in inputs["points"].type.dtype.properties}
    assert isinstance(point["x"].dtype, AnyType)
    assert not point["note"].required
    outputs = info.signature.outputs.input_dict()
    assert isinstance(outputs["facts"].type, Map)
    assert info.saved_input_example_info is not None


def test_it_loads_in_another_process_without_pickle_and_without_the_family(done: Project) -> None:
    """The version carries its code: nothing of the family is importable over there."""
    code = (
        "import json, sys, mlflow\n"
        "model = mlflow.pyfunc.load_model('models:/linear/1')\n"
        "print(json.dumps(model.predict(json.loads(sys.argv[1]))[0]))"
    )
    request = candidate().predictor.golden[0].request
    uninstalled = {
        **environment(),
        "PYTHONPATH": "",
        "MLFLOW_TRACKING_URI": done.store.tracking_uri,
    }
    result = subprocess.run(
        [sys.executable, "-c", code, json.dumps([request])],
        env={**uninstalled, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["values"] == [3.0, 6.0]


def test_requirements_are_what_the_predictor_imports() -> None:
    assert requirements("linear") == sorted(
        f"{name}=={installed(name)}" for name in ("numpy", "pydantic")
    )


def test_a_version_cut_short_is_removed_and_never_a_candidate(project: Project) -> None:
    store, client = project.store, project.store.client()
    RegisteredPredictor(family="linear").save(candidate())
    first = newest(project)
    gone = {"crisol.host": first.tags["crisol.host"], "crisol.process_started": "1.0"}
    client.create_model_version("linear", first.source, first.run_id, {**gone, "crisol.pid": "1"})
    said = recovery.recover(store)
    assert [s for s in said if "linear/2" in s and "removed" in s]
    assert [str(v) for v in versions.all_versions(store, "linear")] == ["linear/1"]
    assert newest(project) == first
    assert recovery.recover(store) == []


def test_a_version_without_its_alias_becomes_the_candidate(project: Project) -> None:
    RegisteredPredictor(family="linear").save(candidate())
    project.store.client().delete_registered_model_alias("linear", "candidate")
    [said] = recovery.recover(project.store)
    assert "linear/1" in said
    assert newest(project).number == "1"


def test_what_cannot_be_registered_is_refused(project: Project) -> None:
    with pytest.raises(DatasetError, match="golden examples"):
        RegisteredPredictor(family="linear").save(candidate(golden=False))
    made = candidate()
    report = made.report.model_copy(update={"family": "signals"})
    with pytest.raises(DatasetError, match="'signals'"):
        RegisteredPredictor(family="linear").save(replace(made, report=report))
    assert [r.info.status for r in project.runs()] == ["FAILED", "FAILED"]
    assert versions.registered(project.store, "linear") is None


def test_a_predictor_that_is_not_what_it_saves_is_refused(project: Project) -> None:
    made = candidate()
    made.predictor.slope = 5.0  # after the golden answers were recorded
    with pytest.raises(DatasetError, match="does not answer as the one in memory"):
        RegisteredPredictor(family="linear").save(made)


@pytest.mark.parametrize("text", ["", "Linear", "linear/", "linear/x", "linear@", "a b", "nobody"])
def test_references_that_are_none(text: str) -> None:
    with pytest.raises(StoreError):
        Reference.parse(text)


def test_texts_are_cut_to_the_columns(done: Project) -> None:
    """Nothing long or odd in a report may keep a model from being registered after its training."""
    odd = "zero \0, half \ud83d, " + "x" * 9000
    made = candidate()
    report = made.report.model_copy(
        update={
            "headline": odd,
            "limits": [odd],
            "metrics": {"mae": 0.0, **{f"metric {n} of {'x' * 90}": 1.0 for n in range(2000)}},
        }
    )
    tags = {"mlflow.user": odd, "note": odd}
    log = runs.open_run(done.store, "linear.texts", tags, name=odd)
    log.metrics({f"mae.{odd}": 0.5, "../mae": 0.5})
    log.parameters({}, {odd: odd, "a": {"../b": 3}})
    table = pd.DataFrame({f"{'x' * 9000} {n} \0": [1.0] for n in range(200)})
    log.data("linear.rows_raw", done.folder / "requirements.lock", table)
    registration.register(log, replace(made, report=report))
    log.finish()
    version = versions.find(done.store, Reference("linear.texts", version="1"))
    assert version.metrics["mae"] == 0.0
    raw = done.store.client().get_model_version("linear.texts", "1")
    assert len(raw.description) <= columns.DESCRIPTION
    assert raw.description.endswith("the whole card is the run's artefact `model_card.md`.")
    run = done.store.client().get_run(version.run_id)
    assert len(run.info.run_name) == columns.KEY
    assert run.data.tags["note"].startswith("zero \ufffd, half ?, xxx")
    assert "linear.texts" in versions.lines(done.store)


def test_a_worker_process_finds_the_open_run(project: Project, monkeypatch) -> None:
    log = runs.open_run(project.store, "linear", {})
    monkeypatch.setenv(runs.RUNS_VARIABLE, json.dumps({"linear": log.run_id}))
    runs._open.clear()
    found = runs.active("linear")
    assert found is not None
    assert found.run_id == log.run_id
    registration.register(found, candidate())
    log.finish()
    runs.announce({})
    assert newest(project).run_id == log.run_id
