"""Every family: one answer from pipeline, registry and bundle; nonsense is refused."""

from typing import Any

import pytest
from tests.conformance.conftest import Released, Served, serving

from crisol import models
from crisol.core.predictor import compare_answers
from crisol.serving.http.config import STATE_FOLDER

ASK_MLFLOW = """
import json, sys
import mlflow
name, requests = sys.argv[1], json.load(open("requests.json"))
model = mlflow.pyfunc.load_model(f"models:/{name}@champion")
print("ANSWERS" + json.dumps(model.predict(requests)))
"""

pytestmark = pytest.mark.timeout(600)  # the first test waits for two runs and a promotion


def golden(released: Released) -> tuple[list[dict[str, Any]], list[dict[str, Any]], frozenset[str]]:
    predictor = models.load_predictor(released.predictor_dir)
    return (
        [g.request for g in predictor.golden],
        [g.response for g in predictor.golden],
        predictor.volatile_fields,
    )


def test_mlflow_answers_as_the_pipeline_did(released: Released) -> None:
    import json

    requests, expected, volatile = golden(released)
    (released.project / "requests.json").write_text(json.dumps(requests))
    done = released.command(
        *("-c", ASK_MLFLOW, released.family.name), MLFLOW_TRACKING_URI="sqlite:///mlflow.db"
    )
    answers = json.loads(done.stdout.split("ANSWERS", 1)[1])
    assert len(answers) == len(expected)
    assert not compare_answers(expected, answers, ignore=volatile, tolerance=1e-6)


def test_the_bundle_answers_as_the_pipeline_did(served: Served) -> None:
    requests, expected, volatile = golden(served.released)
    path = served.released.family.route
    for request, answer in zip(requests, expected, strict=True):
        reply = served.client.post(path, json=request)
        assert reply.status_code == 200, reply.text
        assert not compare_answers(answer, reply.json(), ignore=volatile, tolerance=1e-6)


def test_the_bundle_names_its_version(served: Served) -> None:
    example = models.family(served.released.family.name).example_request().model_dump(mode="json")
    path = served.released.family.route
    reply = served.client.post(path, json=example, headers={"X-Request-Id": "mine-1"})
    assert reply.status_code == 200, reply.text
    assert reply.headers["X-Model-Version"] == "2"
    assert reply.headers["X-Request-Id"] == "mine-1"
    assert float(reply.headers["X-Process-Time-Ms"]) > 0
    lineage = served.client.get("/model").json()["lineage"]
    assert lineage["run_id"] == served.released.versions[-1]["run_id"]


def test_the_bundle_refuses_a_bad_request(served: Served) -> None:
    path = served.released.family.route
    reply = served.client.post(path, json=served.released.spoiled_example())
    assert reply.status_code == 422
    body = reply.json()
    assert set(body) == {"error", "code", "details", "request_id"}
    field = ".".join(str(step) for step in served.released.family.bad_path)
    assert field in [detail["field"] for detail in body["details"]]


def test_the_bundle_asks_for_a_key(served: Served) -> None:
    path = served.released.family.route
    reply = served.client.post(path, json={}, headers={"X-API-Key": "wrong"})
    assert reply.status_code == 401


def test_the_bundle_carries_only_its_rooms(served: Served) -> None:
    copied = {
        p.relative_to(served.bento / "src").as_posix() for p in (served.bento / "src").rglob("*.py")
    }
    forbidden = [p for p in copied if "/registry/" in p or "/pipelines/" in p or "/cli" in p]
    assert copied
    assert not forbidden
    others = {f for f in models.family_names() if f != served.released.family.name}
    assert not [p for p in copied if any(f"models/{other}/" in p for other in others)]
    requirements = "".join(p.read_text() for p in served.bento.glob("env/python/requirements*"))
    assert "bentoml" in requirements
    assert "kedro" not in requirements
    assert "mlflow" not in requirements


def test_the_image_has_a_folder_for_the_state_that_is_kept(served: Served) -> None:
    scripts = [path.read_text() for path in served.bento.glob("env/docker/script*")]
    made = any(STATE_FOLDER in script for script in scripts)
    assert made is served.released.family.capabilities.keeps_state


def test_lineage_leads_from_the_bundle_to_the_run(served: Served) -> None:
    released = served.released
    name = released.family.name
    lineage = released.json("lineage", f"{name}@champion", "--env", "ci")
    assert lineage["version"] == "2"
    for key in ("run_id", "git_commit", "data_digests", "parameters"):
        assert lineage[key], key
    assert released.command("kedro", "lineage", f"{name}/1", "--env", "ci").returncode == 0
    assert released.json("lineage", served.tag, "--env", "ci")["run_id"] == lineage["run_id"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("promote", "{family}", "--version", "99"),
        ("bundle", "{family}@nobody"),
    ],
    ids=" ".join,
)
def test_nonsense_is_refused(released: Released, arguments: tuple[str, ...]) -> None:
    given = [one.format(family=released.family.name) for one in arguments]
    done = released.command("kedro", *given, "--env", "ci", check=False)
    assert done.returncode not in (0, None)
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
def test_reproduce_gives_the_recorded_metrics(released: Released) -> None:
    before = sorted((released.project / "data").rglob("*"))
    version = f"{released.family.name}/1"
    done = released.command("kedro", "reproduce", version, "--env", "ci", another=True)
    assert done.returncode == 0, done.stdout
    versions = released.json("models", released.family.name, "--env", "ci")["versions"]
    assert len(versions) == 2, "reproducing registers nothing"
    assert sorted((released.project / "data").rglob("*")) == before


@pytest.mark.slow
def test_a_rollback_brings_the_champion_before_back_into_the_bundle(released: Released) -> None:
    """Version 1 is promoted, then version 2, which is rolled back; the bundle answers as 1."""
    name, path = released.family.name, released.family.route
    requests, expected, volatile = golden(released)
    try:
        for version in ("1", "2"):
            released.command("kedro", "promote", name, "--version", version, "--env", "ci")
            assert released.json("lineage", f"{name}@champion", "--env", "ci")["version"] == version
        done = released.command("kedro", "rollback", name, "--env", "ci")
        assert "version 1" in done.stdout or f"{name}/1" in done.stdout
        lineage = released.json("lineage", f"{name}@champion", "--env", "ci")
        assert lineage["version"] == "1"
        assert lineage["run_id"] == released.versions[0]["run_id"]
        with serving(released) as bundle:
            for request, answer in zip(requests, expected, strict=True):
                reply = bundle.client.post(path, json=request)
                assert reply.status_code == 200, reply.text
                assert reply.headers["X-Model-Version"] == "1"
                # Both runs were of the same data, parameters and seed.
                assert not compare_answers(answer, reply.json(), ignore=volatile, tolerance=1e-6)
            told = bundle.client.get("/model").json()["lineage"]
            assert told["run_id"] == released.versions[0]["run_id"]
            assert released.json("lineage", bundle.tag, "--env", "ci")["version"] == "1"
    finally:
        released.command("kedro", "promote", name, "--version", "2", "--env", "ci")
    assert released.json("lineage", f"{name}@champion", "--env", "ci")["version"] == "2"
