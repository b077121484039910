"""The output of the commands: tables, JSON, exit codes, one-line errors."""

import json
from pathlib import Path

import pytest
import yaml
from tests.registry.conftest import Project

from crisol.registry.release import versions
from crisol.registry.release.lineage import stamp
from crisol.registry.release.versions import Reference
from crisol.serving.bundle.package import STAMP_KEYS


@pytest.fixture(scope="module")
def done(make_shared) -> Project:
    """Two equal versions, the second one promoted."""
    project = make_shared()
    project.run()
    project.run()
    result = project.command("promote", "linear")
    assert result.exit_code == 0, result.output
    return project


def test_two_runs_give_equal_metrics(done: Project) -> None:
    found = json.loads(done.command("models", "linear", "--json").stdout)["versions"]
    assert [v["version"] for v in found] == ["1", "2"]
    assert found[0]["metrics"] == found[1]["metrics"]
    assert found[0]["metrics"]
    assert found[1]["aliases"] == ["candidate", "champion"]


def test_models_prints_a_table(done: Project) -> None:
    output = done.command("models").output
    assert "linear/1" in output
    assert "candidate, champion" in output


def test_lineage_reaches_the_data(done: Project) -> None:
    chain = json.loads(done.command("lineage", "linear@champion", "--json").stdout)
    assert chain["version"] == "2"
    assert chain["parameters"]["train.epochs"] == "3"
    assert list(chain["data_digests"]) == ["linear.rows_raw"]
    output = done.command("lineage", "linear/1").output
    for text in ("linear.rows_raw", "git commit", "beats mean", "train.epochs"):
        assert text in output


def test_lineage_of_a_bento(done: Project, tmp_path: Path, monkeypatch) -> None:
    version = versions.find(done.store, Reference("linear"))
    labels = stamp(version, "champion")
    assert set(STAMP_KEYS) <= labels.keys()
    bento = tmp_path / "bentos/linear/v2"
    bento.mkdir(parents=True)
    (bento / "bento.yaml").write_text(yaml.safe_dump({"labels": labels}))
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    chain = json.loads(done.command("lineage", "linear:v2", "--json").stdout)
    assert chain["version"] == "2"
    assert chain["links"][0]["value"] == "linear:v2"
    (bento / "bento.yaml").write_text(yaml.safe_dump({"labels": {**labels, "run_id": "other"}}))
    assert "another registry" in done.command("lineage", "linear:v2").output


def test_reproduce_repeats_the_metrics_beside_the_working_data(done: Project) -> None:
    def files() -> dict[str, float]:
        paths = (done.folder / "data").rglob("*")
        return {str(p): p.stat().st_mtime for p in paths if p.is_file()}

    before = files()
    result = done.command("reproduce", "linear/1")
    assert result.exit_code == 0, result.output
    assert "all 2 metrics are the same" in result.output.replace("\n", " ")
    assert files() == before
    assert len(versions.all_versions(done.store, "linear")) == 2


def test_reproduce_says_what_differs(done: Project) -> None:
    try:
        done.write_rows(noise=0.2)
        result = done.command("reproduce", "linear/1", "--json")
    finally:
        done.write_rows()
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert [d["metric"] for d in found["differences"]] == ["mae"]
    assert [c for c in found["conditions"] if c.startswith("data linear.rows_raw: SHA-256")]


def test_the_second_run_was_compared_with_the_first_only_when_promoted(project: Project) -> None:
    project.run()
    project.command("promote", "linear")
    project.run(model={"slope_error": 5.0})
    result = project.command("promote", "linear")
    assert result.exit_code == 1
    assert "the gate refuses linear/2" in result.output
    assert "may be worse than the champion linear/1" in result.output
    forced = project.command("promote", "linear", "--force", "--reason", "a drill", "--json")
    assert json.loads(forced.stdout)["forced"] is True
    back = project.command("rollback", "linear")
    assert back.exit_code == 0
    assert "linear/1" in back.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("promote", "nobody"), "no family 'nobody'"),
        (("promote", "linear", "--version", "99"), "linear has no version 99; there are: 1, 2"),
        (("promote", "linear/1", "--version", "2"), "does not go with"),
        (("promote", "linear", "--version", "²"), "is not a version number"),
        (("promote", "linear/0"), "is not a reference"),
        (("promote", f"linear/{'9' * 30}"), "is not a reference"),
        (("promote", "linear/1\n"), "is not a reference"),
        (("models", "--env", "nowhere"), "conf/nowhere"),
        (("promote", "linear", "--force"), "--force needs a reason"),
        (("rollback", "linear"), "no previous champion"),
        (("rollback", "signals"), "no previous champion"),
        (("lineage", "linear/99"), "no version 99"),
        (("lineage", "linear@nobody"), "linear has no nobody"),
        (("lineage", "linear:nothing"), "there is no Bento linear:nothing"),
        (("reproduce", "what is this"), "is not a reference"),
        (("bundle", "signals"), "nothing was registered yet"),
        (("models", "nobody"), "no family"),
        (("fetch", "nobody"), "no family"),
        (("fetch", "signals", "--mirror", "/nowhere"), "does not exist"),
    ],
)
def test_nonsense_is_refused_in_one_line(done: Project, arguments, says: str) -> None:
    result = done.command(*arguments)
    assert result.exit_code != 0
    assert says in result.output
    assert "Traceback" not in result.output
