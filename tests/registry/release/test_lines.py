"""A family's lines: each has its own versions, candidate, champion and gate."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.registry.conftest import Project
from tests.registry.release.test_registration import candidate

from crisol.registry import recovery
from crisol.registry.datasets import ChampionPredictor, RegisteredPredictor
from crisol.registry.release import promotion, versions
from crisol.registry.release.lineage import bento_labels, lineage, stamp
from crisol.registry.release.promotion import GateRefusedError, Move
from crisol.registry.release.versions import Reference
from crisol.registry.store import StoreError
from crisol.serving.bundle import package

LINE = "linear.shop_1"


@pytest.fixture(scope="module")
def done(make_shared) -> Project:
    """The family's own champion, a bad one; a line with a good champion and a bad candidate."""
    project = make_shared()
    project.store.activate()
    RegisteredPredictor(family="linear").save(candidate(9.0))
    promotion.promote(project.store, Reference("linear"), force=True, reason="a bad one")
    project.run(params={"model": LINE})
    promotion.promote(project.store, Reference(LINE))
    project.run(params={"model": LINE}, model={"slope_error": 9.0})
    return project


@pytest.fixture(autouse=True)
def _store(request: pytest.FixtureRequest) -> None:
    if "done" in request.fixturenames:
        request.getfixturevalue("done").store.activate()


def test_every_line_counts_its_own_versions(done: Project) -> None:
    assert versions.lines(done.store) == ["linear", LINE]
    assert versions.lines(done.store, "signals") == []
    named = {m: versions.aliases(done.store, m)["candidate"] for m in ("linear", LINE)}
    assert named == {"linear": "1", LINE: "2"}
    found = json.loads(done.command("models", "linear", "--json").stdout)["versions"]
    assert [(v["model"], v["version"], v["family"]) for v in found] == [
        ("linear", "1", "linear"),
        (LINE, "1", "linear"),
        (LINE, "2", "linear"),
    ]
    found = json.loads(done.command("models", LINE, "--json").stdout)["versions"]
    assert [v["version"] for v in found] == ["1", "2"]
    assert {r.data.tags["crisol.model"] for r in done.runs()} == {"linear", LINE}


def test_every_line_has_its_own_champion_and_gate(done: Project) -> None:
    assert str(versions.find(done.store, Reference("linear"))) == "linear/1"
    assert str(versions.find(done.store, Reference(LINE))) == f"{LINE}/1"
    with pytest.raises(GateRefusedError, match=rf"kedro promote {LINE}/2 --force"):
        promotion.promote(done.store, Reference(LINE))
    again = done.command("promote", f"{LINE}/1")
    assert f"{LINE}/1 is already the champion" in again.output
    assert [m.model for m in promotion.history(done.store, LINE)] == [LINE]
    assert ChampionPredictor(family="linear", model=LINE).load().model_version == "1"
    chain = json.loads(done.command("lineage", f"{LINE}@champion", "--json").stdout)
    assert (chain["model"], chain["version"]) == (LINE, "1")


def test_a_run_meets_the_champion_of_its_own_line(done: Project) -> None:
    first, second = versions.all_versions(done.store, LINE)
    assert first.tags["crisol.compared_with"] == "none"
    assert second.tags["crisol.compared_with"] == "1"
    assert second.gate.comparisons[-1].against == f"the champion {LINE}/1"


def test_a_line_is_reproduced_under_its_name(done: Project) -> None:
    result = done.command("reproduce", f"{LINE}/1", "--json")
    assert result.exit_code == 0, result.output
    again = done.store.client().get_run(json.loads(result.stdout)["run_id"])
    assert again.data.tags["crisol.model"] == LINE
    assert again.data.tags["crisol.reproduces"] == f"{LINE}/1"
    assert len(versions.all_versions(done.store, LINE)) == 2


def test_what_a_kill_left_in_a_line_is_put_in_order(project: Project) -> None:
    RegisteredPredictor(family="linear", model=LINE).save(candidate())
    project.store.client().delete_registered_model_alias(LINE, "candidate")
    [said] = recovery.recover(project.store)
    assert f"{LINE}/1 is the newest version" in said
    assert recovery.recover(project.store) == []


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("signals", "names a model of signals, which does not run here"),
        ("signals.daily", "names a model of signals, which does not run here"),
        ("nobody.daily", "no family 'nobody'"),
        ("linear.Big", "is not a model's name"),
        ("linear.a.b", "is not a model's name"),
        ("linear.ends_", "is not a model's name"),
        ("linear." + "a" * 41, "is not a model's name"),
    ],
)
def test_a_wrong_name_is_refused_before_anything_runs(project: Project, model, says) -> None:
    result = project.command("run", "--pipelines", "linear", "--params", f"model={model}")
    assert result.exit_code == 1
    assert says in result.output
    assert "Traceback" not in result.output
    assert project.runs() == []


def test_an_entry_of_another_family_is_refused() -> None:
    with pytest.raises(StoreError, match="not a model of linear"):
        RegisteredPredictor(family="linear", model="signals.daily")


def test_records_from_before_the_lines_are_read() -> None:
    old = {"kind": "promote", "family": "linear", "old": None, "new": "1", "at": "", "by": "me"}
    assert Move.from_json(old).model == "linear"


def test_a_bundle_carries_the_name_of_its_line(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of a served family: Bento and model are named after it, and lineage finds it."""
    from tests.serving.conftest import STAMP, build_predictor

    from crisol.core.predictor import predictor_digest

    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bentoml"))
    directory = build_predictor().save(tmp_path / "predictor")
    labels = {**STAMP, "predictor_digest": predictor_digest(directory), "family": "signals"}
    built = package.build("signals", directory, {**labels, "model": "signals.daily_2"})
    assert built.tag.startswith("signals.daily_2:v7-")
    assert bento_labels("signals.daily_2:latest")[0]["model"] == "signals.daily_2"
    with pytest.raises(StoreError, match=r"signals\.daily_2 has no version 7"):
        lineage(project.store, built.tag)
    listed = subprocess.run(
        [sys.executable, "-m", "bentoml", "get", "signals.daily_2:latest", "-o", "path"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.returncode == 0, listed.stderr
    assert "".join(listed.stdout.split()) == str(built.path)
    with pytest.raises(package.BundleError, match="not a model of signals"):
        package.build("signals", directory, {**labels, "model": "products.daily"})


def test_the_stamp_names_the_line(done: Project) -> None:
    version = versions.find(done.store, Reference(LINE, "1"))
    labels = stamp(version, None)
    assert (labels["family"], labels["model"]) == ("linear", LINE)
