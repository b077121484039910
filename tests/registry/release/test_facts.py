"""The facts of a version: semantic version, size, speed, status."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, create_model
from tests.registry.conftest import FAMILY, Project
from tests.registry.release.test_registration import candidate

from crisol.core.contract import Contract
from crisol.registry.datasets import RegisteredPredictor
from crisol.registry.release import archiving, facts, measuring, promotion, versions
from crisol.registry.release.contract_shape import shape, shape_digest
from crisol.registry.release.versions import Reference
from crisol.registry.store import Store, StoreError


@pytest.fixture(scope="module")
def done(make_shared) -> Project:
    """One run; then with another parameter, with other data, with another seed."""
    project = make_shared()
    project.store.activate()
    project.run()
    project.run(train={"epochs": 4})
    project.write_rows(noise=0.2)
    project.run(train={"epochs": 4})
    project.run(
        train={"epochs": 4}, data={"gate": {"metric": "mae", "higher_is_better": False, "seed": 7}}
    )
    return project


@pytest.fixture(autouse=True)
def _store(request: pytest.FixtureRequest) -> None:
    if "done" in request.fixturenames:
        request.getfixturevalue("done").store.activate()


def test_the_semantic_version_follows_data_and_parameters(done: Project) -> None:
    found = json.loads(done.command("models", "linear", "--json").stdout)["versions"]
    assert [v["semver"] for v in found] == ["1.0.0", "1.1.0", "1.2.0", "1.2.1"]
    assert {v["status"] for v in found} == {"ready"}
    with versions.predictor_directory(done.store, version(done, 1)) as directory:
        sizes = sum(p.stat().st_size for p in directory.iterdir())
    assert found[0]["size_bytes"] == sizes
    assert found[0]["measured"] is None
    table = done.command("models").output
    assert "1.2.1" in table
    assert "ready" in table


def version(project: Project, number: int) -> versions.Version:
    return versions.find(project.store, Reference("linear", str(number)))


def test_another_contract_is_another_major_version(done: Project) -> None:
    before = version(done, 4)
    same = dict(before.tags)
    assert facts.next_version(before, same) == "1.2.2"
    assert facts.next_version(before, {**same, facts.SHAPE_TAG: "other"}) == "2.0.0"
    assert facts.next_version(None, same) == "1.0.0"


def test_a_version_of_a_new_contract_is_registered_so(project: Project) -> None:
    class Longer(candidate().predictor.request_type):
        unit: str

    RegisteredPredictor(family="linear").save(candidate())
    made = candidate()
    made.predictor.request_type = Longer
    made.predictor.golden = tuple(
        replace(g, request={**g.request, "unit": "m"}) for g in made.predictor.golden
    )
    log_shape = shape_digest(Longer, made.predictor.response_type)
    assert log_shape != version(project, 1).tags[facts.SHAPE_TAG]
    tags = facts.gather(
        _log(project), made, project.folder / "conf", {"crisol.parameters_digest": "x"}
    )
    assert tags["crisol.semver"] == "2.0.0"


def _log(project: Project):
    from crisol.registry.tracking import runs

    return runs.open_run(project.store, "linear", {})


def test_the_shape_is_names_types_and_what_is_required() -> None:
    def kinds(**fields):
        return shape(create_model("Asked", **fields).model_json_schema())

    plain = kinds(age=(float, Field(ge=0, le=90)), job=(Literal["a", "b"], Field()))
    wider = kinds(
        age=(float, Field(ge=-5, le=99, description="years")), job=(Literal["b", "c"], Field())
    )
    assert (
        plain == wider == {"object": {"age": "number", "job": "string"}, "required": ["age", "job"]}
    )
    assert kinds(age=(float, Field(default=1.0)), job=(Literal["a"], Field())) != plain
    assert kinds(age=(int, Field()), job=(Literal["a"], Field())) != plain
    assert kinds(years=(float, Field()), job=(Literal["a"], Field())) != plain


class Tree(Contract):
    name: str
    parts: tuple["Tree", ...] = ()
    place: tuple[int, str] | None = None
    more: dict[str, float] = Field(default_factory=dict)


def test_the_shape_of_a_type_within_itself_ends() -> None:
    found = shape(Tree.model_json_schema())
    assert found["object"]["parts"] == {"array": {"itself": 0}}
    assert found["object"]["more"] == {"map": "number"}
    assert {"tuple": ["integer", "string"]} in found["object"]["place"]["anyOf"]


def test_a_version_is_measured_in_a_process_of_its_own(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FAMILY))
    monkeypatch.setattr(measuring, "_LATENCY_S", 0.1)
    project.store.model_copy(update={"measure_versions": True}).activate()
    RegisteredPredictor(family="linear").save(candidate())
    result = project.command("lineage", "linear/1", "--json")
    found = json.loads(result.stdout)
    measured = found["measured"]
    assert 0 < measured["latency_ms"]["p50"] <= measured["latency_ms"]["p95"]
    assert measured["throughput_requests_per_s"] > 100
    assert 10 < measured["resident_mb"] < 500
    assert measured["cpu"]
    assert measured["load_s"] > 0
    raw = project.store.client().get_model_version("linear", "1")
    for text in ("Size and speed", "p95", "semantic version 1.0.0"):
        assert text in raw.description
    assert "throughput" in {link["what"] for link in found["links"]}


def test_what_cannot_be_measured_is_said(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(measuring.MeasuringError, match="is not a predictor directory"):
        measuring.measure(tmp_path)
    with pytest.raises(measuring.MeasuringError, match="longer than"):
        measuring.measure(tmp_path, timeout_s=0.01)


def test_the_environments_say_whether_to_measure() -> None:
    from kedro.config import OmegaConfigLoader
    from tests.conftest import ROOT

    for env, expected in (("base", True), ("ci", False)):
        loader = OmegaConfigLoader(
            str(ROOT / "conf"), env=env, base_env="base", default_run_env=env,
            config_patterns={"mlflow": ["mlflow*"]},
        )  # fmt: skip
        assert Store.from_config(loader["mlflow"], ROOT).measure_versions is expected


def test_archived_versions_are_not_promoted(done: Project) -> None:
    assert done.command("promote", "linear/1").exit_code == 0
    assert versions.status(version(done, 1)) == "deployed"
    refused = done.command("archive", "linear/1")
    assert refused.exit_code == 1
    assert "linear/1 is the champion" in refused.output
    result = done.command("archive", "linear/2", "--reason", "superseded", "--json")
    assert json.loads(result.stdout)["status"] == "archived"
    record = json.loads(version(done, 2).tags[versions.ARCHIVED_TAG])
    assert record["reason"] == "superseded"
    refused = done.command("promote", "linear/2")
    assert refused.exit_code == 1
    assert "kedro archive linear/2 --undo" in refused.output
    assert "linear/2 ready" in done.command("archive", "linear/2", "--undo").output
    assert done.command("promote", "linear/2").exit_code == 0
    archiving.archive(done.store, Reference("linear", "1"), by="ana")
    with pytest.raises(StoreError, match="linear/1 is archived"):
        promotion.rollback(done.store, "linear")
    assert archiving.unarchive(done.store, Reference("linear", "1")).number == "1"
    assert promotion.rollback(done.store, "linear", by="ana").move.by == "ana"
    assert "names no version" in done.command("archive", "linear").output


def test_a_version_that_is_being_made_is_in_training(project: Project) -> None:
    RegisteredPredictor(family="linear").save(candidate())
    first = version(project, 1)
    project.store.client().create_model_version("linear", first.source, first.run_id)
    made = versions.all_versions(project.store, "linear")
    assert [versions.status(v) for v in made] == ["ready", "training"]
